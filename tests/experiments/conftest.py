from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol

import pytest
from PIL import Image

from nbkit.experiments.grid import Grid, Scale, Tile

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = ("red", "lime", "blue", "yellow", "fuchsia", "aqua")


class MakeGrid(Protocol):
    """Makes a grid of plain pictures."""

    def __call__(self, title: str = "", **axes: tuple[str, ...]) -> Grid:
        """Make it from the labels of its axes."""


@pytest.fixture
def make_grid(tmp_path: Path) -> MakeGrid:
    """Grids of plain pictures; the colour of a cell is known by the sum of its indexes."""
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (64, 48), colour).save(tmp_path / f"{number}.png")

    def make(title: str = "", **axes: tuple[str, ...]) -> Grid:
        scales = tuple(Scale(name, labels) for name, labels in axes.items())
        places = itertools.product(*(range(len(scale.labels)) for scale in scales))
        tiles = {
            place: Tile(
                state="succeeded", picture=tmp_path / f"{sum(place) % len(COLOURS)}.png", caption="1 s"
            )
            for place in places
        }
        return Grid(title, scales, tiles)

    return make
