"""What an experiment gave, laid out: which axis goes across, which goes down, and which divide the whole."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis, as it is shown.

    Attributes:
        name: What varies.
        labels: Its values.
    """

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One cell, as it is shown.

    Attributes:
        state: `waiting`, `running`, `succeeded`, `failed` or `cancelled`.
        picture: The file of its first picture, None where there is none.
        caption: What stands under it.
        problem: Why it failed, or why there is no picture.
        numbers: What was measured: name → value.
        is_from_history: Whether it was not run again.
    """

    state: str = "waiting"
    picture: Path | None = None
    caption: str = ""
    problem: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    is_from_history: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A grid within the grid: one combination of the values of all axes that are neither across nor down.

    Attributes:
        title: Those values, an empty string where there is no such axis.
        fixed: The index of its value on each axis; of those across and down, 0.
    """

    title: str
    fixed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """An experiment, as it is shown.

    Attributes:
        title: What it is called.
        scales: Its axes, outermost first.
        tiles: Its cells by the indexes of their values; combinations that were not asked for are not there.
    """

    title: str
    scales: tuple[Scale, ...]
    tiles: Mapping[tuple[int, ...], Tile] = field(repr=False)

    @property
    def across(self) -> int | None:
        """The axis whose values are columns: the innermost one with more than one value."""
        return self._varying[-1] if self._varying else None

    @property
    def down(self) -> int | None:
        """The axis whose values are rows: the next one outwards."""
        return self._varying[-2] if len(self._varying) > 1 else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The labels of the columns; a single empty one where nothing goes across."""
        return ("",) if self.across is None else self.scales[self.across].labels

    @property
    def rows(self) -> tuple[str, ...]:
        """The labels of the rows; a single empty one where nothing goes down."""
        return ("",) if self.down is None else self.scales[self.down].labels

    def blocks(self) -> Iterator[Block]:
        """The grids within the grid that hold at least one cell, in the order of their axes."""
        inner = {self.across, self.down}
        outer = [number for number in range(len(self.scales)) if number not in inner]
        held = {tuple(position[number] for number in outer) for position in self.tiles}
        for chosen in itertools.product(*(range(len(self.scales[number].labels)) for number in outer)):
            if chosen in held:
                places = dict(zip(outer, chosen, strict=True))
                title = " · ".join(
                    f"{self.scales[number].name} {self.scales[number].labels[index]}"
                    for number, index in places.items()
                    if len(self.scales[number].labels) > 1
                )
                yield Block(title, tuple(places.get(number, 0) for number in range(len(self.scales))))

    def tile(self, block: Block, row: int, column: int) -> Tile | None:
        """The cell of a place, None where the combination was not asked for."""
        position = list(block.fixed)
        for axis, index in ((self.down, row), (self.across, column)):
            if axis is not None:
                position[axis] = index
        return self.tiles.get(tuple(position))

    @property
    def combinations(self) -> int:
        """How many places there are."""
        return math.prod(len(scale.labels) for scale in self.scales)

    @property
    def _varying(self) -> list[int]:
        return [number for number, scale in enumerate(self.scales) if len(scale.labels) > 1]
