"""What a picture is, told without loading Pillow: whoever has a picture has loaded it."""

from __future__ import annotations

from typing import Any


def is_picture_type(kind: Any) -> bool:
    """Whether something is the type of PIL images, or one under it."""
    kinds = kind.__mro__ if isinstance(kind, type) else ()
    return any(it.__module__ == "PIL.Image" and it.__name__ == "Image" for it in kinds)


def is_picture(value: Any) -> bool:
    """Whether a value is a PIL image."""
    return is_picture_type(type(value))
