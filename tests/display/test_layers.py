from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, strategies as st

from nbkit.display.layers import Place, Port, columns, depths


def arranged(lines: list[tuple[str, str]], boxes: str) -> list[list[Place]]:
    """Boxes of one size, and lines from middle to middle."""
    heights = dict.fromkeys(boxes, 50)
    ports = [(Port(start), Port(end)) for start, end in lines]
    middles = {port: 25.0 for line in ports for port in line}
    return columns(heights, depths(list(boxes), lines), ports, middles)


def names(made: list[list[Place]]) -> list[str]:
    """The boxes of each column, `-` for a line that passes."""
    return ["".join(place.box or "-" for place in column) for column in made]


def test_a_box_stands_to_the_right_of_all_that_lead_to_it() -> None:
    """A diamond has three columns, and a line that passes one has a place of its own there."""
    assert names(arranged([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")], "abcd")) == ["a", "bc", "d"]
    assert sorted(names(arranged([("a", "b"), ("b", "c"), ("a", "c")], "abc"))[1]) == ["-", "b"]


def test_lines_to_many_share_their_way() -> None:
    """What is needed in several columns is drawn once up to there."""
    made = arranged([("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d")], "abcd")

    assert [column.count("-") for column in names(made)] == [0, 1, 1, 0]


def test_a_straight_chain_is_drawn_straight() -> None:
    """No box stands higher than the one before it."""
    tops = [place.top for column in arranged([("a", "b"), ("b", "c")], "abc") for place in column]

    assert tops == [0, 0, 0]


def test_lines_that_need_not_cross_do_not() -> None:
    """However the boxes are listed."""
    made = arranged([("a", "d"), ("b", "c")], "abcd")
    first, second = names(made)

    assert [dict(zip("ab", "dc", strict=True))[box] for box in first] == list(second)


_LINES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=25)


@given(_LINES)
def test_whatever_leads_to_whatever_every_box_has_its_place(lines: Any) -> None:
    """Also in circles: each box once, none over another, and every line that is drawn goes from column to column."""
    made = arranged(lines, "abcdefgh")
    places = [place for column in made for place in column]

    assert sorted(place.box for place in places if place.box) == list("abcdefgh")
    for number, column in enumerate(made):
        for upper, lower in itertools.pairwise(column):
            assert upper.top + upper.height <= lower.top
        for place in column:
            assert all(other in made[number - 1] for other, _, _ in place.before)
    depth = depths(list("abcdefgh"), lines)
    reached = {(a, b) for a, b in lines if depth[b] > depth[a]}
    assert len({a for a, _ in reached}) == len({place.box for place in places if place.box and place.after})
