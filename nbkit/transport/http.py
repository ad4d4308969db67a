"""Sends requests and reads answers, by aiohttp, with the retry table.

Of the clients that Python has, aiohttp is the one whose cost for a request does not grow with the number in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from json import dumps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nbkit.errors import ConnectionFailed, RequestLost
from nbkit.model.address import is_loopback, origin, shown
from nbkit.transport.retry import Failure, delay_before_retry

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping

    import aiohttp
    from yarl import URL

    Body = Callable[[], AsyncIterable[bytes]]

# Servers close idle connections after five seconds or more. One that is used later may be closing while a paid
# request travels on it, and then nobody knows whether it arrived.
_IDLE_CONNECTION = 3.0
_CONNECTIONS = 1000
_BIG_ANSWER = 512 * 1024 * 1024
_REACH_WITHIN, _FREE_WITHIN = 10.0, 20.0
_MOST_REDIRECTS = 5
_LONGEST_HEADER = 64 * 1024
_READ_AHEAD = 256 * 1024


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
        self._session: aiohttp.ClientSession | None = None

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
        import aiohttp

        sent = dict(headers or {})
        if with_key and (authorization := self._authorization(url)):
            sent["authorization"] = authorization
        body: Any = content() if callable(content) else content
        if json is not None:
            body = dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            sent.setdefault("content-type", "application/json")
        with _told_clearly(url):
            response = await self._connected().request(
                method,
                _parsed(url),
                data=body,
                headers=sent,
                timeout=aiohttp.ClientTimeout(
                    connect=_FREE_WITHIN, sock_connect=_REACH_WITHIN, sock_read=read_timeout
                ),
                allow_redirects=follow_redirects,
                max_redirects=_MOST_REDIRECTS,
                ssl=_trusted() if url.startswith("https:") else True,
                proxy=None if is_loopback(url) else _proxy(url),
            )
        # What goes wrong with whoever reads, a full disk say, is not the network's fault and passes as it is.
        try:
            lower = {name.lower(): value for name, value in response.headers.items()}
            yield Opened(response.status, lower, _chunks(response, url))
        finally:
            response.close()  # a connection whose answer was read to its end is free already, and stays

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _connected(self) -> aiohttp.ClientSession:
        import aiohttp

        from nbkit import __version__

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_IDLE_CONNECTION),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"user-agent": f"nbkit/{__version__}"},
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
                read_bufsize=_READ_AHEAD,
            )
        return self._session


@cache
def _trusted() -> ssl.SSLContext:
    """Whom to believe: `SSL_CERT_FILE` or `SSL_CERT_DIR` where set, else Mozilla's list, the same on every machine."""
    import ssl

    import certifi

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file or (None if folder else certifi.where()), capath=folder)


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address.

    aiohttp would look for it by itself, but also for passwords in `~/.netrc`, which no service here shall see.
    """
    from urllib.request import getproxies, proxy_bypass

    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _parsed(url: str) -> URL:
    """An address as it was written: whoever signed it signed these characters."""
    import aiohttp
    from yarl import URL

    try:
        parsed = URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)
        _ = parsed.port  # is looked at late, and may be none
    except ValueError as error:
        raise aiohttp.InvalidURL(url) from error
    return parsed


async def _pause(seconds: float, unwanted: asyncio.Event | None) -> None:
    if unwanted is None:
        await asyncio.sleep(seconds)
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(unwanted.wait(), seconds)
        raise asyncio.CancelledError


async def _chunks(response: aiohttp.ClientResponse, url: str) -> AsyncIterator[bytes]:
    with _told_clearly(url):
        async for chunk in response.content.iter_any():
            yield chunk


@contextlib.contextmanager
def _told_clearly(url: str) -> Iterator[None]:
    import aiohttp

    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        reason = _reason(error)
        if _never_arrived(error):
            raise ConnectionFailed(
                f"cannot reach {shown(url)}: {reason}",
                address=origin(url),
                hint="is it running, and is the address right?",
            ) from error
        raise RequestLost(f"no answer from {shown(url)}: {reason}") from error


def _never_arrived(error: BaseException) -> bool:
    """Whether the request certainly did not reach the service. A connection that broke may have carried it."""
    import aiohttp

    return isinstance(
        error,
        (
            aiohttp.ClientConnectorError,
            aiohttp.ClientHttpProxyError,  # raised for refused tunnels only
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
            aiohttp.NonHttpUrlClientError,
        ),
    )


def _reason(error: BaseException) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(
        error, aiohttp.ClientConnectorDNSError
    ):
        return _system_reason(error.os_error)
    reasons = {
        TimeoutError: "it did not answer in time",
        aiohttp.ClientConnectorDNSError: "no such host",
        aiohttp.InvalidURL: "this is no address",
        aiohttp.NonHttpUrlClientError: "this is no address of HTTP",
        aiohttp.ClientHttpProxyError: "the proxy refuses to lead there",
        aiohttp.TooManyRedirects: "too many redirects",
        aiohttp.ClientResponseError: "what it sent is not HTTP",
    }
    told = next((reason for kind, reason in reasons.items() if isinstance(error, kind)), str(error))
    return told or type(error).__name__


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
