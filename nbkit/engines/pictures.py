"""Pictures as the engines take them: 8 bits a channel, grey or colour, with or without transparency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.errors import EngineError

if TYPE_CHECKING:
    from PIL import Image

PLAIN_MODES = ("L", "LA", "RGB", "RGBA")
WHITE = 255
DEEP_WHITE = 65535  # of 16 bits


def eight_bit(image: Image.Image) -> Image.Image:
    """Bring a picture into one of the modes L, LA, RGB and RGBA; one that has such a mode is returned itself.

    Palettes and CMYK become RGB, palettes with transparency RGBA, bitmaps and deep greys L. Greys of 16 bits
    are scaled; 32-bit greys too when they hold more than 255, otherwise their values are kept.

    Raises:
        EngineError: The picture has no pixels.
    """
    if not image.width or not image.height:
        raise EngineError(
            f"a picture of {image.width} x {image.height} pixels has nothing in it", field="image"
        )
    if image.mode in PLAIN_MODES:
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled_grey(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _scaled_grey(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(image).astype(np.float32))
    if image.mode.startswith("I;16") or values.max() > WHITE:
        values = values * (WHITE / DEEP_WHITE)
    return Image.fromarray(values.round().clip(0, WHITE).astype(np.uint8))


def opaque_colours(image: Image.Image) -> Image.Image:
    """Give a picture in mode LA or RGBA as RGB, with the nearest visible colour where nothing is visible."""
    visible = image.getchannel("A").point([0] + 255 * [WHITE])
    return spread_colours(image.convert("RGB"), visible)


def spread_colours(image: Image.Image, sure: Image.Image) -> Image.Image:
    """Let the colours of the sure pixels run into the others, smoothly, the nearest first.

    Transparent pixels have any colour, often black, and pixels at an edge have something of the other side:
    what is computed from them gets a fringe.

    Args:
        image: A picture in mode RGB.
        sure: A mask in mode L of the same size: 255 where the colour is to be trusted and kept.

    Returns:
        A picture in mode RGB. Where nothing is sure at all it is black.
    """
    layer = image.convert("RGBA")
    layer.putalpha(sure)
    return _filled(layer)


def _filled(layer: Image.Image) -> Image.Image:
    """Lay a picture over itself at half the size, that over itself at a quarter, and so on."""
    from PIL import Image

    colours = layer.convert("RGB")
    least_opaque, _ = layer.getchannel("A").getextrema()
    if least_opaque == WHITE or layer.size == (1, 1):
        return colours
    half = layer.resize(((layer.width + 1) // 2, (layer.height + 1) // 2), Image.Resampling.BOX)
    ground = _filled(half).resize(layer.size, Image.Resampling.BILINEAR)
    return Image.composite(colours, ground, layer.getchannel("A"))
