"""A small copy of a picture, fit to stand inside a notebook."""

from __future__ import annotations

import base64
import io
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from nbkit.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL.Image import Image as PILImage

# What Pillow decodes by itself. Others (EPS, …) would start programs, and SVG is a page rather than a picture.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
_QUALITIES = (80, 65, 50, 35)
_SHRINK = 0.75
_SMALLEST = 32
_MOST_REMEMBERED = 60_000
_WEBP = "image/webp"
_LEAST_TO_MOVE = 200  # pixels; in a line of text nothing moves
_MOVING = ("GIF", "WEBP", "PNG", "AVIF")  # of the others, several pictures are pages, or a camera's extras
_MOST_FRAMES = 48
_MOST_MOVING = 50_000_000  # pixels of all frames together
_USUAL, _QUICKEST = 100, 20  # milliseconds a frame
_SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_filters = threading.Lock()  # warning filters belong to the whole process


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture made small.

    Attributes:
        data: The encoded picture.
        content_type: `image/webp` or `image/jpeg`.
        width: Pixels of the preview.
        height: Pixels of the preview.
        full_width: Pixels of the picture that it was made from.
        full_height: Pixels of the picture that it was made from.
        see_through: Whether what stands behind it shows.
        animated: Whether the picture moves; the preview does so, too, where that fits into it.
    """

    data: bytes
    content_type: str
    width: int
    height: int
    full_width: int
    full_height: int
    see_through: bool = False
    animated: bool = False

    @property
    def uri(self) -> str:
        """The preview as a `data:` address."""
        return f"data:{self.content_type};base64,{base64.b64encode(self.data).decode('ascii')}"


def preview(
    source: Path | bytes, longest: int = 512, *, content_type: str = "image/webp", limit: int = 60_000
) -> Preview:
    """A copy of at most `longest` pixels a side and `limit` bytes; of what moves the first frame, or all where few.

    What the file is gets read from its bytes, never from its name. Previews of files are remembered if
    they are small.

    Args:
        source: A file, or the bytes of one.
        longest: Pixels of the longer side.
        content_type: `image/webp`, which keeps transparency, or `image/jpeg`, which is quicker to make.
        limit: Bytes.

    Raises:
        MediaError: It is not a picture that can be shown, or too large to be decoded safely.
    """
    if isinstance(source, bytes):
        return _make(io.BytesIO(source), longest, content_type, limit)
    if limit > _MOST_REMEMBERED:
        return _make(source, longest, content_type, limit)
    try:
        facts = source.stat()
    except OSError as error:
        raise MediaError(f"the file cannot be read: {error.strerror}") from error
    return _of_file(source, facts.st_mtime_ns, facts.st_size, longest, content_type, limit)


@lru_cache(maxsize=256)
def _of_file(path: Path, _modified: int, _size: int, longest: int, content_type: str, limit: int) -> Preview:
    return _make(path, longest, content_type, limit)


def _make(source: Path | io.BytesIO, longest: int, content_type: str, limit: int) -> Preview:
    from PIL import ImageOps

    with _decoding(source) as picture:
        full = picture.size
        moves = picture.format in _MOVING and bool(getattr(picture, "is_animated", False))
        # Decodes JPEG at a fraction of its size, and averages whole blocks before it resamples what is left.
        picture.thumbnail((longest, longest), reducing_gap=1.0)
        small = _plain(ImageOps.exif_transpose(picture), alpha=content_type == _WEBP)
        if small.size[0] < small.size[1] and full[0] > full[1]:
            full = (full[1], full[0])
    film = _film(source, longest, limit) if moves and content_type == _WEBP else None
    if film:
        return replace(film, full_width=full[0], full_height=full[1])
    return replace(_fit(small, content_type, limit, full), animated=moves)


def _film(source: Path | io.BytesIO, longest: int, limit: int) -> Preview | None:
    """A small animated WebP of a short animation; None where it is long, large, damaged or does not fit."""
    from PIL import ImageSequence

    frames: list[PILImage] = []
    durations: list[int] = []
    try:
        with _decoding(source) as picture:
            if longest < _LEAST_TO_MOVE or picture.width * picture.height * _MOST_FRAMES > _MOST_MOVING:
                return None
            for frame in ImageSequence.Iterator(picture):
                if len(frames) == _MOST_FRAMES:
                    return None
                still = _plain(frame.copy(), alpha=True)
                still.thumbnail((longest, longest))
                frames.append(still)
                durations.append(max(_QUICKEST, int(frame.info.get("duration", _USUAL))))
    except MediaError:  # its first frame can be shown all the same
        return None
    buffer = io.BytesIO()
    first, *others = frames
    options = {"save_all": True, "append_images": others, "duration": durations, "loop": 0, "method": 0}
    first.save(buffer, "WEBP", quality=_QUALITIES[2], **options)
    data = buffer.getvalue()
    if len(data) > limit:
        return None
    see_through = any(map(_is_see_through, frames))
    return Preview(data, _WEBP, *first.size, *first.size, see_through=see_through, animated=True)


def upright(source: Path) -> PILImage:
    """The whole picture as RGB, turned the way it is to be seen; what is see-through stands on white.

    Raises:
        MediaError: It is not a picture that can be shown, or too large to be decoded safely.
    """
    from PIL import ImageOps

    with _decoding(source) as picture:
        return _plain(ImageOps.exif_transpose(picture), alpha=False)


@contextmanager
def _decoding(source: Path | io.BytesIO) -> Iterator[PILImage]:
    """A picture from outside, opened; whatever is wrong with it becomes one kind of error."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _open(source) as picture:
            yield picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError("the picture has too many pixels to be previewed safely") from error
    except UnidentifiedImageError as error:
        raise MediaError("the file is not a picture that can be shown here") from error
    except Exception as error:  # Pillow's readers raise whatever the broken byte leads them to
        raise MediaError(f"the picture is damaged: {error}") from error


def _open(source: Path | io.BytesIO) -> PILImage:
    from PIL import Image

    if isinstance(source, io.BytesIO):
        source.seek(0)
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(source, formats=_FORMATS)


def _plain(picture: PILImage, *, alpha: bool) -> PILImage:
    """The picture as RGB or, where it is see-through and may stay so, RGBA."""
    from PIL import Image

    if picture.mode in _SIXTEEN_BITS:
        return picture.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    if alpha:
        return picture
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white.convert("RGB")


def _fit(picture: PILImage, content_type: str, limit: int, full: tuple[int, int]) -> Preview:
    while True:
        for quality in _QUALITIES:
            data = _encode(picture, content_type, quality)
            if len(data) <= limit:
                return Preview(data, content_type, *picture.size, *full, see_through=_is_see_through(picture))
        width, height = (max(1, int(side * _SHRINK)) for side in picture.size)
        if max(width, height) < _SMALLEST:
            raise MediaError(f"the picture does not fit into {limit} bytes")
        picture = picture.resize((width, height))


def _is_see_through(picture: PILImage) -> bool:
    return picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255)


def _encode(picture: PILImage, content_type: str, quality: int) -> bytes:
    buffer = io.BytesIO()
    if content_type == "image/jpeg":
        picture.save(buffer, "JPEG", quality=quality)
    else:
        # The quickest method: a quarter of the default's time for a fifth more bytes.
        picture.save(buffer, "WEBP", quality=quality, method=0)
    return buffer.getvalue()
