"""Sends requests and reads answers: httpx's interface over aiohttp's connections, with the retry table."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConnectionFailed, RequestLost
from nbkit.model.address import is_loopback, origin, shown
from nbkit.transport.retry import Failure, delay_before_retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping

    import httpx

    Body = Callable[[], AsyncIterable[bytes]]

# Servers close idle connections after five seconds or more. One that is used later may be closing while a paid
# request travels on it, and then nobody knows whether it arrived.
_IDLE_CONNECTION = 3.0
_CONNECTIONS = 1000
_BIG_ANSWER = 512 * 1024 * 1024


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
    """

    def __init__(self, authorization: Callable[[str], str | None] = lambda _url: None) -> None:
        self._authorization = authorization
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
                delay = delay_before_retry(attempt, _refusal(answer), may_bill=may_bill)
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

        sent = dict(headers or {})
        if with_key and (authorization := self._authorization(url)):
            sent["authorization"] = authorization
        timeout = httpx.Timeout(read_timeout, connect=10.0, pool=20.0)
        client = self._client(url)
        with _told_clearly(url):
            body = content() if callable(content) else content
            request = client.build_request(
                method, url, json=json, content=body, headers=sent, timeout=timeout
            )
            response = await client.send(request, stream=True, follow_redirects=follow_redirects)
        # What goes wrong with whoever reads, a full disk say, is not the network's fault and passes as it is.
        try:
            lower = {name.lower(): value for name, value in response.headers.items()}
            yield Opened(response.status_code, lower, _chunks(response, url))
        finally:
            if not response.is_closed:  # one that was read to its end is
                await asyncio.shield(response.aclose())

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


async def _chunks(response: httpx.Response, url: str) -> AsyncIterator[bytes]:
    with _told_clearly(url):
        async for chunk in response.aiter_bytes():
            yield chunk


@contextlib.contextmanager
def _told_clearly(url: str) -> Iterator[None]:
    import aiohttp
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
        reason = _reason(error)
        if _never_arrived(error):
            raise ConnectionFailed(
                f"cannot reach {shown(url)}: {reason}",
                address=origin(url),
                hint="is it running, and is the address right?",
            ) from error
        raise RequestLost(f"no answer from {shown(url)}: {reason}") from error


def _never_arrived(error: BaseException) -> bool:
    """Whether the request certainly did not reach the service.

    Judged by aiohttp's own exception: the bridge to httpx calls a connection that broke after the request was read
    a `ConnectTimeout`, and believing it would send a paid request twice.
    """
    import aiohttp
    import httpx

    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
            return True
        if isinstance(cause, aiohttp.ClientHttpProxyError):  # raised for refused tunnels only
            return True
        if isinstance(cause, aiohttp.ClientError):
            return isinstance(cause, aiohttp.InvalidURL)
        cause = cause.__cause__
    return False


def _reason(error: BaseException) -> str:
    import aiohttp
    import httpx

    cause = error.__cause__ or error
    if isinstance(cause, (aiohttp.ServerTimeoutError, TimeoutError, httpx.TimeoutException)):
        return "it did not answer in time"
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return "no such host"
    if isinstance(cause, aiohttp.ClientConnectorError):
        return _system_reason(cause.os_error)
    return str(cause) or type(cause).__name__


def _system_reason(error: OSError) -> str:
    """The system's words; asyncio puts its own into the place where they belong."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)


def _refusal(answer: Answer) -> Failure:
    headers = answer.headers
    return Failure(
        "refused",
        answer.status,
        retry_after=_seconds(headers.get("retry-after")),
        from_service="x-fal-request-id" in headers,
        not_started=answer.status == 503 and headers.get("x-fal-needs-retry") == "1",  # noqa: PLR2004
        user_timeout="x-fal-request-timeout-type" in headers,
    )


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After` as seconds from now; it may be a number or a date (RFC 9110, 10.2.3)."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    from datetime import UTC, datetime

    return max(0.0, (date - datetime.now(date.tzinfo or UTC)).total_seconds())
