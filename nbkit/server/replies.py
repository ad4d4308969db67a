"""Reading requests and writing answers: what all routes share."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.responses import Response

from nbkit.errors import ServerError
from nbkit.wire.fal.answers import ERROR_TYPE_HEADER, REQUEST_ID_HEADER
from nbkit.wire.fal.queue import STAND_IN_HEADER
from nbkit.wire.sse import KEEP_ALIVE, encode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from nbkit.server.runs import Run
    from nbkit.server.service import Service

_ENCODER = json.JSONEncoder(separators=(",", ":"))  # made once: `json.dumps` would make one for each answer
_PARSED_AT_ONCE = 2**18  # bytes, of which the parsing takes some milliseconds at most
_LARGE_BODY = 2**20
_STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # else a proxy in front holds events back
}


class BadRequest(ServerError):
    """A request that cannot be read.

    Attributes:
        status: HTTP status code of the answer.
        retry_after: Seconds after which it may be sent again, None where that would not help.
    """

    def __init__(self, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def service_of(request: Request) -> Service:
    """The service behind the app."""
    service: Service = request.app.state.service
    return service


def origin_of(request: Request) -> str:
    """Scheme and host as the client calls this server. Behind a TLS front the scheme is that of the front."""
    return f"{request.scope['scheme']}://{request.headers['host']}"


def reply(body: Any, status: int = 200, *, run: Run | None = None) -> Response:
    """A JSON answer, about a run where there is one."""
    content = _ENCODER.encode(body).encode("ascii")
    headers = headers_about(run)
    if status >= HTTPStatus.BAD_REQUEST and isinstance(body, dict) and (kind := body.get("error_type")):
        headers[ERROR_TYPE_HEADER] = kind
    return Response(content, status, headers, media_type="application/json")


def when_again(seconds: float | None) -> dict[str, str]:
    """The header that says when to try again, in whole seconds; nothing where trying again would not help."""
    return {} if seconds is None else {"retry-after": str(max(1, math.ceil(seconds)))}


def headers_about(run: Run | None) -> dict[str, str]:
    """The headers that every answer about a run carries."""
    if run is None:
        return {}
    marked = {STAND_IN_HEADER: run.stand_in} if run.stand_in else {}
    return {REQUEST_ID_HEADER: run.id, **marked}


def reply_outcome(request: Request, run: Run) -> Response:
    """The answer that a finished run's result is."""
    outcome = run.outcome
    if outcome is None:
        raise ServerError(f"request {run.id} is not over")
    headers = {**headers_about(run), **outcome.headers}
    if run.error[1]:
        headers[ERROR_TYPE_HEADER] = run.error[1]
    return Response(
        with_addresses(request, outcome.body), outcome.status, headers, media_type="application/json"
    )


def with_addresses(request: Request, content: bytes) -> bytes:
    """Put the address by which this client reaches the server in place of the files' mark."""
    mark = service_of(request).files.mark.encode("ascii")
    return content.replace(mark, f"{origin_of(request)}/cdn/files/".encode("ascii"))


@contextlib.asynccontextmanager
async def taking_in(request: Request) -> AsyncGenerator[None, None]:
    """Take a request in from its first byte until it is written down; only some large ones at once.

    A client that waits here is not read from, so five hundred of 10 MB do not fill the memory.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) < _LARGE_BODY:
        yield
        return
    async with service_of(request).large_bodies:
        yield


async def read_json(request: Request) -> dict[str, Any]:
    """The body: a JSON object, or nothing for an empty one.

    Raises:
        BadRequest: It is too large, no JSON, or no object.
    """
    return (await read_body(request))[0]


async def read_body(request: Request) -> tuple[dict[str, Any], bytes]:
    """The body as a JSON object, and as it came.

    Raises:
        BadRequest: It is too large, no JSON, or no object.
    """
    content = await read_content(request)
    try:
        body = await parsed(content) if content.strip() else {}
    except (ValueError, RecursionError) as error:
        raise BadRequest(422, f"The body is not JSON: {str(error)[:200]}") from error
    if not isinstance(body, dict):
        raise BadRequest(422, f"The body is not a JSON object but {type(body).__name__}.")
    return body, content


async def read_content(request: Request) -> bytes:
    """The body as it came.

    Raises:
        BadRequest: It is too large, or does not come.
    """
    limit = service_of(request).settings.max_json_bytes
    seconds = service_of(request).settings.body_seconds
    content = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                # What is too long is read to its end, else the client would not read the answer.
                content += chunk if len(content) <= limit else b""
    except TimeoutError as error:
        raise BadRequest(408, f"The body did not come within {seconds:g} s.") from error
    if len(content) > limit:
        raise BadRequest(
            413, f"The body is larger than {limit // 2**20} MiB; upload files instead of sending them inline."
        )
    return bytes(content)


async def parsed(content: bytes) -> Any:
    """JSON from outside, without holding up the loop.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    if len(content) < _PARSED_AT_ONCE:
        return json.loads(content, parse_constant=_refuse_constant)
    return await asyncio.to_thread(_parsed_politely, content)


class EventStream(Response):
    """Server-sent events, with comments in long silences, until the events or the client end."""

    def __init__(
        self, request: Request, events: AsyncGenerator[dict[str, Any], None], *, run: Run, keep_alive: float
    ) -> None:
        super().__init__(headers={**headers_about(run), **_STREAM_HEADERS})
        del self.headers["content-length"]
        self._request = request
        self._events = events
        self._keep_alive = keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, and stop at once when the client has gone."""
        del scope
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            revoked = service_of(self._request).keys.until_revoked(self._request.user)
            await until_one_ends(self._pump(send), gone(receive), revoked)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._events.aclose()

    async def _pump(self, send: Send) -> None:
        upcoming: asyncio.Future[Any] | None = None
        try:
            while True:
                upcoming = upcoming or asyncio.ensure_future(anext(self._events, None))
                await asyncio.wait({upcoming}, timeout=self._keep_alive)
                content = KEEP_ALIVE
                if upcoming.done():
                    event, upcoming = upcoming.result(), None
                    if event is None:
                        break
                    content = with_addresses(self._request, encode(event))
                await send({"type": "http.response.body", "body": content, "more_body": True})
        finally:
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)


async def until_one_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Do things at the same time until the first of them ends; the others are stopped."""
    tasks = {asyncio.ensure_future(one) for one in work}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def gone(receive: Receive) -> None:
    """Wait until the client has closed its connection. The body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _parsed_politely(content: bytes) -> Any:
    """Parse on a thread such that the loop goes on meanwhile.

    The parser is one call into C, which keeps Python's lock to its end; calls back into Python, as these are, let the
    loop take it. What remains is text alone, which is parsed at a gigabyte a second.
    """

    def integer(text: str) -> int:
        return int(text)

    def number(text: str) -> float:
        return float(text)

    def members(pairs: dict[str, Any]) -> dict[str, Any]:
        return pairs

    return json.loads(
        content, parse_constant=_refuse_constant, parse_int=integer, parse_float=number, object_hook=members
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
