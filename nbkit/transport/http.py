"""Sends requests and reads answers: httpx's interface over aiohttp's connections, with the retry table."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from nbkit.errors import ConnectionFailed, RequestLost
from nbkit.model.address import is_loopback, origin
from nbkit.transport.failures import refusal, told_clearly
from nbkit.transport.retry import Failure, delay_before_retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping

    import httpx

    Body = Callable[[], AsyncIterable[bytes]]

# Servers close idle connections after five seconds or more. One that is used later may be closing while a paid
# request travels on it, and then nobody knows whether it arrived.
_IDLE_CONNECTION = 3.0
_CONNECTIONS = 1000
_BIG_ANSWER = 512 * 1024 * 1024
_CONNECT_WITHIN, _CONNECT_WITHIN_WITH_BACKUP = 10.0, 5.0
_AVOIDED_FOR = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        status: HTTP status code.
        headers: Header fields by lower-case name.
        content: The body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer whose body is still to come.

    Attributes:
        status: HTTP status code.
        headers: Header fields by lower-case name.
        chunks: The body, decoded, in the pieces it arrives in.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes] = field(repr=False)

    async def read(self, limit: int = _BIG_ANSWER) -> bytes:
        """The whole body, or its first bytes up to a limit."""
        parts, size = [], 0
        async for chunk in self.chunks:
            parts.append(chunk)
            size += len(chunk)
            if size >= limit:
                break
        return b"".join(parts)[:limit]


class Transport:
    """The connections of one client. Lives on the network thread.

    Args:
        authorization: Gives the `Authorization` value for an address, or None where no key may go.
        backups: Origin → another origin of the same service. Where no connection to one can be made, the other is
            tried: nothing has been sent by then, so nothing can be started twice.
    """

    def __init__(
        self,
        authorization: Callable[[str], str | None] = lambda _url: None,
        backups: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._authorization = authorization
        self._others = {**backups, **{other: one for one, other in backups.items()}}
        self._avoided: dict[str, float] = {}
        self._clients: dict[bool, httpx.AsyncClient] = {}

    async def send(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | Body | None = None,
        headers: Mapping[str, str] | None = None,
        with_key: bool = True,
        may_bill: bool = False,
        of_file: bool = False,
        read_timeout: float | None = 60.0,
        attempts: int = 5,
        unwanted: asyncio.Event | None = None,
    ) -> Answer:
        """Send a request, again where the table allows it, and read the whole answer.

        Args:
            method: HTTP method.
            url: Absolute address.
            json: A body to send as JSON.
            content: A body to send as it is, or what gives its pieces anew for each attempt.
            headers: More header fields.
            with_key: Whether the key may go along, where the address may have it.
            may_bill: Whether it may start paid work; then it is never sent when it might have arrived.
            of_file: Whether it brings or takes the bytes of a file, which is tried again after any trouble.
            read_timeout: Seconds of silence to bear, None for no limit.
            attempts: How many times to send at the most.
            unwanted: Once it is set, the request is not sent again.

        Raises:
            ConnectionFailed: The service was never reached.
            RequestLost: It may have arrived, and no answer came.
            CancelledError: It became unwanted while it was certainly not at the service.
        """
        for attempt in range(1, attempts + 1):
            try:
                async with self.open(
                    method,
                    url,
                    json=json,
                    content=content,
                    headers=headers,
                    with_key=with_key,
                    read_timeout=read_timeout,
                ) as opened:
                    answer = Answer(opened.status, opened.headers, await opened.read())
            except (ConnectionFailed, RequestLost) as error:
                kind = Failure("unreached" if isinstance(error, ConnectionFailed) else "lost")
                delay = delay_before_retry(attempt, kind, may_bill=may_bill)
                if delay is None or attempt == attempts:
                    raise
            else:
                delay = delay_before_retry(
                    attempt, refusal(answer.status, answer.headers, of_file=of_file), may_bill=may_bill
                )
                if answer.status < 400 or delay is None or attempt == attempts:  # noqa: PLR2004
                    return answer
            await _pause(delay, unwanted)
        raise AssertionError("unreachable")  # pragma: no cover

    @contextlib.asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | Body | None = None,
        headers: Mapping[str, str] | None = None,
        with_key: bool = True,
        read_timeout: float | None = 60.0,
        follow_redirects: bool = False,
    ) -> AsyncIterator[Opened]:
        """Send a request once and give its answer as soon as the header has come.

        Raises:
            ConnectionFailed: The service was never reached.
            RequestLost: The connection broke or went silent after that.
        """
        import httpx

        first, *others = self._places(url)
        within = _CONNECT_WITHIN_WITH_BACKUP if others else _CONNECT_WITHIN
        timeout = httpx.Timeout(read_timeout, connect=within, pool=20.0)

        async def begin(place: str) -> httpx.Response:
            sent = dict(headers or {})
            if with_key and (authorization := self._authorization(place)):
                sent["authorization"] = authorization
            client = self._client(place)
            with told_clearly(place):
                async with _patience(content, read_timeout) as body:
                    request = client.build_request(
                        method, place, json=json, content=body, headers=sent, timeout=timeout
                    )
                    return await client.send(request, stream=True, follow_redirects=follow_redirects)

        try:
            response = await begin(first)
        except ConnectionFailed:
            if not others:
                raise
            self._avoided[origin(first)] = time.monotonic() + _AVOIDED_FOR
            response = await begin(*others)
        # What goes wrong with whoever reads, a full disk say, is not the network's fault and passes as it is.
        try:
            lower = {name.lower(): value for name, value in response.headers.items()}
            yield Opened(response.status_code, lower, _chunks(response, url))
        finally:
            if not response.is_closed:  # one that was read to its end is
                await asyncio.shield(response.aclose())

    def _places(self, url: str) -> list[str]:
        """An address, and the same on the other origin of its service, in the order to try them."""
        here = origin(url)
        if here not in self._others:
            return [url]
        other = urlsplit(self._others[here])
        places = [url, urlunsplit(urlsplit(url)._replace(scheme=other.scheme, netloc=other.netloc))]
        return places[::-1] if self._avoided.get(here, 0.0) > time.monotonic() else places

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def _client(self, url: str) -> httpx.AsyncClient:
        """The client for an address; what is on this machine is never asked for through a proxy."""
        from nbkit import __version__
        from nbkit.transport import bridge

        near = is_loopback(url)
        if near not in self._clients:
            self._clients[near] = bridge.client(
                at_once=_CONNECTIONS,
                idle=_IDLE_CONNECTION,
                user_agent=f"nbkit/{__version__}",
                trust_env=not near,
            )
        return self._clients[near]


async def _pause(seconds: float, unwanted: asyncio.Event | None) -> None:
    if unwanted is None:
        await asyncio.sleep(seconds)
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(unwanted.wait(), seconds)
        raise asyncio.CancelledError


@contextlib.asynccontextmanager
async def _patience(
    content: bytes | Body | None, silence: float | None
) -> AsyncIterator[bytes | AsyncIterable[bytes] | None]:
    """A body to send. One that comes in pieces may stand still only so long: aiohttp itself waits for ever."""
    if not callable(content):
        yield content
        return
    pieces, loop = content(), asyncio.get_running_loop()
    async with asyncio.timeout(silence) as limit:

        async def watched() -> AsyncIterator[bytes]:
            async for piece in pieces:
                yield piece
                if silence is not None:
                    with contextlib.suppress(RuntimeError):  # the answer came before the body's end
                        limit.reschedule(loop.time() + silence)

        yield watched()


async def _chunks(response: httpx.Response, url: str) -> AsyncIterator[bytes]:
    with told_clearly(url):
        async for chunk in response.aiter_bytes():
            yield chunk
