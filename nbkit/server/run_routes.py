"""`/run/…`: direct calls and streams (fal docs: "Synchronous requests", "Streaming", "Workflows").

A direct call is not queued behind others by its caller's wish, so it goes ahead of the queue. Closing the
connection cancels it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from nbkit.server.replies import EventStream, gone, read_body, reply_outcome, service_of, taking_in
from nbkit.server.wishes import wishes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response

    from nbkit.server.runs import Outcome, Run

_STREAM = "/stream"
_PROMPTLY = 1.0  # seconds in which a failure becomes the answer itself, not an event


async def run(request: Request) -> Response:
    """Answer anything below `/run/`."""
    name = request.path_params["path"].rstrip("/")
    service = service_of(request)
    await service.learn(name)
    streamed = name.endswith(_STREAM) and name not in service.catalogue
    async with taking_in(request):
        given, content = await read_body(request)
        begun = service.begin(
            name.removesuffix(_STREAM) if streamed else name,
            given,
            size=len(content),
            watched=streamed,
            user=request.user,
            **wishes(request),
        )
        del given, content  # the run lets its input go when it is over, and so does this
    return await (_stream if streamed else _call)(request, begun)


async def _call(request: Request, begun: Run) -> Response:
    service = service_of(request)
    ending = asyncio.ensure_future(begun.end())
    leaving = asyncio.ensure_future(gone(request.receive))
    try:
        await asyncio.wait({ending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.cancel()
        leaving.cancel()
        if not begun.over:
            service.cancel(begun)
    await asyncio.gather(ending, leaving, return_exceptions=True)
    if not begun.over:
        await begun.end()  # nobody reads the answer, but there has to be one
    return reply_outcome(request, begun)


async def _stream(request: Request, begun: Run) -> Response:
    first: dict[str, Any] | None = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PROMPTLY):
            first = await begun.feed.get() if begun.feed else None
    if first is None and begun.outcome and not begun.outcome.ok:
        return reply_outcome(request, begun)
    events = _events(request, begun, first)
    return EventStream(request, events, run=begun, keep_alive=service_of(request).settings.keep_alive)


async def _events(
    request: Request, begun: Run, first: dict[str, Any] | None
) -> AsyncGenerator[dict[str, Any], None]:
    """What a run tells, then its result; a workflow tells its result itself."""
    try:
        if first is not None:
            yield first
        while begun.feed and not (begun.over and begun.feed.empty()):
            if (event := await begun.feed.get()) is not None:
                yield event
        if not begun.is_workflow:
            yield _last_event(await begun.end(), begun)
    finally:
        if not begun.over:
            service_of(request).cancel(begun)


def _last_event(outcome: Outcome, begun: Run) -> Any:
    """The whole result; for a failure what a workflow's `error` event would say, for want of a standard."""
    body = outcome.value()
    if outcome.ok:
        return body
    return {"type": "error", "message": begun.error[0], "error": {"status": outcome.status, "body": body}}
