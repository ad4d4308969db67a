"""The files of an output, fetched at once: links die, and a result without its pictures is lost."""

from __future__ import annotations

import asyncio
import base64
import binascii
import mimetypes
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from nbkit.errors import MediaError, NbkitError
from nbkit.model.media import Media, find_media

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nbkit.history.files import FileStore, Incoming
    from nbkit.transport.http import Transport

_AT_ONCE = 8
_MOST_FILES = 500
_LARGEST_FILE = 2 * 1024**3
_ATTEMPTS = 3
_SILENCE = 60.0
_BLOCK = 1024 * 1024
_SVG = "image/svg+xml"


class Collector:
    """Fetches files into a store, each address once."""

    def __init__(self, transport: Transport, store: FileStore) -> None:
        self._transport = transport
        self._store = store
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._known: dict[str, Media] = {}

    async def collect(self, output: Any) -> tuple[Media, ...]:
        """Every file in an output, with its copy on this machine, or with the reason why there is none."""
        found = list(find_media(output))[:_MOST_FILES]
        if not found:
            return ()
        return tuple(await asyncio.gather(*(self._collect(media) for media in found)))

    async def _collect(self, media: Media) -> Media:
        if media.url not in self._known:
            try:
                async with self._slots:
                    self._known[media.url] = await self._fetch(media)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one file, the result is not lost
                return replace(media, problem=str(error).partition("\n")[0] or type(error).__name__)
        kept = self._known[media.url]
        return replace(kept, place=media.place)

    async def _fetch(self, media: Media) -> Media:
        for attempt in range(1, _ATTEMPTS + 1):
            incoming = self._store.incoming()
            try:
                kind = await self._receive(media, incoming)
                return await asyncio.to_thread(_kept, media, incoming, kind)
            except NbkitError as error:
                incoming.drop()
                if attempt == _ATTEMPTS or isinstance(error, MediaError):
                    raise
                await asyncio.sleep(0.3 * attempt)
            except BaseException:
                incoming.drop()
                raise
        raise AssertionError("unreachable")  # pragma: no cover

    async def _receive(self, media: Media, incoming: Incoming) -> str:
        """Write the file's bytes and return the type that the service gives it."""
        if media.url.startswith("data:"):
            kind, data = _data_uri(media.url)
            incoming.write(data)
            return kind
        if urlsplit(media.url).scheme not in ("http", "https"):
            raise MediaError(f"its address is not one of http: {media.url[:80]}")
        # Files are public or signed, so no key goes along.
        async with self._transport.open(
            "GET", media.url, with_key=False, follow_redirects=True, read_timeout=_SILENCE
        ) as opened:
            if opened.status != 200:  # noqa: PLR2004
                raise MediaError(f"it could not be downloaded: HTTP {opened.status}")
            await _write(opened.chunks, incoming)
            return opened.headers.get("content-type", "").partition(";")[0].strip()


async def _write(chunks: AsyncIterator[bytes], incoming: Incoming) -> None:
    """Write a body; of a large one, a block is hashed and written beside the network's thread while the next comes."""
    block: list[bytes] = []
    received = 0
    written: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            block.append(chunk)
            received += len(chunk)
            if received > _LARGEST_FILE:
                raise MediaError(f"it is larger than {_LARGEST_FILE // 1024**3} GiB")
            if sum(map(len, block)) >= _BLOCK:
                if written:
                    await written
                written, block = asyncio.ensure_future(asyncio.to_thread(_write_all, incoming, block)), []
    finally:
        if written:
            await written
    _write_all(incoming, block)


def _write_all(incoming: Incoming, block: list[bytes]) -> None:
    for chunk in block:
        incoming.write(chunk)


def _kept(media: Media, incoming: Incoming, kind: str) -> Media:
    """Look at what was received, judge its type by its content, and keep it."""
    path = incoming.flush()
    content_type, width, height = _picture(path)
    problem = ""
    if not content_type:
        claimed = kind or media.content_type
        lies = [it for it in (claimed, media.content_type) if it.startswith("image/") and it != _SVG]
        problem = f"it claims to be {lies[0]} but is no picture" if lies else ""
        content_type = "application/octet-stream" if lies else claimed
    stored = incoming.keep(_suffix(content_type, media))
    return replace(
        media,
        content_type=content_type,
        size=stored.size,
        path=stored.path,
        sha256=stored.sha256,
        width=width or media.width,
        height=height or media.height,
        problem=problem,
    )


def _picture(path: Path) -> tuple[str, int | None, int | None]:
    """Type and size of a picture file, read from its header; an empty type for anything else."""
    import warnings

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                return Image.MIME.get(picture.format or "", ""), picture.width, picture.height
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "", None, None


def _suffix(content_type: str, media: Media) -> str:
    given = PurePosixPath(media.name).suffix
    if mimetypes.guess_type(f"x{given}")[0] == content_type:
        return given
    return mimetypes.guess_extension(content_type) or given


def _data_uri(uri: str) -> tuple[str, bytes]:
    head, _, body = uri[len("data:") :].partition(",")
    kind, *parameters = head.split(";")
    try:
        if "base64" in parameters:
            data = unquote_to_bytes(body).rstrip(b"=")
            return kind, base64.b64decode(
                data + b"=" * (-len(data) % 4), validate=False
            )  # as browsers read it
        return kind, unquote_to_bytes(body)
    except (binascii.Error, ValueError) as error:
        raise MediaError(f"its data URI cannot be read: {error}") from error
