from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from nbkit.errors import InputError, MediaError
from nbkit.experiments.grid import Tile
from nbkit.experiments.sheet import draw_sheet, write_sheet
from tests.experiments.conftest import COLOURS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.experiments.conftest import MakeGrid


def patches(sheet: Image.Image, colour: str) -> int:
    """How many pixels have nearly the colour of a picture."""
    wanted = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    assert isinstance(wanted, tuple)
    counted = sheet.getcolors(10_000_000) or []
    return sum(
        count
        for count, found in counted
        if isinstance(found, tuple) and all(abs(a - b) < 30 for a, b in zip(found, wanted, strict=True))
    )


@pytest.mark.parametrize(
    "axes",
    [
        {"steps": ("4", "8", "16")},
        {"prompt": ("猫", "a dog 🐶"), "steps": ("4", "8", "16")},
        {"model": ("a", "b"), "prompt": ("猫", "dog"), "seed": ("1", "2", "3")},
        {"model": ("a", "b"), "s": ("油画", "ink"), "p": ("猫", "dog"), "c": ("1", "2"), "seed": ("1", "2")},
    ],
    ids=["1", "2", "3", "5"],
)
def test_every_picture_is_on_the_sheet(make_grid: MakeGrid, axes: dict[str, tuple[str, ...]]) -> None:
    """With one axis or five, each cell's picture takes its place, none covers another."""
    grid = make_grid("哪种 🌈", **axes)
    sheet = draw_sheet(grid, side=64)

    for number, colour in enumerate(COLOURS):
        count = sum(sum(place) % len(COLOURS) == number for place in grid.tiles)
        assert patches(sheet, colour) == pytest.approx(count * 64 * 48, rel=0.03, abs=60)


def test_a_failed_cell_says_why(make_grid: MakeGrid) -> None:
    """Where there is no picture the reason stands in its place, and the sheet looks otherwise without it."""
    grid = make_grid(steps=("4", "8"))
    sheets = [
        draw_sheet(replace(grid, tiles={**grid.tiles, (1,): Tile(state="failed", problem=problem)})).tobytes()
        for problem in ("", "HTTP 422: too long")
    ]

    assert sheets[0] != sheets[1]


@pytest.mark.parametrize("ending", [".png", ".pdf", ".jpg", ".webp"])
def test_a_sheet_is_a_file(make_grid: MakeGrid, tmp_path: Path, ending: str) -> None:
    """The ending of the name decides what is written."""
    file = write_sheet(make_grid(steps=("4", "8")), tmp_path / f"fig{ending}", side=64)

    if ending == ".pdf":
        assert file.read_bytes().startswith(b"%PDF-")
    else:
        with Image.open(file) as picture:
            picture.load()
            assert picture.width > 2 * 64


def test_a_sheet_that_cannot_be_drawn_is_one_error(make_grid: MakeGrid, tmp_path: Path) -> None:
    """Another format, a folder that is not there and a sheet beyond all size are told before much is done."""
    grid = make_grid(a=tuple(map(str, range(100))), b=tuple(map(str, range(100))))

    with pytest.raises(InputError, match="a sheet is written as"):
        write_sheet(grid, tmp_path / "fig.svg")
    with pytest.raises(InputError, match="draw smaller pictures with side="):
        write_sheet(grid, tmp_path / "fig.png")
    with pytest.raises(InputError, match="side is at least"):
        draw_sheet(grid, side=0)
    with pytest.raises(MediaError, match="cannot write"):
        write_sheet(make_grid(a=("1", "2")), tmp_path / "nowhere" / "fig.png")


def test_a_damaged_picture_does_not_spoil_the_sheet(make_grid: MakeGrid, tmp_path: Path) -> None:
    """A file that is no picture leaves an empty place."""
    (tmp_path / "bad.png").write_bytes(b"no picture")
    grid = make_grid(steps=("4", "8"))
    broken = replace(grid, tiles={**grid.tiles, (0,): Tile(state="succeeded", picture=tmp_path / "bad.png")})

    assert patches(draw_sheet(broken, side=64), "red") == 0
    assert patches(draw_sheet(broken, side=64), "lime") > 2000
