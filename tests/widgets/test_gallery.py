from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nbkit.client.run import Run
from nbkit.errors import InputError, RunFailed
from nbkit.model.endpoint import Endpoint
from nbkit.model.media import Media
from nbkit.widgets.gallery import Gallery, gallery
from tests.attacks import ATTACKS
from tests.display.test_injection import inspect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.widgets.conftest import MakeResult


def asked(shown: Any, wish: dict[str, Any]) -> list[tuple[dict[str, Any], list[bytes]]]:
    """What a browser is sent when it asks for something."""
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    shown.send = lambda content, buffers=(): sent.append((content, list(buffers)))
    shown._handle_custom_msg(wish, [])
    return sent


def new_run() -> Run:
    """A run that only its test moves."""
    return Run(Endpoint.parse("local/collage"), {"prompt": "a dog"})


def test_every_kind_of_picture_is_taken(make_result: MakeResult, tmp_path: Path) -> None:
    """Results, lists, runs, media, paths, bytes and PIL images stand side by side, with what is known of them."""
    result = make_result(7)
    run = new_run()
    run._settle(result)
    picture = Image.new("RGB", (8, 8))
    path = tmp_path / "7.png"
    shown = gallery(result, [run, result.media[0]], path, str(path), path.read_bytes(), picture)

    assert len(shown.items) == 7
    about = shown.items[0]
    assert (about["prompt"], about["seed"], about["endpoint"], about["seconds"]) == (
        "a cat",
        "7",
        "local/collage",
        0.7,
    )
    assert about["time"] == pytest.approx(path.stat().st_mtime)
    assert shown.items[-1]["name"] == "picture"
    with pytest.raises(InputError, match="int is no picture"):
        gallery(7)


def test_pictures_are_sent_when_they_are_looked_at(make_result: MakeResult, tmp_path: Path) -> None:
    """The state holds no picture; a page asks for its own, small, and the large view for one."""
    noise = tmp_path / "noise.png"
    Image.frombytes("RGB", (900, 900), os.urandom(900 * 900 * 3)).save(noise)
    shown = gallery([make_result(seed) for seed in range(300)], noise)

    assert len(str(shown.get_state())) < 150_000
    small = asked(shown, {"kind": "pictures", "numbers": [0, 1, 300], "size": "small"})
    assert [content["number"] for content, _ in small] == [0, 1, 300]
    assert all(len(buffers[0]) <= 60_000 for _, buffers in small)
    (content, buffers), *_ = asked(shown, {"kind": "pictures", "numbers": [300], "size": "large"})
    assert content["type"] == "image/webp"
    assert 60_000 < len(buffers[0]) <= 600_000


@pytest.mark.parametrize(
    "wish",
    [
        None,
        [],
        {"kind": []},
        {"kind": "pictures"},
        {"kind": "pictures", "numbers": [-1, 9, "0", None, 1e9], "size": "small"},
        {"kind": "pictures", "numbers": [0], "size": "huge"},
        {"kind": "__init__"},
    ],
)
def test_a_browser_may_ask_for_anything(make_result: MakeResult, wish: Any) -> None:
    """What makes no sense is left alone."""
    assert asked(gallery(make_result(1)), wish) == []


def test_a_missing_picture_says_why() -> None:
    """A file that was not downloaded, or is none that can be shown, leaves its reason in the grid."""
    shown = gallery(Media("http://x/a.png", "image/png", problem="the link has expired"))
    (content, _), *_ = asked(shown, {"kind": "pictures", "numbers": [0], "size": "small"})

    assert "the link has expired" in content["problem"]
    assert "the link has expired" in shown.bundle()["text/plain"]


def test_the_selection_can_be_watched(make_result: MakeResult) -> None:
    """Ticking a picture changes `selection`, which holds the media, in the order they were given."""
    results = [make_result(seed) for seed in range(3)]
    shown = gallery(results)
    seen: list[Any] = []
    shown.observe(lambda change: seen.append(change["new"]), "selection")
    shown.set_state({"selected": [2, 0, 99]})

    assert shown.selection == (results[0].image, results[2].image)
    assert seen == [shown.selection]


def test_a_run_brings_its_pictures_when_it_is_over(make_result: MakeResult) -> None:
    """A gallery of runs fills by itself; a run that fails leaves a tile that says why."""
    good, bad = new_run(), new_run()
    shown = gallery(good, bad, make_result(1))
    assert (len(shown.items), shown.waiting) == (1, 2)

    good._settle(make_result(2))
    bad._settle(None, RunFailed("the prompt was refused"))

    assert ([item["seed"] for item in shown.items], shown.waiting) == (["1", "2", None], 0)
    assert "the prompt was refused" in shown.bundle()["text/plain"]


def test_the_static_form_stands_by_itself(make_result: MakeResult) -> None:
    """What is saved refers to no widget, is bounded, and says how many more there were."""
    bundle, _ = gallery([make_result(seed, "noise") for seed in range(60)])._repr_mimebundle_()

    assert bundle.keys() == {"text/plain", "text/html"}
    assert bundle["text/html"].count("<img") == 24
    assert "and 36 more" in bundle["text/html"]
    assert "and 36 more" in bundle["text/plain"]
    assert len(bundle["text/plain"].splitlines()) == 25


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_words_stay_words(attack: str, make_result: MakeResult) -> None:
    """Prompts, names and endpoints from outside are text in the page, the terminal and the messages."""
    result = make_result(1, attack)
    media = Media(attack, "image/png", attack, path=result.image.path, problem=attack)
    shown = gallery(result, media, Media(attack, attack, attack, problem=attack))
    text, page = shown.still()

    assert inspect(page).wrong == []
    assert not set(text + json.dumps(shown.items, ensure_ascii=False)) & set("\x1b\x07\x00\u202e\ud800")


def test_a_gallery_may_be_empty() -> None:
    """Nothing to show is said, and pictures can be added later."""
    shown = Gallery()
    assert "no pictures yet" in shown.bundle()["text/html"]
    assert repr(shown) == "<Gallery>"
