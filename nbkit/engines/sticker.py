"""Stickers: a cut-out with a white outline and a soft shadow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbkit.engines import pictures
from nbkit.engines.matting import remove_background
from nbkit.errors import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

# Shares of the longest side of what is cut out.
OUTLINE = 0.03
THINNEST_OUTLINE, WIDEST_OUTLINE = 0.005, 0.2
LARGEST_SIZE = 4096  # pixels
OUTLINED_SIDE = 1024  # pixels
# Lengths in widths of the outline.
NOTCH = 0.5  # gaps narrower than twice this are bridged, so that the outline runs smoothly
SHADOW_BLUR = 0.5
SHADOW_DROP = 0.4
SHADOW_OPACITY = 90  # of 255
SOLID = 128  # of 255: from this opacity a pixel of the cut-out has the outline around it


def make_sticker(cutout: Image.Image, *, outline: float = OUTLINE, size: int | None = None) -> Image.Image:
    """Put a white outline and a soft shadow around a cut-out.

    Args:
        cutout: A picture with transparency, as `remove_background` gives it.
        outline: Width of the outline as a share of the longest side of what is cut out, from 0.005 to 0.2.
        size: Pixels of the sticker's longest side; when not given the cut-out keeps its scale.

    Returns:
        A picture in mode RGBA, no larger than the sticker and its shadow.

    Raises:
        EngineError: There is nothing to cut out (`field` is "image"), or `outline` or `size` is out of range.
    """
    from PIL import Image, ImageChops, ImageFilter

    if not THINNEST_OUTLINE <= outline <= WIDEST_OUTLINE:
        raise EngineError(
            f"the outline is {outline:g}; it may be from {THINNEST_OUTLINE} to {WIDEST_OUTLINE}",
            field="outline",
        )
    if size is not None and not 1 <= size <= LARGEST_SIZE:
        raise EngineError(f"the size is {size}; it may be from 1 to {LARGEST_SIZE} pixels", field="size")
    subject = _cropped(pictures.eight_bit(cutout).convert("RGBA"), SOLID)

    width = outline * max(subject.size)
    blur, drop = SHADOW_BLUR * width, round(SHADOW_DROP * width)
    margin = round((1 + NOTCH) * width + 3 * blur) + drop + 2
    canvas_size = (subject.width + 2 * margin, subject.height + 2 * margin)
    layer = Image.new("RGBA", canvas_size)
    layer.paste(subject, (margin, margin))
    shape = _outlined(layer.getchannel("A"), width)
    layer.putalpha(ImageChops.darker(layer.getchannel("A"), shape))  # faint parts end with the paper

    shadow = Image.new("L", canvas_size)
    shadow.paste(shape.point(lambda level: level * SHADOW_OPACITY // 255), (0, drop))
    sticker = Image.new("RGBA", canvas_size, "black")
    sticker.putalpha(shadow.filter(ImageFilter.GaussianBlur(blur)))
    paper = Image.new("RGBA", canvas_size, "white")
    paper.putalpha(shape)
    sticker.alpha_composite(paper)
    sticker.alpha_composite(layer)
    sticker = _cropped(sticker, 1)
    return sticker if size is None else _fitted(sticker, size)


def cut_sticker(image: Image.Image, *, outline: float = OUTLINE, size: int | None = None) -> Image.Image:
    """Make a sticker of the subject of a picture: `remove_background`, then `make_sticker`.

    Raises:
        MissingWeights: The weights of u2netp are not on this machine.
        EngineError: Nothing stands out as a subject (`field` is "image"), or `outline` or `size` is out of range.
    """
    return make_sticker(remove_background(image), outline=outline, size=size)


def _cropped(picture: Image.Image, faintest: int) -> Image.Image:
    """Crop a picture to the pixels whose opacity is at least `faintest`."""
    box = picture.getchannel("A").point([255 * (level >= faintest) for level in range(256)]).getbbox()
    if box is None:
        raise EngineError("there is nothing to make a sticker of: the picture is transparent", field="image")
    return picture.crop(box)


def _fitted(picture: Image.Image, size: int) -> Image.Image:
    from PIL import Image

    scale = size / max(picture.size)
    target = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(target, Image.Resampling.LANCZOS)


def _outlined(alpha: Image.Image, width: float) -> Image.Image:
    """Grow a shape by `width` pixels all around; notches are bridged, and the edge is one pixel soft.

    A large shape is grown at a smaller size: the outline has no fine detail, and its cost grows with the cube.
    """
    import numpy as np
    from PIL import Image

    scale = min(1, OUTLINED_SIDE / max(alpha.size))
    small = alpha.resize(
        (max(1, round(alpha.width * scale)), max(1, round(alpha.height * scale))), Image.Resampling.BOX
    )
    width, notch = width * scale, NOTCH * width * scale
    outside = _distance(np.asarray(small) >= SOLID, width + notch) > width + notch
    coverage = (_distance(outside, notch + 1) - notch).clip(0, 1)
    return Image.fromarray((coverage * 255).round().astype(np.uint8)).resize(
        alpha.size, Image.Resampling.BICUBIC
    )


def _distance(shape: NDArray[np.bool_], reach: float) -> NDArray[np.float32]:
    """Measure how far each pixel is from a shape, in pixels; beyond `reach` any larger number.

    Exact, for the square of a distance is a sum: first of the way along the column, then along the row.
    """
    import numpy as np

    squares = np.where(shape, np.float32(0), np.float32(np.inf))
    for _axis in range(2):
        nearest = squares.copy()
        for step in range(1, math.ceil(reach) + 1):
            np.minimum(nearest[step:], squares[:-step] + step**2, out=nearest[step:])
            np.minimum(nearest[:-step], squares[step:] + step**2, out=nearest[:-step])
        squares = nearest.T
    return np.sqrt(squares)
