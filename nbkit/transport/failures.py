"""What went wrong on the network, told in nbkit's words; the one place that knows aiohttp's and httpx's exceptions."""

from __future__ import annotations

import contextlib
import os
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from nbkit.errors import ConnectionFailed, NbkitError, RequestLost
from nbkit.model.address import origin, shown
from nbkit.transport.retry import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


# Of fal's words for a 503 (fal docs: "Request errors") those that say that no runner ever had the request.
_NEVER_SCHEDULED = frozenset({"runner_scheduling_failure", "runner_connection_refused"})


@contextlib.contextmanager
def told_clearly(url: str) -> Iterator[None]:
    """Do something at an address; what goes wrong with the network there is an error of ours.

    Raises:
        ConnectionFailed: The service was certainly not reached.
        RequestLost: It may have been reached.
    """
    import aiohttp
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
        if own := _own(error):  # whoever gave the body could not go on: that is not the network's fault
            raise own from None
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


def _own(error: BaseException) -> NbkitError | None:
    cause = error.__cause__
    while cause is not None and not isinstance(cause, NbkitError):
        cause = cause.__cause__
    return cause


def _reason(error: BaseException) -> str:
    import aiohttp
    import httpx

    cause = error.__cause__ or error
    slow = (aiohttp.ServerTimeoutError, TimeoutError, httpx.TimeoutException)
    if isinstance(error, TimeoutError) or isinstance(cause, slow):
        return "it did not answer in time"
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return "no such host"
    if isinstance(cause, aiohttp.ClientConnectorError):
        return _system_reason(cause.os_error)
    return str(cause) or type(cause).__name__


def _system_reason(error: OSError) -> str:
    """The system's words; asyncio puts its own into the place where they belong."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)


def refusal(status: int, headers: Mapping[str, str], *, of_file: bool = False) -> Failure:
    """An answer with an error status, as the retry table knows it."""
    return Failure(
        "refused",
        status,
        retry_after=_seconds(headers.get("retry-after")),
        from_service="x-fal-request-id" in headers,
        not_started=status == HTTPStatus.SERVICE_UNAVAILABLE
        and headers.get("x-fal-error-type") in _NEVER_SCHEDULED,
        user_timeout="x-fal-request-timeout-type" in headers,
        of_file=of_file,
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
