"""What counts as a file in an input, and its bytes: paths, bytes, open files, pictures, arrays of pixels."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
import mimetypes
import os
import re
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError, MediaError
from nbkit.model.media import Media
from nbkit.model.result import Result
from nbkit.providers.pixels import is_picture, png_of, to_picture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK = 1024 * 1024
_LARGE = 16 * 1024 * 1024
_LARGEST_IN_MEMORY = 32 * 1024 * 1024
LARGEST_DATA_URI = 10 * 1024 * 1024
"""Bytes of a data URI that fal reads."""
_FALLBACK_TYPE = "application/octet-stream"
_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}(; ?[\w-]{1,40}=[\w.\"-]{1,100})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be sent.

    Attributes:
        source: Its bytes, or the path they are read from.
        content_type: MIME type.
        file_name: Name for people.
        keeper: What the path lives as long as, where it is a passing copy.
    """

    source: bytes | Path
    content_type: str
    file_name: str
    keeper: Any = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.source.stat().st_size if isinstance(self.source, Path) else len(self.source)

    def look(self) -> Look:
        """What it is now, to be told from what it may have become later.

        Raises:
            MediaError: It cannot be read, or is empty.
        """
        try:
            facts = _facts(self.source)
            size = self.size
            if not size:
                raise MediaError(f"{self.file_name} is empty")
            return Look(self, size, facts, self._identity(facts))
        except OSError as error:
            raise unreadable(self, error) from error

    def _identity(self, facts: str) -> str:
        """What tells it from other files: the hash of its bytes; for a large one where it lies and when it changed.

        Hashing 100 MB takes longer than sending them over a quick line.
        """
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        if self.size > _LARGE:
            return facts
        with self.source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it was when it was looked at.

    Attributes:
        file: The file.
        size: Bytes.
        facts: Where it lay and when it had changed; an empty string for bytes.
        identity: What tells it from other files.
    """

    file: Upload
    size: int
    facts: str
    identity: str

    @property
    def sha256(self) -> str:
        """Hexadecimal hash of its bytes, an empty string for a large file, which is not read for that."""
        return self.identity if self.identity != self.facts else ""

    async def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from one position up to another, in pieces, read off the network's thread.

        Raises:
            MediaError: The file cannot be read, or is no longer what it was.
        """
        source = self.file.source
        if isinstance(source, bytes):
            for at in range(start, stop, _CHUNK):
                yield source[at : min(at + _CHUNK, stop)]
            return
        for at in range(start, stop, _CHUNK):
            yield await asyncio.to_thread(self._read, source, at, min(_CHUNK, stop - at))

    def _read(self, path: Path, at: int, count: int) -> bytes:
        """Read some bytes. The file is opened for each, so that none stays open when nobody wants more of it."""
        try:
            with path.open("rb") as opened:
                opened.seek(at)
                piece = opened.read(count)
            is_same = len(piece) == count and _facts(path) == self.facts
        except OSError as error:
            raise unreadable(self.file, error) from error
        if not is_same:
            raise MediaError(f"{self.file.file_name} changed while it was uploaded", hint="upload it again")
        return piece


def _facts(source: bytes | Path) -> str:
    if isinstance(source, bytes):
        return ""
    facts = source.stat()
    return f"{facts.st_dev}-{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ctime_ns}"


def unreadable(file: Upload, error: OSError) -> MediaError:
    """The error for a file that the system does not give."""
    gone = "; it was there when the upload began" if isinstance(error, FileNotFoundError) else ""
    return MediaError(f"cannot read {file.file_name}: {error.strerror or error}{gone}")


def as_upload(value: Any, *, content_type: str | None = None, file_name: str | None = None) -> Upload | None:
    """What a value is as a file; None where it is none.

    Paths, bytes, open files, PIL images, numpy arrays, media and results are files.

    Raises:
        MediaError: It is a file that cannot be read.
        InputError: The type that is given is none.
    """
    if content_type is not None and not _TYPE.fullmatch(content_type):
        raise InputError(
            f"content_type is not {content_type!r:.60}", field="content_type", hint="as image/png"
        )
    if isinstance(value, Result):
        value = first_picture(value)
    if isinstance(value, Media):
        content_type, file_name = content_type or value.content_type, file_name or value.name
        value = value.path
    try:
        return _read(value, content_type, file_name)
    except (
        OSError,
        ValueError,
        TypeError,
        RuntimeError,
    ) as error:  # a full name, a closed file, no such home
        raise MediaError(f"{type(value).__name__} cannot be read as a file: {error}") from error


def _read(value: Any, content_type: str | None, file_name: str | None) -> Upload | None:
    if isinstance(value, Path):
        return _of_path(value.expanduser(), content_type, file_name)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _named(bytes(value), content_type, file_name or "file")
    if hasattr(value, "__array_interface__") and not is_picture(value):
        value = to_picture(value)
    if is_picture(value):
        return _named(png_of(value), content_type or "image/png", file_name or "image.png")
    return _of_open_file(value, content_type, file_name) if hasattr(value, "read") else None


def is_file(value: Any) -> bool:
    """Whether a value is one that `as_upload` takes."""
    known = isinstance(value, (Path, bytes, bytearray, memoryview, Media, Result))
    return known or is_picture(value) or hasattr(value, "read") or hasattr(value, "__array_interface__")


def first_picture(result: Result) -> Media:
    """The picture that a result stands for where it is used as an input.

    Raises:
        MediaError: It has none.
    """
    if not result.images:
        raise MediaError("this result has no picture to send on")
    return result.image


def data_uri(value: Any, *, content_type: str | None = None) -> str:
    """A small file as an address that holds the file itself: `data:image/png;base64,…`.

    Args:
        value: A `pathlib.Path`, bytes, an open file, a PIL image, a NumPy array, media or a result.
        content_type: MIME type; guessed where it is not given.

    Raises:
        MediaError: It cannot be read, or is larger than the 10 MiB that fal reads.
        InputError: It is not a file.
    """
    file = as_upload(value, content_type=content_type)
    if file is None:
        raise InputError(f"{value!r:.60} ({type(value).__name__}) is not a file", field="value")
    return inlined(file)


def inlined(file: Upload) -> str:
    """A file as a data URI.

    Raises:
        MediaError: It cannot be read, or is larger than the 10 MiB that fal reads.
    """
    try:
        if file.size > LARGEST_DATA_URI:
            raise MediaError(
                f"{file.file_name} has {file.size} bytes; a data URI holds up to {LARGEST_DATA_URI}",
                hint="use client.upload(…)",
            )
        data = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error
    return f"data:{file.content_type};base64,{base64.b64encode(data).decode()}"


def _named(source: bytes | Path, content_type: str | None, name: str, keeper: Any = None) -> Upload:
    kind = content_type or mimetypes.guess_type(name)[0] or _sniffed(source)
    # Names from the system may hold bytes that are no text, and cannot be sent as JSON.
    return Upload(source, kind, name.encode("utf-8", "replace").decode(), keeper)


def _of_path(path: Path, content_type: str | None, file_name: str | None) -> Upload:
    if path.is_dir():
        raise MediaError(f"{path} is a folder, not a file")
    if not path.is_file():
        raise MediaError(f"there is no file {path}")
    return _named(path, content_type, file_name or path.name)


def _of_open_file(file: Any, content_type: str | None, file_name: str | None) -> Upload:
    """An open file, from its start, wherever it stands; it stands there again afterwards.

    A file that lies on the disk is read from there when it is sent, and any other is copied there where it is large.
    """
    name = file_name or Path(str(getattr(file, "name", "file"))).name
    if path := _path_behind(file):
        return _named(path, content_type, name)
    standing = None
    if hasattr(file, "seekable") and file.seekable():
        standing = file.tell()
        file.seek(0)  # it may have been read before, by the last run of the same cell
    try:
        with tempfile.SpooledTemporaryFile(_LARGEST_IN_MEMORY) as copy:  # it moves to the disk when it grows
            while piece := file.read(_CHUNK):
                if isinstance(piece, str):
                    raise MediaError("an open file must be opened for bytes: open(path, 'rb')")
                copy.write(piece)
            size = copy.tell()
            copy.seek(0)
            if size <= _LARGEST_IN_MEMORY:
                return _named(copy.read(), content_type, name)
            return _kept_copy(copy, content_type, name)
    finally:
        if standing is not None:
            file.seek(standing)


def _path_behind(file: Any) -> Path | None:
    """Where an open file lies on the disk; None where it does not, or not any more, or not as it reads."""
    inner = getattr(file, "file", file)  # as tempfile wraps them
    raw = getattr(inner, "raw", inner)
    if not isinstance(raw, io.FileIO) or not isinstance(raw.name, (str, bytes)):
        return None
    with contextlib.suppress(OSError):
        if not isinstance(inner, io.FileIO) and inner.writable():
            inner.flush()
        path = Path(os.fsdecode(raw.name)).absolute()
        if path.is_file() and os.path.samestat(path.stat(), os.fstat(raw.fileno())):
            return path
    return None


def _kept_copy(copy: Any, content_type: str | None, name: str) -> Upload:
    import shutil

    with tempfile.NamedTemporaryFile(prefix="nbkit-upload-", delete=False) as kept:
        path = Path(kept.name)
        keeper = _Keeper()
        weakref.finalize(keeper, path.unlink, missing_ok=True)
        shutil.copyfileobj(copy, kept, _CHUNK)
    return _named(path, content_type, name, keeper)


class _Keeper:
    """Whoever holds it holds a passing copy of a file."""


def _sniffed(source: bytes | Path) -> str:
    """The type of a file, told by how it begins."""
    from PIL import Image

    with (
        contextlib.suppress(Exception),
        Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as it,
    ):
        return Image.MIME.get(it.format or "", _FALLBACK_TYPE)
    return _FALLBACK_TYPE
