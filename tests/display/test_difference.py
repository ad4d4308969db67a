from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw

from nbkit.display.difference import SCALE, difference
from nbkit.errors import MediaError

if TYPE_CHECKING:
    from pathlib import Path


def painted(
    path: Path, size: tuple[int, int], colour: str, box: tuple[int, int, int, int] | None = None
) -> Path:
    """A picture of one colour, maybe with a white box."""
    picture = Image.new("RGB", size, colour)
    if box:
        ImageDraw.Draw(picture).rectangle(box, fill="white")
    picture.save(path)
    return path


def test_equal_pictures_do_not_differ(tmp_path: Path) -> None:
    """No pixel, no number, and a picture in the first colour of the scale."""
    one = painted(tmp_path / "a.png", (40, 30), "red")
    found = difference(one, one)

    assert (found.greatest, found.mean, found.share, found.note) == (0, 0.0, 0.0, "")
    assert Image.open(io.BytesIO(found.data)).convert("RGB").getcolors() == [(1200, SCALE[0])]


def test_what_differs_is_measured_and_shown(tmp_path: Path) -> None:
    """A box of a tenth of the picture differs by the greatest of its channels, and has the last colour."""
    one = painted(tmp_path / "a.png", (100, 10), "#000000")
    other = painted(tmp_path / "b.png", (100, 10), "#000000")
    with Image.open(other) as picture:
        picture.paste((10, 80, 30), (0, 0, 10, 10))
        picture.save(other)
    found = difference(one, other)

    assert (found.greatest, found.mean, round(found.share, 6)) == (80, 8.0, 0.1)
    shown = Image.open(io.BytesIO(found.data)).convert("RGB")
    assert shown.getpixel((5, 5)) == SCALE[-1]
    assert shown.getpixel((50, 5)) == SCALE[0]


def test_other_sizes_are_brought_together_and_told(tmp_path: Path) -> None:
    """A half-size copy is enlarged, another shape is compared where both are, and the note says so."""
    one = painted(tmp_path / "a.png", (80, 60), "red")
    small = painted(tmp_path / "b.png", (40, 30), "red")
    wide = painted(tmp_path / "c.png", (160, 40), "red")

    assert difference(one, small).note == "40 × 30 was brought to 80 × 60 for 80 × 60"
    marked = painted(tmp_path / "d.png", (80, 60), "red", (0, 0, 79, 9))  # where the wide one is not
    found = difference(marked, wide)
    assert (found.width, found.height, found.greatest) == (80, 20, 0)
    assert found.note.endswith("compared where both are")


def test_what_cannot_be_compared_is_one_error(tmp_path: Path) -> None:
    """No picture, and pictures too large to be compared, say so."""
    fake = tmp_path / "a.png"
    fake.write_text("<svg onload=alert(1)>")
    large = tmp_path / "b.png"
    Image.new("L", (5000, 4000)).save(large)

    with pytest.raises(MediaError, match="not a picture"):
        difference(fake, fake)
    with pytest.raises(MediaError, match="16 megapixels"):
        difference(large, large)
