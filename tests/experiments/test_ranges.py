from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import InputError
from nbkit.experiments.ranges import MOST_VALUES, is_range, read_range

MEANT: dict[str, list[int | float]] = {
    "1-5": [1, 2, 3, 4, 5],
    "5-1": [5, 4, 3, 2, 1],
    "1-10 (+2)": [1, 3, 5, 7, 9],
    "10-1 (-3)": [10, 7, 4, 1],
    "1-3 (+0.5)": [1.0, 1.5, 2.0, 2.5, 3.0],
    "0.1-0.5 (+0.1)": [0.1, 0.2, 0.3, 0.4, 0.5],
    "0-1 [5]": [0, 0.25, 0.5, 0.75, 1],
    "7-9 [1]": [7],
    "-1-3": [-1, 0, 1, 2, 3],
    "1, 2, …, 10": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    "1,3,...,10": [1, 3, 5, 7, 9, 10],
    "0.1, 0.2, .., 0.5": [0.1, 0.2, 0.3, 0.4, 0.5],
    "4, 8, 10-12": [4, 8, 10, 11, 12],
    "7": [7],
}
REFUSED = {
    "": "no number and no range",
    "a-b": "no number and no range",
    "1-5 (+0)": "never lead from 1 to 5",
    "1-5 (-1)": "never lead from 1 to 5",
    "0.1-0.5": "does not say how far",
    "1, …, 3": "stands between two numbers and a last one",
    "…": "stands between two numbers and a last one",
    "1, 2, …": "stands between two numbers and a last one",
    "1-999999999": "more than 10,000 numbers",
    "0-1 (+0.0000001)": "more than 10,000 numbers",
    "1-2 [0]": "from 1 to 10,000 numbers",
    "nan": "no number and no range",
}


@pytest.mark.parametrize("text", MEANT)
def test_ranges_are_written_as_people_know_them(text: str) -> None:
    """Steps, counts, dots and lists of these mean what they mean in the grids of Stable Diffusion's interfaces."""
    values = read_range(text, "steps")

    assert values == MEANT[text]
    assert [type(it) for it in values] == [type(it) for it in MEANT[text]]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_range_is_refused_by_its_axis(text: str) -> None:
    """A range that cannot be meant is one error, which names the axis."""
    with pytest.raises(InputError, match=REFUSED[text]) as caught:
        read_range(text, "steps")

    assert caught.value.field == "steps"


@pytest.mark.parametrize("text", ["a cat, a dog", "7", "", "1 girl, 2 cats"])
def test_words_are_not_taken_for_ranges(text: str) -> None:
    """A prompt with commas and numbers in it stays a prompt."""
    assert not is_range(text)


@given(
    first=st.integers(-1000, 1000),
    step=st.integers(1, 50),
    count=st.integers(1, 40),
    places=st.integers(0, 4),
)
def test_decimal_steps_do_not_drift(first: int, step: int, count: int, places: int) -> None:
    """0.1 and 0.2 are followed by 0.3 and not by 0.30000000000000004, however the steps go on."""
    unit = Decimal(10) ** -places
    expected = [float((first + step * number) * unit) for number in range(count)]
    last = (first + step * (count - 1)) * unit

    assert read_range(f"{first * unit:f}-{last:f} (+{step * unit:f})", "x") == expected


@given(st.text("0123456789.-+()[]…, ", max_size=40))
def test_any_text_gives_numbers_or_one_error(text: str) -> None:
    """No text hangs, and none gives more than ten thousand numbers."""
    try:
        values = read_range(text, "x")
    except InputError:
        return
    assert 0 < len(values) <= MOST_VALUES
