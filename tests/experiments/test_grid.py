from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.experiments.grid import Grid, Scale, Tile

if TYPE_CHECKING:
    from tests.experiments.conftest import MakeGrid


def test_the_innermost_axes_go_across_and_down(make_grid: MakeGrid) -> None:
    """The last axis makes columns and the one before it rows; the others divide the whole into blocks."""
    grid = make_grid(model=("a", "b"), style=("oil", "ink"), prompt=("cat", "dog"), seed=("1", "2", "3"))

    assert (grid.rows, grid.columns) == (("cat", "dog"), ("1", "2", "3"))
    assert [block.title for block in grid.blocks()] == [
        "model a · style oil",
        "model a · style ink",
        "model b · style oil",
        "model b · style ink",
    ]
    last = list(grid.blocks())[-1]
    assert grid.tile(last, 1, 2) is grid.tiles[1, 1, 1, 2]


def test_an_axis_of_one_value_takes_no_room(make_grid: MakeGrid) -> None:
    """What does not vary is neither a row nor a column nor a title."""
    grid = make_grid(model=("a",), prompt=("cat", "dog"), steps=("4",))

    assert (grid.rows, grid.columns) == (("",), ("cat", "dog"))
    assert [block.title for block in grid.blocks()] == [""]


def test_combinations_that_were_not_asked_for_are_empty() -> None:
    """A place without a cell is no cell, and a block without one is not shown."""
    scales = (Scale("a", ("1", "2")), Scale("b", ("1", "2")), Scale("c", ("1", "2")))
    grid = Grid("", scales, {(0, 0, 0): Tile(), (0, 1, 1): Tile()})
    blocks = list(grid.blocks())

    assert [block.title for block in blocks] == ["a 1"]
    assert grid.tile(blocks[0], 0, 1) is None


def test_a_single_cell_is_a_grid() -> None:
    """Without an axis there is one place."""
    grid = Grid("", (), {(): Tile(state="succeeded")})

    assert (grid.rows, grid.columns, grid.combinations) == (("",), ("",), 1)
    assert grid.tile(next(iter(grid.blocks())), 0, 0) is grid.tiles[()]
