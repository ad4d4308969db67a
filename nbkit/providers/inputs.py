"""Inputs as people write them, with files anywhere in them, to JSON that can be sent."""

from __future__ import annotations

import asyncio
import hashlib
import io
import math
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError, MediaError
from nbkit.model.media import Media
from nbkit.model.result import Result
from nbkit.wire.fal.refusals import read_refusal
from nbkit.wire.fal.storage import initiate_url, read_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from nbkit.providers.fal import FalService

_DEEPEST = 60
_CHUNK = 1024 * 1024
_LARGE = 16 * 1024 * 1024
_FALLBACK_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be sent.

    Attributes:
        source: Its bytes, or the path they are read from.
        content_type: MIME type.
        file_name: Name for people.
    """

    source: bytes | Path
    content_type: str
    file_name: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.source.stat().st_size if isinstance(self.source, Path) else len(self.source)

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, piece by piece, from the start."""
        return _read(self.source)

    def identity(self) -> str:
        """What tells it from other files: the hash of its bytes; for a large one where it lies and when it changed.

        Hashing 100 MB takes longer than sending them over a quick line.
        """
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        if self.size <= _LARGE:
            with self.source.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        facts = self.source.stat()
        return f"{facts.st_dev}-{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ctime_ns}"


async def _read(source: bytes | Path) -> AsyncIterator[bytes]:
    if isinstance(source, bytes):
        for start in range(0, len(source), _CHUNK):
            yield source[start : start + _CHUNK]
        return
    with source.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


class Uploader:
    """Uploads files to one service, the same one once."""

    def __init__(self, service: FalService) -> None:
        self._service = service
        self._known: dict[tuple[str, str], asyncio.Future[str]] = {}

    async def upload(self, file: Upload) -> str:
        """Upload a file and return its address.

        Raises:
            MediaError: It cannot be read, or the service does not take it.
            ConnectionFailed: The service was never reached.
        """
        try:
            key = (await asyncio.to_thread(file.identity), file.content_type)
        except OSError as error:
            raise MediaError(f"cannot read {file.file_name}: {error.strerror}") from error
        if key not in self._known or _failed(self._known[key]):
            self._known[key] = asyncio.ensure_future(self._send(file))
            self._known[key].add_done_callback(_failed)  # whoever waited for it may be gone
        return await asyncio.shield(self._known[key])

    def close(self) -> None:
        """Stop what is under way."""
        for upload in self._known.values():
            upload.cancel()

    async def _send(self, file: Upload) -> str:
        transport, hosts = self._service.transport, self._service.hosts
        asked = await transport.send(
            "POST", initiate_url(hosts), json={"content_type": file.content_type, "file_name": file.file_name}
        )
        doing = f"uploading {file.file_name}"
        if asked.status >= 300:  # noqa: PLR2004
            raise read_refusal(asked.status, asked.headers, asked.content).error(doing)
        upload_url, file_url = read_place(_json(asked.content), hosts)
        # The address is signed: whoever has it may write there, so the key stays at home.
        put = await transport.send(
            "PUT",
            upload_url,
            content=file.chunks,
            headers={"content-type": file.content_type, "content-length": str(file.size)},
            with_key=False,
        )
        if put.status >= 300:  # noqa: PLR2004
            raise read_refusal(put.status, put.headers, put.content).error(doing)
        return file_url


def _failed(upload: asyncio.Future[str]) -> bool:
    return upload.cancelled() or (upload.done() and upload.exception() is not None)


def _json(content: bytes) -> Any:
    import json

    try:
        return json.loads(content)
    except ValueError:
        return None


def as_upload(value: Any, *, content_type: str | None = None, file_name: str | None = None) -> Upload | None:
    """What a value is as a file; None where it is none.

    Paths, bytes, open files, PIL images, numpy arrays, media and results are files.

    Raises:
        MediaError: It is a file that cannot be read.
    """
    if isinstance(value, Result):
        value = _first_picture(value)
    if isinstance(value, Media):
        if value.path is None:
            return None
        return Upload(value.path, value.content_type or _FALLBACK_TYPE, value.name)
    try:
        if isinstance(value, Path):
            path = value.expanduser()
            if not path.is_file():
                raise MediaError(f"there is no file {path}")
            kind = content_type or mimetypes.guess_type(path.name)[0] or _FALLBACK_TYPE
            return Upload(path, kind, file_name or path.name)
        data, kind, name = _bytes_of(value)
    except (
        OSError,
        ValueError,
        TypeError,
    ) as error:  # a full name, a closed file, an array that is no picture
        raise MediaError(f"{type(value).__name__} cannot be read as a file: {error}") from error
    if data is None:
        return None
    return Upload(data, content_type or kind or _sniffed(data), file_name or name)


def _first_picture(result: Result) -> Media:
    if not result.images:
        raise MediaError("this result has no picture to send on")
    return result.image


def _is_picture(value: Any) -> bool:
    return hasattr(value, "tobytes") and hasattr(value, "save") and hasattr(value, "getbands")


def _bytes_of(value: Any) -> tuple[bytes | None, str, str]:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), "", "file"
    if hasattr(value, "__array_interface__") and not _is_picture(value):
        value = _picture_of(value)
    if _is_picture(value):
        buffer = io.BytesIO()
        fits = value.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
        (value if fits else value.convert("RGB")).save(buffer, format="PNG")
        return buffer.getvalue(), "image/png", "image.png"
    if hasattr(value, "read"):
        if hasattr(value, "seekable") and value.seekable():
            value.seek(0)  # it may have been read before, by the last run of the same cell
        data = value.read()
        if isinstance(data, str):
            raise MediaError("an open file must be opened for bytes: open(path, 'rb')")
        name = Path(str(getattr(value, "name", "file"))).name
        return data, mimetypes.guess_type(name)[0] or "", name
    return None, "", ""


def _picture_of(array: Any) -> Any:
    from PIL import Image

    kind = str(getattr(array, "dtype", ""))
    if kind not in ("uint8", "bool"):
        # Pillow would cut numbers from 0 to 1 down to black.
        raise MediaError(f"an array of {kind} is not a picture: give one of uint8, from 0 to 255")
    return Image.fromarray(array)


def _sniffed(data: bytes) -> str:
    """The type of bytes, told by how they begin."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return Image.MIME.get(picture.format or "", _FALLBACK_TYPE)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return _FALLBACK_TYPE


@dataclass(slots=True)
class Draft:
    """An input as it was when it was given: later changes to it change nothing, and each file in it has its place.

    Attributes:
        data: The input, its lists and dicts copied, files still in it as they were given.
    """

    data: dict[str, Any]
    _files: list[tuple[Any, Any, Any, str]] = field(default_factory=list)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Draft:
        """Take an input.

        Raises:
            InputError: A value is not one that can be sent; names the place.
        """
        if not hasattr(payload, "keys"):
            raise InputError(
                f"an input is a dict of names and values, not {type(payload).__name__}", field="input"
            )
        draft = cls({})
        draft._into(draft.data, dict(payload).items(), "", 0)
        return draft

    async def sent(self, uploader: Uploader, sends_on: Callable[[str], bool]) -> dict[str, Any]:
        """The input as JSON: each file in it is uploaded and replaced by its address.

        Args:
            uploader: Where files go.
            sends_on: Whether the service can read a file at an address by itself.

        Raises:
            InputError: A file cannot be read; names the place.
            ServiceError: The service does not take a file.
        """

        async def fill(holder: Any, name: Any, value: Any, place: str) -> None:
            holder[name] = await _address(value, place, uploader, sends_on)

        await asyncio.gather(*(fill(*file) for file in self._files))
        self._files.clear()
        return self.data

    def _into(self, holder: Any, items: Iterable[tuple[Any, Any]], place: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise InputError(f"{place[:80]}… is nested too deep", field=place)
        for name, value in items:
            if isinstance(holder, dict) and not isinstance(name, str):
                _refuse(name, place, "a name")
            self._put(holder, name, value, f"{place}.{name}" if place else str(name), depth + 1)

    def _put(self, holder: Any, name: Any, value: Any, place: str, depth: int) -> None:
        name = _clean(name) if isinstance(name, str) else name
        if _is_row(value):
            value = value.tolist()
        if isinstance(value, Mapping):
            inner: dict[str, Any] = {}
            holder[name] = inner
            self._into(inner, list(value.items()), place, depth)
        elif isinstance(value, (list, tuple)):
            holder[name] = items = [None] * len(value)
            self._into(items, enumerate(value), place, depth)
        elif isinstance(value, str):
            path = _named_file(value, place)
            self._put(holder, name, path, place, depth) if path else holder.__setitem__(name, _clean(value))
        elif value is None or isinstance(value, (bool, int)):
            holder[name] = value
        elif isinstance(value, float):
            holder[name] = value if math.isfinite(value) else _refuse(value, place, "a number")
        elif _is_file(value):
            holder[name] = value
            self._files.append((holder, name, value, place))
        else:
            _refuse(value, place, "a value")


async def _address(value: Any, place: str, uploader: Uploader, sends_on: Callable[[str], bool]) -> str:
    try:
        if isinstance(value, Result):
            value = _first_picture(value)
        if isinstance(value, Media) and value.url and (value.path is None or sends_on(value.url)):
            return value.url
        file = await asyncio.to_thread(as_upload, value)
    except MediaError as error:
        raise InputError(f"{place}: {error}", field=place) from error
    return await uploader.upload(file) if file else _refuse(value, place, "a value")


def _is_row(value: Any) -> bool:
    """Whether it is a number or a row of numbers, as numpy and its kin have them."""
    is_array = hasattr(value, "tolist") and getattr(value, "ndim", None) in (0, 1)
    return is_array and not isinstance(value, memoryview)


def _is_file(value: Any) -> bool:
    known = isinstance(value, (Path, bytes, bytearray, memoryview, Media, Result))
    return known or _is_picture(value) or hasattr(value, "read") or hasattr(value, "__array_interface__")


def _named_file(text: str, place: str) -> Path | None:
    """Text stays text, but the path of a file where an address belongs is that file."""
    names_file = any(part.endswith(("_url", "_urls")) for part in place.split("."))
    if not names_file or "://" in text or text.startswith("data:"):
        return None
    return _existing_file(text)


def _clean(text: str) -> str:
    """Text as it can be encoded: half a character, as broken programs leave it, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _existing_file(text: str) -> Path | None:
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _refuse(value: Any, place: str, what: str) -> Any:
    raise InputError(
        f"{place or 'input'}: {value!r:.60} ({type(value).__name__}) is not {what} that can be sent",
        field=place,
        hint="send text, numbers, lists, dicts, or files (paths, bytes, PIL images)",
    )
