from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from nbkit.experiments.grid import Grid, Scale, Tile
from nbkit.experiments.mosaic import bundle, text
from nbkit.widgets.originals import Originals

if TYPE_CHECKING:
    from pathlib import Path

    from tests.experiments.conftest import MakeGrid


def pictures(page: str) -> int:
    """How many pictures a page holds."""
    return len(re.findall('<img src="data:image/', page))


def test_every_cell_has_its_place(make_grid: MakeGrid) -> None:
    """Rows and columns have their labels, further axes their titles, and each cell its picture."""
    page = bundle(make_grid("Cats", model=("a", "b"), prompt=("猫", "dog"), seed=("1", "2")))["text/html"]

    assert pictures(page) == 8
    assert re.findall("model [ab]", page) == ["model a", "model b"]
    assert page.count("猫") == 2


def test_what_has_no_picture_says_why() -> None:
    """Cells that wait, run, failed or were taken from history look different, in pages and in terminals."""
    scale = Scale("steps", ("1", "2", "3", "4", "5"))
    tiles: dict[tuple[int, ...], Tile] = {
        (0,): Tile(),
        (1,): Tile(state="running"),
        (2,): Tile(state="failed", problem="HTTP 422: no such size"),
        (3,): Tile(state="succeeded", is_from_history=True),
    }
    grid = Grid("", (scale,), tiles)

    assert text(grid, ["2 of 5"]).splitlines() == [
        "2 of 5",
        "steps  1  2  3  4  5",
        "       ·  …  ✗  ⟲",
        "✗ HTTP 422: no such size",
    ]
    page = bundle(grid)["text/html"]
    assert all(words in page for words in ("waiting", "running", "HTTP 422: no such size"))


def test_words_from_outside_are_inert(make_grid: MakeGrid) -> None:
    """Markup in labels, titles, captions and reasons is shown and not obeyed."""
    hostile = "<img src=x onerror=alert(1)><script>"
    grid = make_grid(hostile, **{hostile: (hostile, "b")})
    tile = Tile(state="failed", problem=hostile, caption=hostile)
    page = bundle(replace(grid, tiles={**grid.tiles, (0,): tile}), [hostile])["text/html"]

    assert not re.findall("<script|<img src=x", page)


def test_a_large_sweep_does_not_make_a_heavy_notebook(tmp_path: Path) -> None:
    """Hundreds of detailed pictures stay below 400 kB, and what is not shown is counted."""
    for number in range(4):
        Image.effect_noise((256, 256), 60 + number).convert("RGB").save(tmp_path / f"{number}.png")
    scales = (
        Scale("block", tuple("abcdef")),
        Scale("row", tuple("123456")),
        Scale("column", tuple("1234567890")),
    )
    tiles: dict[tuple[int, ...], Tile] = {
        (block, row, column): Tile(state="succeeded", picture=tmp_path / f"{(row + column) % 4}.png")
        for block in range(6)
        for row in range(6)
        for column in range(10)
    }
    page = bundle(Grid("", scales, tiles))["text/html"]

    assert len(page) < 400_000
    assert pictures(page) == 240
    assert "… and 120 more cells" in page


def test_a_click_finds_the_original(make_grid: MakeGrid, tmp_path: Path) -> None:
    """Each picture links to the whole file beside the notebook."""
    page = bundle(make_grid(seed=("1", "2")), originals=Originals(tmp_path))["text/html"]
    links = re.findall('<a href="([^"]+)"', page)

    assert len(links) == 2
    assert all((tmp_path / link).is_file() for link in links)


@pytest.mark.parametrize(("state", "sign"), [("succeeded", "✓"), ("failed", "✗")])
def test_a_single_cell_is_shown(state: str, sign: str) -> None:
    """Without an axis there is one cell and no empty heads."""
    shown = bundle(Grid("", (), {(): Tile(state=state)}))

    assert shown["text/plain"].strip() == sign
    assert state in shown["text/html"]
