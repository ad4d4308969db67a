"""Inputs as people write them, with files anywhere in them, to JSON that can be sent."""

from __future__ import annotations

import asyncio
import hashlib
import io
import math
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError, MediaError
from nbkit.model.media import Media
from nbkit.model.result import Result
from nbkit.wire.fal.refusals import read_refusal
from nbkit.wire.fal.storage import initiate_url, read_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from nbkit.providers.fal import FalService

_DEEPEST = 60
_CHUNK = 256 * 1024
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

    def sha256(self) -> str:
        """Hexadecimal hash of the bytes."""
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        with self.source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


async def _read(source: bytes | Path) -> AsyncIterator[bytes]:
    if isinstance(source, bytes):
        for start in range(0, len(source), _CHUNK):
            yield source[start : start + _CHUNK]
        return
    with source.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


class Uploader:
    """Uploads files to one service, the same bytes once."""

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
            key = (await asyncio.to_thread(file.sha256), file.content_type)
        except OSError as error:
            raise MediaError(f"cannot read {file.file_name}: {error.strerror}") from error
        if key not in self._known or _failed(self._known[key]):
            self._known[key] = asyncio.ensure_future(self._send(file))
        return await asyncio.shield(self._known[key])

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
        if not value.images:
            raise MediaError("this result has no picture to send on")
        value = value.image
    if isinstance(value, Media):
        if value.path is None:
            return None
        return Upload(value.path, value.content_type or _FALLBACK_TYPE, value.name)
    if isinstance(value, Path):
        path = value.expanduser()
        if not path.is_file():
            raise MediaError(f"there is no file {path}")
        kind = content_type or mimetypes.guess_type(path.name)[0] or _FALLBACK_TYPE
        return Upload(path, kind, file_name or path.name)
    data, kind, name = _bytes_of(value)
    if data is None:
        return None
    return Upload(data, content_type or kind or _sniffed(data), file_name or name)


def _bytes_of(value: Any) -> tuple[bytes | None, str, str]:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), "", "file"
    if hasattr(value, "__array_interface__") and getattr(value, "ndim", 0) >= 2:  # noqa: PLR2004
        from PIL import Image

        value = Image.fromarray(value)
    if hasattr(value, "tobytes") and hasattr(value, "save") and hasattr(value, "getbands"):
        buffer = io.BytesIO()
        fits = value.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
        (value if fits else value.convert("RGB")).save(buffer, format="PNG")
        return buffer.getvalue(), "image/png", "image.png"
    if hasattr(value, "read"):
        data = value.read()
        if isinstance(data, str):
            raise MediaError("an open file must be opened for bytes: open(path, 'rb')")
        name = Path(str(getattr(value, "name", "file"))).name
        return data, mimetypes.guess_type(name)[0] or "", name
    return None, "", ""


def _sniffed(data: bytes) -> str:
    """The type of bytes, told by how they begin."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return Image.MIME.get(picture.format or "", _FALLBACK_TYPE)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return _FALLBACK_TYPE


async def as_json(
    payload: Mapping[str, Any], uploader: Uploader, sends_on: Callable[[str], bool]
) -> dict[str, Any]:
    """The input as JSON: each file in it is uploaded and replaced by its address.

    Args:
        payload: The input.
        uploader: Where files go.
        sends_on: Whether the service can read a file at an address by itself.

    Raises:
        InputError: A value is not one that JSON knows; names the place.
        MediaError: A file cannot be read.
    """
    if not isinstance(payload, dict) and not hasattr(payload, "keys"):
        raise InputError(
            f"an input is a dict of names and values, not {type(payload).__name__}", field="input"
        )
    walk = _Walk(uploader, sends_on)
    converted: dict[str, Any] = await walk.value(dict(payload), "", 0)
    return converted


class _Walk:
    def __init__(self, uploader: Uploader, sends_on: Callable[[str], bool]) -> None:
        self._uploader = uploader
        self._sends_on = sends_on

    async def value(self, value: Any, place: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise InputError(f"{place} is nested too deep", field=place)
        if isinstance(value, dict):
            names = [str(name) if isinstance(name, str) else _refuse(name, place, "a name") for name in value]
            inner = (self.value(value[name], f"{place}.{name}".lstrip("."), depth + 1) for name in names)
            return dict(zip(names, await asyncio.gather(*inner), strict=True))
        if isinstance(value, (list, tuple)):
            items = (self.value(item, f"{place}.{index}", depth + 1) for index, item in enumerate(value))
            return list(await asyncio.gather(*items))
        if isinstance(value, str):
            return await self._text(value, place)
        return await self._leaf(value, place)

    async def _text(self, text: str, place: str) -> str:
        """Text stays text, but the path of a file where an address belongs is that file."""
        names_file = any(part.endswith(("_url", "_urls")) for part in place.split("."))
        if names_file and "://" not in text and not text.startswith("data:"):
            path = _existing_file(text)
            if path:
                return await self._file(path, place)
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-8", "replace").decode()
        return text

    async def _leaf(self, value: Any, place: str) -> Any:
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else _refuse(value, place, "a number")
        if isinstance(value, Media) and (self._sends_on(value.url) or value.path is None):
            return value.url
        if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
            return await self.value(value.item(), place, _DEEPEST)
        if hasattr(value, "tolist") and getattr(value, "ndim", None) == 1:
            return value.tolist()
        return await self._file(value, place)

    async def _file(self, value: Any, place: str) -> str:
        try:
            file = as_upload(value)
        except MediaError as error:
            raise InputError(f"{place}: {error}", field=place) from error
        if file is None:
            _refuse(value, place, "a value")
        return await self._uploader.upload(file)  # type: ignore[arg-type]


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
