"""`/queue/…`: submit, status, status stream, result and cancel (fal docs: "Queue API").

Status, result and cancel addresses hold the app's id without its sub-path; with it, with a slash at the end, and
with `/response` behind the request id they are taken too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nbkit.server.dispatcher import LOW, NORMAL
from nbkit.server.exchanges import ROUTE
from nbkit.server.replies import (
    BadRequest,
    EventStream,
    origin_of,
    read_body,
    reply,
    reply_outcome,
    service_of,
    taking_in,
)
from nbkit.server.wishes import wishes
from nbkit.wire.fal.answers import (
    ALREADY_COMPLETED,
    CANCELLATION_REQUESTED,
    CANCELLED_IN_QUEUE,
    NOT_FOUND,
    STILL_IN_PROGRESS,
    RequestUrls,
    submitted,
)
from nbkit.wire.fal.requests import NAME_HEADER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response

    from nbkit.server.runs import Run

_LONGEST_NAME = 100
_ABOUT = re.compile(
    r"(?P<app>.+)/requests/(?P<id>[^/]+)(?:/(?P<verb>status|status/stream|cancel|response))?/*"
)


async def queue(request: Request) -> Response:
    """Answer anything below `/queue/`."""
    path = request.path_params["path"]
    about = _ABOUT.fullmatch(path)
    if about is None:
        request.scope[ROUTE] = "/queue/{app}"
        if request.method != "POST":
            raise BadRequest(405, "An endpoint of the queue takes POST.")
        return await _submit(request, path)
    verb = about["verb"] or "response"
    request.scope[ROUTE] = f"/queue/{{app}}/requests/{{id}}/{verb}"
    run = await service_of(request).find(about["id"])
    if run is None or not _belongs(about["app"], run) or not run.belongs_to(request.user):
        return reply(NOT_FOUND, 404)
    if (request.method == "PUT") != (verb == "cancel"):
        raise BadRequest(405, "Cancel takes PUT, everything else about a request takes GET.")
    return await _cancel(request, run) if verb == "cancel" else _VERBS[verb](request, run)


async def requests(request: Request) -> Response:
    """List the requests that their caller gave a name (`GET /api/v1/requests?name=…`), in the order of their coming."""
    name = request.query_params.get("name", "")
    if not name:
        raise BadRequest(400, "Say which: /api/v1/requests?name=…")
    found = await service_of(request).store.named(name, request.user)
    listed = [{"request_id": id_, "endpoint_id": endpoint, "sent_at": sent} for id_, endpoint, sent in found]
    return reply({"requests": listed, "has_more": False})


async def _submit(request: Request, name: str) -> Response:
    async with taking_in(request):
        return await _take(request, name)


async def _take(request: Request, name: str) -> Response:
    service = service_of(request)
    given, content = await read_body(request)
    await service.learn(name)
    limit = request.query_params.get("fal_max_queue_length", "")
    if limit.isdecimal() and service.dispatcher.queue_length(service.app_of(name)) > int(limit):
        body = {
            "detail": f"More than {limit} requests wait for {name}.",
            "error_type": "concurrent_requests_limit",
        }
        return reply(body, 429)
    low = request.headers.get("x-fal-queue-priority", "").lower() == "low"
    webhook = request.query_params.get("fal_webhook", "")
    if webhook:
        await service.webhooks.prepare(webhook)
    receiver = (webhook, origin_of(request)) if webhook else None
    priority = LOW if low else NORMAL
    called = request.headers.get(NAME_HEADER, "")[:_LONGEST_NAME]
    facts = {"caller_name": called, "user": request.user, **wishes(request)}
    run = await service.enqueue(name, given, content, priority=priority, webhook=receiver, **facts)
    ticket = submitted(run.id, RequestUrls.of(_queue_url(request), run.app, run.id), run.position)
    if webhook:
        ticket["gateway_request_id"] = run.id
    return reply(ticket, run=run)


def _status(request: Request, run: Run) -> Response:
    logs = run.logs if _wants_logs(request) else None
    return reply(run.status(_queue_url(request), logs), 200 if run.over else 202, run=run)


def _status_stream(request: Request, run: Run) -> Response:
    keep_alive = service_of(request).settings.keep_alive
    return EventStream(request, _statuses(request, run), run=run, keep_alive=keep_alive)


async def _statuses(request: Request, run: Run) -> AsyncGenerator[dict[str, Any], None]:
    """A status at every change, each with the log entries since the one before, up to `COMPLETED`."""
    url, wants_logs, told = _queue_url(request), _wants_logs(request), 0
    while True:
        seen, logs = run.version, run.logs[told:]
        told += len(logs)
        is_last = run.over or run.left  # asked before it is told: it may end while the telling goes on
        yield run.status(url, logs if wants_logs else None)
        if is_last:  # who is left asks again, and the next server knows
            return
        await run.change(seen)


def _result(request: Request, run: Run) -> Response:
    return reply_outcome(request, run) if run.over else reply(STILL_IN_PROGRESS, 400, run=run)


async def _cancel(request: Request, run: Run) -> Response:
    if run.over:
        return reply(ALREADY_COMPLETED, 400, run=run)
    if await service_of(request).cancel_as_asked(run):
        return reply(CANCELLED_IN_QUEUE, 200, run=run)
    return reply(CANCELLATION_REQUESTED, 202, run=run)


_VERBS = {"response": _result, "status": _status, "status/stream": _status_stream}


def _belongs(app: str, run: Run) -> bool:
    app = app.strip("/")
    return app == run.app or app.startswith(f"{run.app}/")


def _queue_url(request: Request) -> str:
    return f"{origin_of(request)}/queue"


def _wants_logs(request: Request) -> bool:
    has_query = request.scope["query_string"]  # most have none, and reading it costs as much as the answer
    return bool(has_query) and request.query_params.get("logs", "").lower() in ("1", "true", "yes")
