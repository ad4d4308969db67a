from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from nbkit.experiments.explorer import write_explorer
from nbkit.experiments.grid import Grid, Scale, Tile
from tests.attacks import ATTACKS
from tests.browser.conftest import keep

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    from tests.browser.witness import Witness

PICTURE, OTHER = Image.radial_gradient("L"), Image.linear_gradient("L")


def grid(folder: Path, title: str = "Colours", **axes: tuple[str, ...]) -> Grid:
    """Pictures of all combinations, each of its own colour."""
    scales = tuple(Scale(name, labels) for name, labels in axes.items())
    tiles = {}
    for place in itertools.product(*(range(len(scale.labels)) for scale in scales)):
        path = folder / f"{'-'.join(map(str, place))}.png"
        level = Image.new("L", PICTURE.size, 60 * sum(place) % 256)
        Image.merge("RGB", (PICTURE, OTHER, level)).save(path)
        tiles[place] = Tile(state="succeeded", picture=path, caption="1.2 s", numbers={"sharpness": 0.5})
    return Grid(title, scales, tiles)


@pytest.fixture
def explorer(page: Page, tmp_path: Path) -> Page:
    """An explorer of three axes, opened from the disk."""
    made = grid(tmp_path, prompt=("a cat", "a dog"), steps=("10", "20", "40"), seed=("1", "2"))
    page.goto(write_explorer(made, tmp_path / "colours.html", judged="steps", sweep="s1").as_uri())
    return page


def test_axes_are_picked_and_pictures_compared(explorer: Page) -> None:
    """Another axis across draws another grid; arrows move, Enter opens, c pins and compares, Esc comes back."""
    pictures = explorer.locator(".cell img")
    expect(explorer.locator("section")).to_have_count(2)
    expect(pictures).to_have_count(12)
    keep(explorer, "explorer")
    picker(explorer, "columns").select_option("prompt")
    expect(explorer.locator("thead").first).to_contain_text("a dog")
    picker(explorer, "seed").select_option(label="1")
    expect(explorer.locator("section")).to_have_count(1)
    expect(pictures).to_have_count(6)

    explorer.locator(".cell").first.focus()
    explorer.keyboard.press("ArrowRight")
    explorer.keyboard.press("ArrowDown")
    explorer.keyboard.press("Enter")
    viewer = explorer.get_by_role("dialog", name="Picture")
    expect(viewer).to_contain_text("prompt a dog · steps 20 · seed 1")
    expect(viewer.locator("img")).to_have_attribute("src", re.compile("^colours_files/"))
    explorer.keyboard.press("c")
    explorer.keyboard.press("ArrowLeft")
    explorer.keyboard.press("c")
    expect(viewer).to_contain_text("left: prompt a cat · steps 20 · seed 1 | right: prompt a dog")
    keep(explorer, "explorer-compare")
    explorer.get_by_role("slider", name="How much of each is shown").fill("20")
    expect(viewer.locator(".stage")).to_have_attribute("style", "--cut: 20%;")
    explorer.keyboard.press("Escape")
    expect(viewer).to_be_hidden()


def picker(explorer: Page, name: str) -> Locator:
    """The list of choices with a name above it."""
    heading = explorer.locator("span").filter(has_text=re.compile(f"^{name}$"))
    return explorer.locator(".controls label").filter(has=heading).locator("select")


def test_zooming_one_picture_zooms_all(explorer: Page) -> None:
    """Ctrl and the wheel over one picture show the same part of every picture, until the zoom is reset."""
    first, last = explorer.locator(".cell img").first, explorer.locator(".cell img").last
    whole = last.evaluate("it => getComputedStyle(it).transform")
    first.hover()
    explorer.keyboard.down("Control")
    explorer.mouse.wheel(0, -300)
    explorer.keyboard.up("Control")
    explorer.wait_for_function(
        "getComputedStyle(document.querySelector('main')).getPropertyValue('--zoom') > 2"
    )
    zoomed = last.evaluate("it => getComputedStyle(it).transform")
    assert zoomed != whole
    assert first.evaluate("it => getComputedStyle(it).transform") == zoomed
    explorer.get_by_role("button", name="Reset zoom").click()
    assert last.evaluate("it => getComputedStyle(it).transform") == whole


def test_ballots_are_downloaded(explorer: Page, witness: Witness) -> None:
    """Judging pairs with the keys gives a file that says which value won, without telling it before."""
    witness.answer = "Ada"
    explorer.get_by_role("button", name="Judge in pairs").click()
    ballot = explorer.get_by_role("dialog", name="Which is better?")
    expect(ballot).to_contain_text("0 judged, 12 to go")
    keep(explorer, "explorer-ballot")
    words = ballot.inner_text() + " ".join(
        it.get_attribute("alt") or "" for it in ballot.locator("img").all()
    )
    assert "steps" not in words
    explorer.keyboard.press("ArrowLeft")
    expect(ballot).to_contain_text("1 judged")
    explorer.keyboard.press("Space")
    expect(ballot).to_contain_text("2 judged")
    ballot.get_by_role("button", name="The right one is better").click()
    expect(ballot).to_contain_text("3 judged")
    with explorer.expect_download() as download:
        explorer.keyboard.press("s")
    given = json.loads(download.value.path().read_text())
    assert (given["kind"], given["sweep"]) == ("nbkit ballots", "s1")
    assert [(it["choice"], it["voter"]) for it in given["ballots"]] == [
        ("left", "Ada"),
        ("tie", "Ada"),
        ("right", "Ada"),
    ]
    assert all({it["left"], it["right"]} < {"10", "20", "40"} for it in given["ballots"])


def test_hostile_labels_stay_words(page: Page, tmp_path: Path) -> None:
    """Titles, axes, labels, captions and problems with markup in them are shown as they are, and nothing runs."""
    words = tuple(ATTACKS)
    made = grid(tmp_path, words[0], **{words[1]: words, words[5]: ("1", words[2])})
    tiles = {}
    for number, (place, tile) in enumerate(made.tiles.items()):
        word, picture = words[number % len(words)], tile.picture if number % 2 else None
        tiles[place] = Tile(state="failed", picture=picture, caption=word, problem=word, numbers={word: 1.0})
    target = tmp_path / "hostile.html"
    page.emulate_media(color_scheme="dark")
    page.goto(write_explorer(replace(made, tiles=tiles), target, about=words[3], sweep=words[4]).as_uri())
    page.get_by_label("captions").check()
    expect(page.locator("h1")).to_have_text(words[0])
    expect(page.locator("main")).to_contain_text(words[8])
    page.locator(".cell img").first.click()
    keep(page, "explorer-hostile")
