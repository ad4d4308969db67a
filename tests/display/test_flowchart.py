from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given, strategies as st

from nbkit.display.flowchart import Box, html
from nbkit.display.layers import Port
from tests.attacks import ATTACKS
from tests.display.test_injection import inspect

INPUT = Box("input", "input", "input", rows=(("prompt", "string"),))
STEP = Box("a", "step", "sketch", "acme/gen", (("prompt", "← prompt"), ("n", "3")))
OUTPUT = Box("out", "output", "output", rows=(("image", "← images.0"),))
LINES = [(Port("input", 0), Port("a", 0)), (Port("a"), Port("out", 0))]


def drawings(page: str) -> list[str]:
    """The pictures between the columns."""
    return [
        base64.b64decode(it).decode() for it in re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", page)
    ]


def test_words_are_text_and_lines_are_pictures() -> None:
    """So that words take the colours of the page, and the lines come through where drawings in pages are dropped."""
    page = html([INPUT, STEP, OUTPUT], LINES, "a chain of one step")

    assert inspect(page).wrong == []
    assert 'role="img" aria-label="a chain of one step"' in page
    assert len(drawings(page)) == 2
    for word in ("sketch", "acme/gen", "← prompt", "← images.0"):
        assert f">{word}<" in page
    assert "<style" not in page
    assert "<svg" not in page


def test_an_arrow_ends_at_the_row_that_takes_the_value() -> None:
    """The curve begins at the row of the input and ends in the middle of the step's row."""
    page = html([INPUT, STEP], LINES[:1], "")
    tops = [int(it) for it in re.findall(r"margin-top:(\d+)px;height", page)]
    start, end = re.findall(r'd="M0 ([\d.]+)C.* ([\d.]+)" fill="none"', drawings(page)[0])[0]

    assert float(start) == tops[0] + INPUT.middle(0)
    assert float(end) == tops[1] + STEP.middle(0)


def test_many_rows_are_counted_and_a_drawing_too_large_is_none() -> None:
    """Nothing is drawn that nobody could read, or that would fill a notebook."""
    many = Box("a", "step", "a", rows=tuple((f"row {number}", "") for number in range(30)))
    chain = [Box(f"n{number}", "step", "n") for number in range(500)]

    assert "and 24 more" in html([many, OUTPUT], [(Port("a", 29), Port("out", 0))], "")
    assert html(chain, [], "") == ""


@pytest.mark.parametrize("attack", ATTACKS)
def test_names_from_outside_stay_names(attack: str) -> None:
    """In every place, and never inside of a picture."""
    box = Box("x", "step", attack, attack, ((attack, attack),))
    page = html([box, OUTPUT], [(Port("x", 0), Port("out", 0))], attack)

    known = set(drawings(html([STEP, OUTPUT], LINES[1:], ""))[0]) | set("0123456789.-")

    assert inspect(page).wrong == []
    assert [set(drawing) - known for drawing in drawings(page)] == [set()]


@given(st.text(st.characters(codec=None), max_size=80))
def test_any_name_stays_a_name(word: str) -> None:
    """No text breaks out of a box."""
    box = Box("x", "step", word, word, ((word, word),))

    assert inspect(html([box], [], word)).wrong == []
