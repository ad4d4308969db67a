"""Sprites onto the picture: shadow, light of the scene, outline glow in the dark, water line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbkit.engines.collage.canvas import mix
from nbkit.engines.collage.sky import WHITE
from nbkit.engines.collage.sprites import sprite_image

if TYPE_CHECKING:
    from PIL.Image import Image

    from nbkit.engines.collage.layout import Placement
    from nbkit.engines.collage.sky import Air

_LIGHT_SHARE = 0.4


def draw_placement(picture: Image, placement: Placement, air: Air) -> None:
    """Draw one sprite into an RGB picture, in place."""
    from PIL import Image as Pictures

    sprite = _lit(sprite_image(placement.piece.sprite, round(placement.height), placement.piece.colour), air)
    if placement.piece.tilt:
        sprite = sprite.rotate(placement.piece.tilt, Pictures.Resampling.BICUBIC, expand=True)
    if placement.sink:
        sprite = _sunk(sprite, placement.sink)
    left = round(placement.x - sprite.width / 2)
    top = round(placement.foot - sprite.height)
    if placement.has_shadow:
        _shadow(picture, placement, sprite.width)
    if air.is_dark:
        _glow(picture, sprite, left, top)
    picture.paste(sprite, (left, top), sprite)


def _lit(sprite: Image, air: Air) -> Image:
    """Let the light of the scene fall on a sprite, a little, so that it belongs there and stays bright."""
    light = mix(WHITE, air.ambient, _LIGHT_SHARE * (0.6 if air.is_dark else 1.0))
    if light == WHITE:
        return sprite
    red, green, blue, alpha = sprite.split()
    bands = [
        band.point([min(255, round(level * factor)) for level in range(256)])
        for band, factor in zip((red, green, blue), light, strict=True)
    ]
    from PIL import Image as Pictures

    return Pictures.merge("RGBA", [*bands, alpha])


def _shadow(picture: Image, placement: Placement, width: int) -> None:
    from PIL import Image as Pictures, ImageDraw, ImageFilter

    half, high = width * 0.46, max(2.0, placement.height * 0.05)
    blur = max(1.0, high * 0.45)
    margin = int(3 * blur) + 1
    mask = Pictures.new("L", (int(2 * half) + 2 * margin, int(2 * high) + 2 * margin))
    ImageDraw.Draw(mask).ellipse((margin, margin, margin + 2 * half, margin + 2 * high), fill=96)
    mask = mask.filter(ImageFilter.GaussianBlur(blur))
    corner = round(placement.x - half - margin), round(placement.foot - high * 1.1 - margin)
    picture.paste(Pictures.new("RGB", mask.size, (38, 32, 52)), corner, mask)


def _glow(picture: Image, sprite: Image, left: int, top: int) -> None:
    """Lift a black outline off a dark ground with a thin soft light behind it."""
    from PIL import Image as Pictures, ImageFilter

    blur = max(1.0, sprite.height * 0.02)
    margin = int(3 * blur) + 1
    mask = Pictures.new("L", (sprite.width + 2 * margin, sprite.height + 2 * margin))
    mask.paste(sprite.getchannel("A"), (margin, margin))
    mask = mask.filter(ImageFilter.GaussianBlur(blur)).point(
        [min(255, round(level * 1.1)) for level in range(256)]
    )
    picture.paste(Pictures.new("RGB", mask.size, (196, 206, 245)), (left - margin, top - margin), mask)


def _sunk(sprite: Image, share: float) -> Image:
    """Let the lower part of a sprite vanish behind a wavy line."""
    import numpy as np
    from PIL import Image as Pictures

    alpha = np.asarray(sprite.getchannel("A"), np.float32)
    rows = np.arange(sprite.height, dtype=np.float32)[:, None]
    across = np.arange(sprite.width, dtype=np.float32) / max(1, sprite.height) * 2 * math.pi * 2.2
    line = sprite.height * (1 - share + 0.015 * np.sin(across))[None, :]
    above = np.clip(line - rows + 0.5, 0, 1)
    depth = np.clip((rows - line) / (sprite.height * share), 0, 1)
    cut = sprite.copy()
    cut.putalpha(
        Pictures.fromarray(
            (alpha * (above + (1 - above) * 0.22 * np.clip(1 - 2 * depth, 0, 1))).astype(np.uint8), "L"
        )
    )
    return cut
