"""Pictures that an input names: fetched, checked from their head and decoded, inside a worker.

Facts: fal docs, "Errors": `file_download_error`, `file_too_large`, `image_load_error` and `image_too_large` are 422
entries of single fields.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from nbkit.server.field_refused import FieldRefused
from nbkit.server.remote_file import fetch, unreachable

if TYPE_CHECKING:
    from PIL import Image

    from nbkit.server.files import FileStore

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
MAX_SIDE = 8192  # pixels
MAX_PIXELS = 36_000_000
_LONGEST_ADDRESS = 2000
_LARGEST = 2**30


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
    return _decode(_content(url, field, files, public_only=public_only), field)


def _content(url: str, field: str, files: FileStore, *, public_only: bool) -> bytes:
    scheme = url.partition(":")[0].lower()
    if scheme == "data":
        return _from_data_uri(url, field)
    own = _own_file(url, files)
    if own is not None:
        return own
    if scheme not in ("http", "https"):
        raise unreachable(
            url, f"{scheme[:20]!r} is not a scheme that can be fetched; use https or a data URI", field
        )
    return asyncio.run(fetch(url, field, public_only=public_only))[0]


def _from_data_uri(url: str, field: str) -> bytes:
    head, comma, body = url.partition(",")
    if not comma:
        raise FieldRefused("The data URI has no data", field=field, kind="image_load_error")
    if not head.endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(body, validate=False)
    except (binascii.Error, ValueError) as error:
        raise FieldRefused("The data URI is not base64", field=field, kind="image_load_error") from error


def _own_file(url: str, files: FileStore) -> bytes | None:
    """The bytes of one of our own files, whatever host its address names."""
    # What follows the last three slashes, whether it is a whole address or the mark that models write.
    *_, signature, file_id, _name = ["", "", *url[-_LONGEST_ADDRESS:].split("/")]
    if not files.allows(signature, file_id):
        return None
    return files.read(file_id, _LARGEST) if files.find(file_id) else None


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
