"""Layers round an ASGI app, which change what it answers (ASGI 3.0, "HTTP Connection Scope")."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
Events = AsyncIterator[bytes]

_STREAM = b"text/event-stream"
_JSON = b"application/json"
_API = "/v1/"
_RUN = "/v1/workflows/run"
RECORDS = f"{_RUN}/"
_apart: set[asyncio.Task[None]] = set()  # a loop itself keeps only weak references


class Cut(Exception):
    """The connection breaks here."""


def starts_run(scope: Scope) -> bool:
    """Whether a request starts a run: of the published workflow, or of one that its id names."""
    path = scope.get("path", "")
    named = path.startswith("/v1/workflows/") and path.endswith("/run")
    return scope.get("method") == "POST" and (path == _RUN or named)


async def reply(send: Send, status: int, content: bytes, content_type: str) -> None:
    """Answer in one piece."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def refuse(send: Send, status: int, code: str, message: str) -> None:
    """Answer as Dify refuses."""
    content = json.dumps({"code": code, "message": message, "status": status}).encode()
    await reply(send, status, content, "application/json")


def apart(asking: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Let an app answer on its own: it goes on when nobody hears it any more, and learns that they left."""
    task = asyncio.get_running_loop().create_task(asking)
    _apart.add(task)
    task.add_done_callback(_apart.discard)
    return task


def retell(app: App, change: Callable[[Events], Events]) -> App:
    """Let the streams of runs be told in another way.

    Args:
        app: Whose streams.
        change: Is given the events of a stream as they come, each with its empty line, and gives those to send. What
            it does not ask for is lost. Raises `Cut` where the connection is to break.
    """

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        if not starts_run(scope):
            await app(scope, receive, send)
            return
        told: asyncio.Queue[Message | None] = asyncio.Queue()
        asking = apart(app(scope, receive, told.put))
        asking.add_done_callback(lambda _done: told.put_nowait(None))
        start = await told.get()
        if start is None:
            await asking
            return
        await send(start)
        if not _kind(start).startswith(_STREAM):
            while (message := await told.get()) is not None:
                await send(message)
            return
        with contextlib.suppress(Cut):  # an answer that is not ended: the server closes its connection
            async for event in change(_events(told)):
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    return layer


def rewrite(app: App, change: Callable[[Scope, bytes], bytes]) -> App:
    """Let the JSON of an API's answers, and every event of its streams, be written in another way."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope.get("path", "").startswith(_API):
            await app(scope, receive, send)
            return
        start: Message = {}
        content = bytearray()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                if not _kind(start).startswith(_JSON):
                    await send(message)
                return
            kind = _kind(start)
            if not kind.startswith((_STREAM, _JSON)):
                await send(message)
                return
            content.extend(message.get("body", b""))
            is_more = message.get("more_body", False)
            if kind.startswith(_STREAM):
                whole = len(content) if not is_more else content.rfind(b"\n\n") + 1
                piece = bytes(content[:whole])
                del content[:whole]
                await send({**message, "body": change(scope, piece)})
            elif not is_more:
                await _send_whole(send, start, change(scope, bytes(content)))

        await app(scope, receive, sent)

    return layer


async def _send_whole(send: Send, start: Message, content: bytes) -> None:
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    await send({**start, "headers": [*headers, (b"content-length", b"%d" % len(content))]})
    await send({"type": "http.response.body", "body": content})


async def _events(told: asyncio.Queue[Message | None]) -> Events:
    """The events of a stream, however they were sent."""
    rest = b""
    while (message := await told.get()) is not None:
        rest += message.get("body", b"")
        *whole, rest = rest.split(b"\n\n")
        for event in whole:
            yield event + b"\n\n"


def _kind(start: Message) -> bytes:
    return next((bytes(value) for name, value in start["headers"] if name.lower() == b"content-type"), b"")
