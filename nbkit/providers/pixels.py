"""Pictures in memory as PNG: PIL images of any mode, and arrays of pixels."""

from __future__ import annotations

import io
from typing import Any

from nbkit.errors import MediaError

_AS_THEY_ARE = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_WITH_ALPHA = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA"}
_SPILL = 1e-3  # rounding may carry a value a little over its end
_CHANNELS = (1, 2, 3, 4)


def is_picture(value: Any) -> bool:
    """Whether a value is a PIL image."""
    return hasattr(value, "tobytes") and hasattr(value, "save") and hasattr(value, "getbands")


def png_of(picture: Any) -> bytes:
    """A PIL image as a PNG.

    Raises:
        MediaError: Its numbers have no fixed range, so what is black and what is white is not known.
        OSError: Its file is broken.
    """
    if picture.width == 0 or picture.height == 0:
        raise MediaError(f"a picture of {picture.width}×{picture.height} pixels is empty")
    if picture.mode in ("F", "I"):
        low, high = picture.getextrema()
        if picture.mode == "F" or low < 0 or high > 255:  # noqa: PLR2004 - the range of a byte
            raise MediaError(
                f"a picture of mode {picture.mode} with values from {low:g} to {high:g} has no fixed black and white: "
                "scale it to 0–255 and convert it to L"
            )
        picture = picture.convert("L")
    elif picture.mode in _WITH_ALPHA:
        picture = picture.convert(_WITH_ALPHA[picture.mode])
    elif picture.mode not in _AS_THEY_ARE:
        picture = picture.convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def to_picture(array: Any) -> Any:
    """An array of pixels as a PIL image.

    Args:
        array: Rows × columns, or rows × columns × 1 to 4 channels; uint8 from 0 to 255, bool, or floats from 0 to 1.

    Raises:
        MediaError: It has another shape, type or range.
    """
    import numpy as np
    from PIL import Image

    pixels = np.asarray(array)
    shape = "×".join(map(str, pixels.shape)) or "no axes"
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in _CHANNELS)  # noqa: PLR2004
    if not fits or not pixels.size:
        raise MediaError(f"an array of shape {shape} is not a picture: {_shape_advice(pixels)}")
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    elif np.issubdtype(pixels.dtype, np.floating):
        low, high = float(pixels.min()), float(pixels.max())
        if not -_SPILL <= low <= high <= 1 + _SPILL:  # also where one of them is not a number
            raise MediaError(
                f"an array of {pixels.dtype} is a picture where its values are from 0 to 1; "
                f"these are from {low:g} to {high:g}"
            )
        pixels = (pixels.clip(0, 1) * 255).round().astype(np.uint8)
    elif pixels.dtype != np.uint8:
        raise MediaError(
            f"an array of {pixels.dtype} is not a picture: give uint8 from 0 to 255, bool, or floats from 0 to 1"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 1:  # noqa: PLR2004
        pixels = pixels[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(pixels))


def _shape_advice(pixels: Any) -> str:
    if not pixels.size:
        return "it is empty"
    if pixels.ndim == 3 and pixels.shape[0] in _CHANNELS:  # noqa: PLR2004
        return "put the channels last, as array.transpose(1, 2, 0) does"
    if pixels.ndim == 4:  # noqa: PLR2004
        return "give one of several pictures, as array[0]"
    return "it has rows and columns, and then 1 to 4 channels"
