from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nbkit.errors import InputError, MediaError
from nbkit.model.result import Result
from nbkit.widgets.compare import compare
from tests.attacks import ATTACKS
from tests.display.test_injection import inspect
from tests.widgets.test_gallery import asked

if TYPE_CHECKING:
    from tests.widgets.conftest import MakeResult


def test_two_results_are_compared_by_their_first_pictures(make_result: MakeResult) -> None:
    """The browser gets sizes and captions at once, and each picture when it asks."""
    shown = compare(make_result(1), make_result(2, size=(32, 32)), Image.new("RGB", (9, 9)))

    assert [(one["width"], one["height"]) for one in shown.pictures] == [(64, 48), (32, 32), (9, 9)]
    (content, buffers), *_ = asked(shown, {"kind": "picture", "number": 1})
    assert (content["number"], content["type"]) == (1, "image/webp")
    assert buffers[0][8:12] == b"WEBP"


def test_the_difference_is_computed_from_the_pixels(make_result: MakeResult) -> None:
    """Red differs by nine, everywhere; that is what the numbers and the words say."""
    shown = compare(make_result(1), make_result(10))
    found = shown.difference()
    (content, buffers), *_ = asked(shown, {"kind": "difference", "pair": [0, 1]})

    assert (found.greatest, found.mean, found.share) == (9, 9.0, 1.0)
    assert content["words"] == "100.0% of the pixels differ, by 9.0 of 255 on average, 9 at most"
    assert buffers == [found.data]
    assert "data" not in content
    assert compare(make_result(3), make_result(3)).bundle()["text/plain"].endswith("no pixel differs")


def test_different_sizes_are_told(make_result: MakeResult) -> None:
    """The static form says what was done to compare them."""
    page = compare(make_result(1), make_result(2, size=(32, 32))).bundle()["text/html"]

    assert "32 × 32 was brought to 48 × 48 for 64 × 48; compared where both are" in page


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "picture", "number": 7},
        {"kind": "picture", "number": "0"},
        {"kind": "difference", "pair": [0]},
        {"kind": "difference", "pair": [0, 7]},
        {"kind": "difference", "pair": ["a", None]},
    ],
)
def test_a_browser_may_ask_for_anything(make_result: MakeResult, wish: Any) -> None:
    """What makes no sense is left alone."""
    assert asked(compare(make_result(1), make_result(2)), wish) == []


def test_what_has_no_picture_is_refused(make_result: MakeResult) -> None:
    """A result without files, and a file that is gone, are one clear error."""
    with pytest.raises(InputError, match="Result has no picture"):
        compare(make_result(1), Result({}))
    with pytest.raises(MediaError, match="cannot be read"):
        compare(make_result(1), "nowhere.png")


def test_the_static_form_shows_both_and_the_difference(make_result: MakeResult) -> None:
    """Without a kernel there are the pictures side by side, and what differs."""
    bundle, _ = compare(make_result(1), make_result(2))._repr_mimebundle_()

    assert bundle.keys() == {"text/plain", "text/html"}
    assert bundle["text/html"].count("<img") == 3
    assert "A · a cat" in bundle["text/html"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_words_stay_words(attack: str, make_result: MakeResult) -> None:
    """A prompt from outside is text in the page and in the messages."""
    shown = compare(make_result(1, attack), make_result(2, attack))
    text, page = shown.still()

    assert inspect(page).wrong == []
    assert not set(text + json.dumps(shown.pictures, ensure_ascii=False)) & set("\x1b\x07\x00\u202e\ud800")
