"""Give a sprite another colour: its main colour changes, outlines, white, skin and shading stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    Plane = npt.NDArray[np.float32]
    Mask = npt.NDArray[np.bool_]

COLOURS = {
    "red": (0.918, 0.286, 0.243),
    "orange": (0.96, 0.56, 0.20),
    "yellow": (0.99, 0.86, 0.22),
    "gold": (0.95, 0.73, 0.15),
    "green": (0.45, 0.72, 0.27),
    "teal": (0.22, 0.74, 0.72),
    "blue": (0.30, 0.60, 0.92),
    "navy": (0.17, 0.27, 0.56),
    "purple": (0.58, 0.39, 0.76),
    "pink": (0.98, 0.56, 0.71),
    "brown": (0.62, 0.43, 0.25),
    "black": (0.24, 0.24, 0.28),
    "white": (0.97, 0.96, 0.94),
    "grey": (0.66, 0.67, 0.70),
}
"""Colour name → what the largest surface of the sprite becomes (sRGB, 0–1)."""

_SKIN_HUE = 0.151  # the yellow of OpenMoji's people
_SKIN_WIDTH = 0.04  # with the shades of fair hair
_HUE_BINS = 36
_FAMILY_WIDTH = 0.09
_COLOURFUL = 0.22
_DARK = 0.30
_ENOUGH = 0.12


def recolour(image: Image, colour: str, *, keep_skin: bool = True) -> Image:
    """Return the sprite with its dominant colour replaced by a named one; unknown names change nothing."""
    import numpy as np
    from PIL import Image as Pictures

    if colour not in COLOURS:
        return image
    pixels = np.asarray(image.convert("RGBA"), np.float32) / np.float32(255)
    paint, alpha = pixels[..., :3], pixels[..., 3]
    hue, saturation, value = _hsv(paint)
    solid = alpha > 0.5  # noqa: PLR2004 - more opaque than not
    vivid = solid & (saturation > _COLOURFUL) & (value > _DARK)
    skin = _distance(hue, _SKIN_HUE) < _SKIN_WIDTH
    if keep_skin and (vivid & ~skin).sum() > _ENOUGH * vivid.sum():
        vivid &= ~skin
    pale = solid & (saturation <= _COLOURFUL) & (value > _DARK)
    if vivid.sum() >= _ENOUGH * max(int(pale.sum()), 1):
        changed = _family(hue, saturation, value, vivid)
    else:
        changed = _neutral(saturation, value, pale)
    weight, depth, light = changed
    if keep_skin:
        weight = weight * (
            1
            - np.clip((_SKIN_WIDTH * 1.25 - _distance(hue, _SKIN_HUE)) / (_SKIN_WIDTH * 0.25), 0, 1)
            * (saturation > _COLOURFUL)
        )
    target = np.asarray(COLOURS[colour], np.float32)
    # Less saturated than the main colour: towards white. Darker than it: towards black. So shading and edges stay.
    new = (target * depth[..., None] + (1 - depth[..., None])) * light[..., None]
    mixed = paint + (new - paint) * weight[..., None]
    result = np.concatenate([np.clip(mixed, 0, 1), alpha[..., None]], axis=-1)
    return Pictures.fromarray((result * 255 + 0.5).astype(np.uint8), "RGBA")


def _family(hue: Plane, saturation: Plane, value: Plane, vivid: Mask) -> tuple[Plane, Plane, Plane]:
    """Weigh the pixels of the dominant hue, and tell how deep and how light each is beside the largest surface."""
    import numpy as np

    counts, edges = np.histogram(hue[vivid], bins=_HUE_BINS, range=(0, 1), weights=saturation[vivid])
    centre = float(edges[int(np.argmax(counts))]) + 0.5 / _HUE_BINS
    near = _distance(hue, centre)
    member = vivid & (near < _FAMILY_WIDTH)
    main_saturation = float(np.median(saturation[member]))
    main_value = float(np.median(value[member]))
    reach = np.clip((_FAMILY_WIDTH * 1.25 - near) / (_FAMILY_WIDTH * 0.25), 0, 1)
    weight = reach * np.clip((saturation - 0.06) / 0.1, 0, 1)
    depth = np.clip(saturation / main_saturation, 0, 1)
    return weight, depth, np.clip(value / main_value, 0, 1.06)


def _neutral(saturation: Plane, value: Plane, pale: Mask) -> tuple[Plane, Plane, Plane]:
    """Weigh the pixels of the main grey or white, as `_family` does for a hue."""
    import numpy as np

    main_value = float(np.median(value[pale])) if pale.any() else 1.0
    weight = np.clip((_COLOURFUL - saturation) / 0.08, 0, 1)
    return weight, np.ones_like(value), np.clip(value / main_value, 0, 1.25)


def _distance(hue: Plane, centre: float) -> Plane:
    import numpy as np

    away = np.abs(hue - np.float32(centre))
    nearest: Plane = np.minimum(away, 1 - away)
    return nearest


def _hsv(paint: Plane) -> tuple[Plane, Plane, Plane]:
    import numpy as np

    value, low = paint.max(axis=-1), paint.min(axis=-1)
    spread = value - low
    safe = np.where(spread > 0, spread, 1)
    red, green, blue = paint[..., 0], paint[..., 1], paint[..., 2]
    hue = np.where(
        value == red,
        ((green - blue) / safe) % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    saturation = spread / np.where(value > 0, value, 1)
    return (hue / 6).astype(np.float32), saturation.astype(np.float32), value.astype(np.float32)
