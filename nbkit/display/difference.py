"""How two pictures differ, as a picture and in numbers."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.display.preview import upright
from nbkit.errors import MediaError

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image as PILImage

SCALE = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""The colours of no difference to the greatest one: even steps for every kind of eyes, and in print."""
_LEVELS = 256
_MOST_PIXELS = 16_000_000
_LONGEST = 1600


@dataclass(frozen=True, slots=True)
class Difference:
    """How two pictures differ.

    Attributes:
        data: A PNG: for each pixel the greatest difference of red, green and blue, in the colours of `SCALE`.
        width: Pixels of that.
        height: Pixels of that.
        greatest: The greatest difference, 0 to 255; it has the last colour of the scale.
        mean: The mean over all pixels, 0 to 255.
        share: The share of the pixels that differ at all, 0 to 1.
        note: What had to be done to the second one to compare them, an empty string where nothing.
    """

    data: bytes
    width: int
    height: int
    greatest: int
    mean: float
    share: float
    note: str = ""


def difference(first: Path, second: Path) -> Difference:
    """Compare two pictures pixel by pixel.

    The second one is brought to the size of the first one without changing its shape; where the two do not cover
    each other, nothing is compared.

    Raises:
        MediaError: One of them is not a picture that can be shown, or too large.
    """
    from PIL import Image, ImageChops, ImageStat

    one, other = upright(first), upright(second)
    if max(one.width * one.height, other.width * other.height) > _MOST_PIXELS:
        raise MediaError(f"pictures of more than {_MOST_PIXELS // 1_000_000} megapixels are not compared")
    one, other, note = _aligned(one, other)
    red, green, blue = ImageChops.difference(one, other).split()
    grey = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    statistics = ImageStat.Stat(grey)
    greatest = max(level for level, count in enumerate(grey.histogram()) if count)
    shown = grey.copy()
    shown.thumbnail((_LONGEST, _LONGEST), Image.Resampling.BOX)
    shown = shown.point([min(255, round(255 * level / max(1, greatest))) for level in range(_LEVELS)])
    shown.putpalette([part for level in range(_LEVELS) for part in _colour(level / (_LEVELS - 1))])
    buffer = io.BytesIO()
    shown.save(buffer, "PNG")
    share = 1 - grey.histogram()[0] / (grey.width * grey.height)
    return Difference(buffer.getvalue(), *shown.size, greatest, statistics.mean[0], share, note)


def _aligned(one: PILImage, other: PILImage) -> tuple[PILImage, PILImage, str]:
    """Both in one size, cut to what they share."""
    from PIL import Image

    if one.size == other.size:
        return one, other, ""
    scale = min(one.width / other.width, one.height / other.height)
    size = (max(1, round(other.width * scale)), max(1, round(other.height * scale)))
    note = f"{_pixels(other.size)} was brought to {_pixels(size)} for {_pixels(one.size)}"
    if size != one.size:
        note += "; compared where both are"
    left, top = (one.width - size[0]) // 2, (one.height - size[1]) // 2
    shared = one.crop((left, top, left + size[0], top + size[1]))
    return shared, other.resize(size, Image.Resampling.LANCZOS), note


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _colour(level: float) -> tuple[int, ...]:
    place = level * (len(SCALE) - 1)
    below = min(int(place), len(SCALE) - 2)
    part = place - below
    return tuple(
        round(low + (high - low) * part) for low, high in zip(SCALE[below], SCALE[below + 1], strict=True)
    )
