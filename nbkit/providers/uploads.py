"""Sends files to a service: small ones in one piece, large ones in parts, the same one once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConnectionFailed, RequestLost
from nbkit.wire.fal.refusals import read_refusal
from nbkit.wire.fal.storage import Lifecycle, complete_url, initiate_url, part_url, read_part, read_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from nbkit.providers.fal import FalService
    from nbkit.providers.files import Look, Upload
    from nbkit.transport.http import Answer

    OnProgress = Callable[[int, int], Any]

LARGEST_PIECE = 90 * 2**20
"""Bytes of a file that goes up in one piece, as in fal's JavaScript client."""
PART = 10 * 2**20
_MOST_PARTS = 10_000
_AT_ONCE = 6
_UNSAID_LIFETIME = 3600
_SHARE_OF_LIFE = 0.5  # a request may wait long in a queue before its files are read
_DEFAULT = Lifecycle()


class Uploader:
    """Uploads files to one service, the same one once in half of its lifetime.

    Args:
        service: Where to.
        largest_piece: Bytes of a file that goes up in one piece.
        part: Bytes of a part of a larger one.
    """

    def __init__(self, service: FalService, *, largest_piece: int = LARGEST_PIECE, part: int = PART) -> None:
        self._service = service
        self._largest_piece = largest_piece
        self._part = part
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._known: dict[tuple[str, str, Lifecycle], _Sending] = {}

    async def upload(
        self, file: Upload, lifecycle: Lifecycle = _DEFAULT, on_progress: OnProgress | None = None
    ) -> str:
        """Upload a file and return its address.

        Args:
            file: What to send.
            lifecycle: How long it lives there, and who may read it.
            on_progress: Called on the network thread with the bytes that are sent and those of the whole file. What
                it raises is left aside.

        Raises:
            MediaError: It cannot be read, or changed meanwhile, or the service does not take it.
            ServiceError: The service refused it.
            ConnectionFailed: The service was never reached.
            RequestLost: The connection broke, again and again.
        """
        look = await asyncio.to_thread(file.look)
        name = (look.identity, file.content_type, lifecycle)
        sending = self._known.get(name)
        if sending is None or not sending.is_of_use:
            self._known = {name: known for name, known in self._known.items() if known.is_of_use}
            sending = self._known[name] = _Sending(look.size, lifecycle.seconds or _UNSAID_LIFETIME)
            sending.task = asyncio.create_task(self._send(look, lifecycle, sending))
        return await sending.awaited(on_progress)

    def close(self) -> None:
        """Stop what is under way."""
        for sending in self._known.values():
            sending.task.cancel()

    async def _send(self, look: Look, lifecycle: Lifecycle, sending: _Sending) -> str:
        file, hosts = look.file, self._service.hosts
        in_parts = look.size > self._largest_piece
        asked = await self._service.transport.send(
            "POST",
            initiate_url(hosts, in_parts=in_parts),
            json={"content_type": file.content_type, "file_name": file.file_name},
            headers=lifecycle.headers,
        )
        _accepted(asked, file)
        upload_url, file_url = read_place(_json(asked), hosts)
        if in_parts:
            await self._put_parts(upload_url, look, sending)
            await self._complete(upload_url, file_url, look, sending)
        else:
            await self._put(upload_url, look, 0, look.size, sending)
        sending.tell(look.size)
        return file_url

    async def _put_parts(self, upload_url: str, look: Look, sending: _Sending) -> None:
        size = max(self._part, -(-look.size // _MOST_PARTS))
        starts = range(0, look.size, size)

        async def put(number: int, start: int) -> None:
            url, stop = part_url(upload_url, number), min(start + size, look.size)
            answer = await self._put(url, look, start, stop, sending)
            sending.parts[number] = read_part(number, _json(answer), answer.headers)

        tasks = [asyncio.create_task(put(number, start)) for number, start in enumerate(starts, 1)]
        try:
            await asyncio.gather(*tasks)
        finally:  # one that failed leaves the others of no use
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _put(self, url: str, look: Look, start: int, stop: int, sending: _Sending) -> Answer:
        """Put bytes to a signed address. Doing so twice is doing it once, so it is done until it succeeds."""

        async def body() -> AsyncIterable[bytes]:
            sending.sent[start] = 0
            async for piece in look.pieces(start, stop):
                yield piece
                sending.sent[start] += len(piece)
                sending.tell(sum(sending.sent.values()))

        async with self._slots:
            # Whoever has the address may write there, so the key stays at home.
            answer = await self._service.transport.send(
                "PUT",
                url,
                content=body,
                headers={"content-type": look.file.content_type, "content-length": str(stop - start)},
                with_key=False,
                of_file=True,
            )
        _accepted(answer, look.file)
        return answer

    async def _complete(self, upload_url: str, file_url: str, look: Look, sending: _Sending) -> None:
        parts = [part for _, part in sorted(sending.parts.items())]
        answer: Answer | None = None
        try:
            answer = await self._service.transport.send(
                "POST", complete_url(upload_url), json={"parts": parts}, with_key=False, of_file=True
            )
            _accepted(answer, look.file)
        except Exception:
            # An answer may have been lost on the way, and what is complete cannot be completed again.
            if not await self._is_there(file_url, look.size):
                raise

    async def _is_there(self, file_url: str, size: int) -> bool:
        with contextlib.suppress(ConnectionFailed, RequestLost):
            async with self._service.transport.open("HEAD", file_url, with_key=False) as opened:
                return opened.status == HTTPStatus.OK and opened.headers.get("content-length") == str(size)
        return False


@dataclass(slots=True)
class _Sending:
    """One upload, under way or done, and who waits for it.

    Attributes:
        size: Bytes of the file.
        lifetime: Seconds that the file lives at the service.
        sent: Position → bytes sent from there on.
        parts: Number → how the storage calls the part.
    """

    size: int
    lifetime: float
    task: asyncio.Task[str] = field(init=False)
    sent: dict[int, int] = field(default_factory=dict)
    parts: dict[int, dict[str, Any]] = field(default_factory=dict)
    _begun: float = field(default_factory=time.time)
    _told: int = 0
    _waiting: int = 0
    _listeners: list[OnProgress] = field(default_factory=list)

    @property
    def is_of_use(self) -> bool:
        """Whether it is under way, or gave an address that still lives."""
        if not self.task.done():
            return not self.task.cancelling()
        failed = self.task.cancelled() or self.task.exception() is not None
        return not failed and time.time() < self._begun + self.lifetime * _SHARE_OF_LIFE

    async def awaited(self, on_progress: OnProgress | None) -> str:
        """Wait for its end; once nobody waits any more it is stopped."""
        self._waiting += 1
        if on_progress:
            self._listeners.append(on_progress)
        try:
            url = await asyncio.shield(self.task)
            _call(on_progress, self.size, self.size)
            return url
        finally:
            self._waiting -= 1
            if on_progress:
                self._listeners.remove(on_progress)
            if not self._waiting:
                self.task.cancel()

    def tell(self, sent: int) -> None:
        """Tell how much is sent; a part that is sent again takes nothing back."""
        if self._told < sent < self.size:
            self._told = sent
            for listener in self._listeners:
                _call(listener, sent, self.size)


def _call(on_progress: OnProgress | None, sent: int, size: int) -> None:
    with contextlib.suppress(Exception):  # a listener that fails must not stop what it listens to
        if on_progress:
            on_progress(sent, size)


def _accepted(answer: Answer, file: Upload) -> None:
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise read_refusal(answer.status, answer.headers, answer.content).error(f"uploading {file.file_name}")


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
