"""The files of an output, fetched at once: links die, and a result without its pictures is lost."""

from __future__ import annotations

import asyncio
import base64
import binascii
import mimetypes
import shutil
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urljoin

from nbkit.errors import ConnectionFailed, MediaError, RequestLost
from nbkit.model.address import is_link_local, is_private, origin, shown
from nbkit.model.media import Media, find_media
from nbkit.transport.failures import refusal
from nbkit.transport.retry import Failure, delay_before_retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from nbkit.history.files import FileStore, Incoming
    from nbkit.transport.http import Opened, Transport
    from nbkit.wire.fal.addresses import Hosts

GiB = 1024**3
_BLOCK = 1024 * 1024
_MOST_KNOWN = 2000
_SVG = "image/svg+xml"
_GONE = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
# Compressed bodies could unfold to any size, and what is counted is what arrives.
_HEADERS = {"accept-encoding": "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a service's files is taken in; whatever it sends, the machine stays usable.

    Attributes:
        files: Files of one output.
        file_bytes: Bytes of one file.
        all_bytes: Bytes of all files of one output.
        pixels: Pixels of a picture that is opened; Pillow itself refuses more than this.
        spare_bytes: Bytes that stay free on the disk.
        at_once: Files that are fetched at once.
        silence: Seconds without a byte after which a download is begun again.
        slowest: Bytes a second that a download must reach, after its first minute.
        redirects: How often a file may be somewhere else.
    """

    files: int = 500
    file_bytes: int = 2 * GiB
    all_bytes: int = 8 * GiB
    pixels: int = 178_956_970
    spare_bytes: int = 256 * 1024**2
    at_once: int = 8
    silence: float = 60.0
    slowest: int = 4096
    redirects: int = 5


class _Refused(Exception):  # what happened, as a reader would say it; never leaves this file
    """The host of a file answered, and it was not the file."""

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


@dataclass(slots=True)
class _Room:
    """What one output may still bring.

    Attributes:
        left: Bytes.
    """

    left: int


class Collector:
    """Fetches files into a store, each address once.

    Args:
        transport: How to fetch.
        store: Where to keep.
        hosts: The service whose files they are; it may keep them on its own machine, though that is a private one.
        limits: How much to take.
    """

    def __init__(
        self, transport: Transport, store: FileStore, hosts: Hosts | None = None, limits: Limits | None = None
    ) -> None:
        self._transport = transport
        self._store = store
        self._hosts = hosts
        self._limits = limits or Limits()
        self._slots = asyncio.Semaphore(self._limits.at_once)
        self._known: dict[str, Media] = {}

    async def collect(self, output: Any, request_id: str = "") -> tuple[Media, ...]:
        """Every file in an output, with its copy on this machine, or with the reason why there is none.

        Args:
            output: The output JSON.
            request_id: The run it is of, named where a file is gone.
        """
        return await self.fetch(list(islice(find_media(output), self._limits.files + 1)), request_id)

    async def fetch(self, found: Sequence[Media], request_id: str = "") -> tuple[Media, ...]:
        """Files that are known to be in an output, as `collect` gives them."""
        if not found:
            return ()
        room = _Room(self._limits.all_bytes)
        wanted, more = found[: self._limits.files], found[self._limits.files :]
        left_out = f"it is one of more than {self._limits.files} files"
        collected = await asyncio.gather(*(self._collect(media, request_id, room) for media in wanted))
        return (*collected, *(replace(media, problem=left_out) for media in more))

    async def _collect(self, media: Media, request_id: str, room: _Room) -> Media:
        kept = self._known.get(media.url)
        if kept is None or not kept.is_here:
            try:
                async with self._slots:
                    kept = await self._fetch(media, request_id, room)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one file, the result is not lost
                return replace(media, problem=str(error).partition("\n")[0] or type(error).__name__)
            self._remember(kept)
        return replace(kept, place=media.place)

    def _remember(self, kept: Media) -> None:
        if kept.url.startswith("data:"):  # its address is the file itself, and would stay in memory
            return
        while len(self._known) >= _MOST_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[kept.url] = kept

    async def _fetch(self, media: Media, request_id: str, room: _Room) -> Media:
        attempt = 0
        while True:
            attempt += 1
            incoming = await asyncio.to_thread(self._store.incoming)
            try:
                kind = await self._receive(media, incoming, room)
                return await asyncio.to_thread(_kept, media, incoming, kind, self._limits.pixels)
            except (ConnectionFailed, RequestLost, _Refused) as error:
                incoming.drop()
                delay = delay_before_retry(attempt, _failure(error), may_bill=False)
                if delay is None:
                    raise _told(error, request_id) from error
                await asyncio.sleep(delay)
            except BaseException:
                incoming.drop()
                raise

    async def _receive(self, media: Media, incoming: Incoming, room: _Room) -> str:
        """Write the file's bytes and return the type that the service gives it."""
        if media.url.startswith("data:"):
            kind, data = await asyncio.to_thread(_data_uri, media.url)
            self._bound(len(data), len(data), room)
            self._leave_spare(len(data))
            room.left -= len(data)
            await asyncio.to_thread(incoming.write, data)
            return kind
        url = media.url
        for _hop in range(self._limits.redirects + 1):
            self._check(url)
            # Files are public or signed, so no key goes along; nor does it where a file has moved.
            async with self._transport.open(
                "GET", url, with_key=False, headers=_HEADERS, read_timeout=self._limits.silence
            ) as opened:
                moved = opened.headers.get("location") if opened.status in range(300, 400) else None
                if not moved:
                    return await self._take(opened, incoming, room)
                url = _joined(url, moved)
        raise MediaError(f"it could not be downloaded: more than {self._limits.redirects} redirects")

    def _check(self, url: str) -> None:
        """A file is on the web: nobody has us read what only this machine can reach, its own services say."""
        if not url.startswith(("http://", "https://")):
            raise MediaError(f"its address is not one of http: {shown(url)[:80]}")
        if is_private(url) and not (self._hosts is None or self._is_near(url, self._hosts)):
            raise MediaError(f"its address is inside this network, and the service is not: {shown(url)[:80]}")

    @staticmethod
    def _is_near(url: str, hosts: Hosts) -> bool:
        return origin(url) in hosts.origins or (is_private(hosts.queue) and not is_link_local(url))

    async def _take(self, opened: Opened, incoming: Incoming, room: _Room) -> str:
        if opened.status != HTTPStatus.OK:
            raise _Refused(refusal(opened.status, opened.headers, of_file=True))
        announced = opened.headers.get("content-length", "")
        if announced.isdecimal():
            self._bound(int(announced), int(announced), room)
            self._leave_spare(int(announced))
        await self._write(opened.chunks, incoming, room)
        return opened.headers.get("content-type", "").partition(";")[0].strip()

    def _bound(self, more: int, size: int, room: _Room) -> None:
        """Refuse a file that has grown to a size, where `more` bytes of it are still to come."""
        if size > self._limits.file_bytes:
            raise MediaError(f"it is larger than {_amount(self._limits.file_bytes)}")
        if more > room.left or room.left < 0:
            raise MediaError(f"the files of this output are larger than {_amount(self._limits.all_bytes)}")

    def _hurry(self, received: int, seconds: float) -> None:
        """Refuse a file that drips: a byte a minute is no silence, and would never end."""
        if seconds > self._limits.silence + received / self._limits.slowest:
            raise MediaError("it comes too slowly")

    def _leave_spare(self, more: int) -> None:
        if shutil.disk_usage(self._store.folder).free - more < self._limits.spare_bytes:
            raise MediaError(f"the disk of {self._store.folder} has no room for it: free some space")

    async def _write(self, chunks: AsyncIterator[bytes], incoming: Incoming, room: _Room) -> None:
        """Write a body; of a large one, a block is hashed and written beside the network's thread."""
        loop = asyncio.get_running_loop()
        begun, received, pending = loop.time(), 0, 0
        block: list[bytes] = []
        written: asyncio.Future[None] | None = None
        try:
            async for chunk in chunks:
                block.append(chunk)
                received += len(chunk)
                pending += len(chunk)
                room.left -= len(chunk)
                self._bound(0, received, room)
                self._hurry(received, loop.time() - begun)
                if pending >= _BLOCK:
                    self._leave_spare(pending)
                    if written:
                        await written
                    written = asyncio.ensure_future(asyncio.to_thread(_write_all, incoming, block))
                    block, pending = [], 0
            self._leave_spare(pending)
        except BaseException:
            room.left += received
            raise
        finally:
            if written:
                await written
        _write_all(incoming, block)


def _write_all(incoming: Incoming, block: list[bytes]) -> None:
    for chunk in block:
        incoming.write(chunk)


def _failure(error: ConnectionFailed | RequestLost | _Refused) -> Failure:
    if isinstance(error, _Refused):
        return error.failure
    return Failure("unreached" if isinstance(error, ConnectionFailed) else "lost")


def _told(error: ConnectionFailed | RequestLost | _Refused, request_id: str) -> Exception:
    if not isinstance(error, _Refused):
        return error
    if error.failure.status not in _GONE:
        return MediaError(f"it could not be downloaded: HTTP {error.failure.status}")
    named = f"; the request id is {request_id}" if request_id else ""
    return MediaError(f"the link has expired or is private (HTTP {error.failure.status}){named}")


def _joined(url: str, moved: str) -> str:
    try:
        return urljoin(url, moved)
    except ValueError:
        raise MediaError("it could not be downloaded: it moved to an address that is none") from None


def _amount(size: int) -> str:
    return f"{size / GiB:g} GiB" if size >= GiB else f"{size} bytes"


def _kept(media: Media, incoming: Incoming, kind: str, most_pixels: int) -> Media:
    """Look at what was received, judge its type by its content, and keep it."""
    path = incoming.flush()
    content_type, width, height, problem = _picture(path)
    if width and height and width * height > most_pixels:
        problem = f"it has {width} × {height} pixels, which are too many"
    if problem:
        content_type = kind or media.content_type
    elif not content_type:
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


def _picture(path: Path) -> tuple[str, int | None, int | None, str]:
    """Type and size of a picture file, read from its header, and why it should not be opened.

    The type is empty for anything else.
    """
    import warnings

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                return Image.MIME.get(picture.format or "", ""), picture.width, picture.height, ""
    except Image.DecompressionBombError:
        return "", None, None, "it has too many pixels"
    except Exception:  # noqa: BLE001 - a file from outside makes a decoder fail in any way
        return "", None, None, ""


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
