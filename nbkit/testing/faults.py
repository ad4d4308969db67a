"""What goes wrong with Dify servers, with the proxies before them and on the way, as it was seen to go wrong.

A fault is a layer round the server: `around` takes an ASGI app and gives one that does it wrong. Several may be worn
at once; the first is the innermost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nbkit.testing.layers import RECORDS, Cut, apart, refuse, reply, retell, rewrite, starts_run

if TYPE_CHECKING:
    from nbkit.testing.layers import App, Events, Receive, Scope, Send

_PING = b"event: ping\n\n"
_PAGE = b"<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body></body>\r\n</html>\r\n"
_TOO_MANY = (
    "Too many requests. Please try again later. The current maximum concurrent requests allowed is 10."
)
_RUNNING = {"status": "running", "error": None, "finished_at": None, "total_steps": 0, "elapsed_time": 0.0}
_LAST = (b'"workflow_finished"', b'"workflow_paused"', b'"error"')
_SEPARATORS = "\u2028\u2029\x85"


class Fault(Protocol):
    """Something that goes wrong."""

    def around(self, app: App) -> App:
        """The same app with the fault."""


@dataclass(frozen=True)
class SilentHang:
    """A run is never begun: its stream gives one sign of life, then nothing, and ends without an event.

    So does 1.13 where a required input is missing and the run is to be streamed.

    Attributes:
        seconds: Until the stream ends.
    """

    seconds: float = 300.0

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            if not starts_run(scope):
                await app(scope, receive, send)
                return
            headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": _PING, "more_body": True})
            await _until_left(receive, self.seconds)
            await send({"type": "http.response.body", "body": b""})

        return layer


@dataclass(frozen=True)
class NoLastEvent:
    """A stream ends as if all were told, and its last event is missing. The run itself ends well."""

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def told(events: Events) -> Events:
            async for event in events:
                if _is_last(event):
                    return
                yield event

        return retell(app, told)


@dataclass(frozen=True)
class StreamCut:
    """A connection breaks in the middle of a stream, before the last event. The run itself goes on.

    Attributes:
        seconds: When: proxies and clouds do it after 60 s or 100 s.
    """

    seconds: float = 60.0

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def told(events: Events) -> Events:
            loop = asyncio.get_running_loop()
            until = loop.time() + self.seconds
            with contextlib.suppress(TimeoutError, StopAsyncIteration):
                while True:
                    async with asyncio.timeout_at(until):
                        event = await anext(events)
                    if _is_last(event):
                        break
                    yield event
            await asyncio.sleep(until - loop.time())
            raise Cut

        return retell(app, told)


@dataclass(frozen=True)
class GatewayTimeout:
    """A proxy loses patience and answers with its own page, HTTP 504. The run itself goes on.

    Attributes:
        seconds: When.
    """

    seconds: float = 60.0

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def unheard(_message: object) -> None:
            """Take what nobody hears any more."""

        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            if not starts_run(scope):
                await app(scope, receive, send)
                return
            apart(app(scope, receive, unheard))
            await asyncio.sleep(self.seconds)
            await reply(send, 504, _PAGE, "text/html")

        return layer


@dataclass(frozen=True)
class RateLimit:
    """Runs are refused because there are too many: with HTTP 400, as versions up to 1.13 do it.

    Attributes:
        status: HTTP status code; later versions say 429.
    """

    status: int = 400

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            if starts_run(scope):
                code = "invalid_param" if self.status == 400 else "too_many_requests"  # noqa: PLR2004 - as it is sent
                await refuse(send, self.status, code, _TOO_MANY)
            else:
                await app(scope, receive, send)

        return layer


@dataclass(frozen=True)
class ExpiredLinks:
    """The addresses of files have expired, as they do five minutes after they were given."""

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("path", "").startswith("/files/"):
                await refuse(send, 403, "forbidden", "Invalid request.")
            else:
                await app(scope, receive, send)

        return layer


@dataclass(frozen=True)
class FileHost:
    """The addresses of files begin with something that means nothing to callers.

    Attributes:
        origin: With what: an empty string for relative addresses, as servers with default settings give them;
            `http://api:5001` for the name that a server has inside its own network, as 1.7 to 1.11 give them.
    """

    origin: str = ""

    def around(self, app: App) -> App:
        """The same app with the fault."""

        def written(scope: Scope, content: bytes) -> bytes:
            host = dict(scope["headers"]).get(b"host", b"")
            slash = rb"(?P=slash)"
            own = (
                rb"https?:(?P<slash>\\?/)"
                + slash
                + re.escape(host)
                + rb"(?="
                + slash
                + rb"files"
                + slash
                + rb")"
            )
            return re.sub(own, lambda it: self.origin.encode().replace(b"/", it["slash"]), content)

        return rewrite(app, written)


@dataclass(frozen=True)
class StopUnrecorded:
    """The record of a run that was stopped says for ever that it is running; only its stream tells."""

    def around(self, app: App) -> App:
        """The same app with the fault."""

        def written(scope: Scope, content: bytes) -> bytes:
            if scope["method"] != "GET" or not scope["path"].startswith(RECORDS):
                return content
            record: dict[str, object] = json.loads(content)
            return json.dumps(record | _RUNNING if record.get("status") == "stopped" else record).encode()

        return rewrite(app, written)


@dataclass(frozen=True)
class UnknownEvents:
    """Events that no version has come between all others, also one that is no JSON."""

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def told(events: Events) -> Events:
            async for event in events:
                yield b'data: {"event": "from_the_future", "data": {"workflow_run_id": 7}}\n\n'
                yield b"data: no JSON at all\n\n"
                yield event

        return retell(app, told)


@dataclass(frozen=True)
class LineSeparators:
    """Titles end in characters that some readers of lines take for the end of a line, unescaped as from 1.8.1 on."""

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def told(events: Events) -> Events:
            async for event in events:
                yield re.sub(rb'("title": ?"[^"]*)"', rb"\1" + _SEPARATORS.encode() + b'"', event)

        return retell(app, told)


@dataclass(frozen=True)
class DuplicateEvents:
    """Every event comes twice."""

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def told(events: Events) -> Events:
            async for event in events:
                yield event
                yield event

        return retell(app, told)


@dataclass(frozen=True)
class UnorderedEvents:
    """The end of each step comes before its start, and the first event of the run after those of its first step."""

    def around(self, app: App) -> App:
        """The same app with the fault."""

        async def told(events: Events) -> Events:
            held: list[bytes] = []
            async for event in events:
                held.append(event)
                if b'"node_finished"' in event or _is_last(event):
                    for it in held if _is_last(event) else reversed(held):
                        yield it
                    held.clear()
            for it in held:
                yield it

        return retell(app, told)


async def _until_left(receive: Receive, seconds: float) -> None:
    """Wait until the caller has gone, but not for ever."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass


def _is_last(event: bytes) -> bool:
    kind = re.match(rb'data: ?\{"event": ?("\w+")', event)
    return kind is not None and kind[1] in _LAST
