"""Pictures that an input names: fetched, checked from their head and decoded, inside a worker.

Facts: fal docs, "Errors": `file_download_error`, `file_too_large`, `image_load_error` and `image_too_large` are 422
entries of single fields.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from nbkit.server.field_refused import FieldRefused
from nbkit.server.file_input import content_of

if TYPE_CHECKING:
    from PIL import Image

    from nbkit.server.files import FileStore

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
MAX_SIDE = 8192  # pixels
MAX_PIXELS = 36_000_000


def load_picture(url: str, field: str, files: FileStore, *, public_only: bool = False) -> Image.Image:
    """Get and decode the picture that an input field names.

    Args:
        url: A data URI, an address of one of this server's files, or any http(s) address.
        field: The field's name, for errors.
        files: The server's files.
        public_only: Whether other addresses than those of the server's files must be on the public internet.

    Raises:
        FieldRefused: It cannot be had, is no picture, or is too large.
    """
    content, _ = content_of(url, field, files, public_only=public_only)
    return _decode(content, field)


def _decode(content: bytes, field: str) -> Image.Image:
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the size is judged below, from the head, before anything is decoded
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
                raise FieldRefused(
                    f"The picture has {width}×{height} pixels; at most {MAX_SIDE} a side "
                    f"and {MAX_PIXELS // 10**6} million in all can be worked on",
                    field=field,
                    kind="image_too_large",
                    context={"max_width": MAX_SIDE, "max_height": MAX_SIDE},
                )
            picture.load()
            return ImageOps.exif_transpose(picture)
    except UnidentifiedImageError as error:
        message = f"This is not a picture; these formats are: {', '.join(FORMATS)}"
        raise FieldRefused(message, field=field, kind="image_load_error") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        message = f"The picture cannot be decoded: {str(error)[:200]}"
        raise FieldRefused(message, field=field, kind="image_load_error") from error
