"""Where the boxes of a flowchart stand: in columns from left to right, so that few lines cross and most are short.

A line that passes columns gets a place of its own in each, so that it runs through no box. Circles are drawn as well:
the line that closes one is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SWEEPS = 4
_LINE = 14  # pixels in height for a line that passes
_GAP = 18


@dataclass(frozen=True, slots=True)
class Port:
    """An end of a line: a row of a box.

    Attributes:
        box: The box.
        row: Which of its rows, None for the box as a whole.
    """

    box: str
    row: int | None = None


@dataclass(slots=True, eq=False)
class Place:
    """A box, or a line on its way, in a column.

    Attributes:
        box: The box, an empty string for a line.
        height: Pixels.
        top: Pixels from the top of the drawing.
        before: What leads here: the place in the column before, and how many pixels below that place's top and this
            one's the line begins and ends.
        after: What this leads to: the place in the next column, and as many pixels there and here.
    """

    box: str
    height: int
    top: float = 0.0
    before: list[tuple[Place, float, float]] = field(default_factory=list)
    after: list[tuple[Place, float, float]] = field(default_factory=list)

    def wish(self, *, of_before: bool) -> float | None:
        """The top at which its lines to one side would run straight, None where there are none."""
        tops = [other.top + there - here for other, there, here in (self.before if of_before else self.after)]
        return sum(tops) / len(tops) if tops else None


def depths(boxes: Sequence[str], lines: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The column of each box: one more than the last of those that lead to it, without the lines that close circles."""
    leads: dict[str, list[str]] = {box: [] for box in boxes}
    for start, end in lines:
        leads[end].append(start)
    depth: dict[str, int] = {}
    for first in boxes:
        path: dict[str, int] = {}  # box → how many that lead to it were looked at
        todo = [first]
        while todo:
            box = todo[-1]
            seen = path.get(box, 0)
            if box in depth or seen == len(leads[box]):
                known = [depth[other] + 1 for other in leads[box] if other in depth]
                depth.setdefault(box, max(known, default=0))
                path.pop(box, None)
                todo.pop()
                continue
            path[box] = seen + 1
            other = leads[box][seen]
            if other not in depth and other not in path:
                todo.append(other)
    return depth


def columns(
    heights: Mapping[str, int],
    depth: Mapping[str, int],
    lines: Sequence[tuple[Port, Port]],
    middles: Mapping[Port, float],
) -> list[list[Place]]:
    """The columns, from left to right, each from top to bottom.

    Args:
        heights: Box → its height in pixels, in the order in which boxes are listed.
        depth: Box → its column.
        lines: From where to where; a line that does not go to the right is left out.
        middles: Port → pixels from the top of its box.
    """
    made: list[list[Place]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    places = {box: Place(box, height) for box, height in heights.items()}
    for box, place in places.items():
        made[depth[box]].append(place)
    passing: dict[tuple[Port, int], Place] = {}
    for start, end in lines:
        here, down = places[start.box], middles[start]
        for column in range(depth[start.box] + 1, depth[end.box]):
            there = passing.get((start, column))
            if there is None:
                there = passing[start, column] = Place("", _LINE)
                made[column].append(there)
                _join(here, down, there, _LINE / 2)
            here, down = there, _LINE / 2
        if depth[end.box] > depth[start.box]:
            _join(here, down, places[end.box], middles[end])
    _arrange(made)
    return made


def _join(here: Place, down: float, there: Place, below: float) -> None:
    here.after.append((there, below, down))
    there.before.append((here, down, below))


def _arrange(made: list[list[Place]]) -> None:
    for column in made:
        _stack(column)
    for sweep in range(_SWEEPS):
        of_before = sweep % 2 == 0
        for column in made if of_before else reversed(made):
            tops = [(place, place.wish(of_before=of_before)) for place in column]
            wished = [(place, place.top if top is None else top) for place, top in tops]
            wished.sort(key=lambda wish: wish[1] + wish[0].height / 2)
            column[:] = [place for place, _top in wished]
            _settle(column, [top for _place, top in wished])
    highest = min((place.top for column in made for place in column), default=0.0)
    for column in made:
        for place in column:
            place.top = round(place.top - highest)


def _stack(column: list[Place]) -> None:
    top = 0.0
    for place in column:
        place.top = top
        top += place.height + _GAP


def _settle(column: list[Place], tops: Sequence[float]) -> None:
    """Put each place where it wishes to be, below the one before it, and all up by what that pushed them down."""
    bottom = float("-inf")
    for place, top in zip(column, tops, strict=True):
        place.top = max(top, bottom)
        bottom = place.top + place.height + _GAP
    pushed = sum(place.top - top for place, top in zip(column, tops, strict=True)) / max(1, len(column))
    for place in column:
        place.top -= pushed
