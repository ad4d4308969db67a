"""In which order the cells of a grid are run, so that its shape shows early."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.experiments.plan import Cell


def coarse_to_fine(cells: Sequence[Cell], lengths: Sequence[int]) -> list[Cell]:
    """The cells, corners first, then the middles between them, and so on: a picture that becomes sharper.

    Args:
        cells: The cells, in the order of their axes.
        lengths: How many values each axis has.
    """
    rounds = [_rounds(length) for length in lengths]

    def when(cell: Cell) -> tuple[int, int]:
        each = [rounds[axis][index] for axis, index in enumerate(cell.position)]
        return max(each, default=0), sum(each)

    return sorted(cells, key=when)


def _rounds(length: int) -> list[int]:
    """For each value of an axis, the round in which halving the distances comes to it; its ends come first."""
    rounds = [0] * length
    gaps, number = [(0, length - 1)], 0
    while gaps := [gap for gap in gaps if gap[1] - gap[0] > 1]:
        number += 1
        halves = []
        for low, high in gaps:
            middle = (low + high) // 2
            rounds[middle] = number
            halves += [(low, middle), (middle, high)]
        gaps = halves
    return rounds
