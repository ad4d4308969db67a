"""Dify's routes, and what becomes of errors on them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from nbkit.errors import InputError
from nbkit.server.dify import about_routes, file_routes, record_routes, run_routes
from nbkit.server.dify.exchange import reply, state_of
from nbkit.server.dify.refused import Refused
from nbkit.server.replies import BadRequest, when_again
from nbkit.wire.dify.answers import NOT_FOUND_PAGE, internal_error, refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from nbkit.server.dify.state import DifyState
    from nbkit.wire.dify.era import Era

_PAGE = "text/html; charset=utf-8"
_METHODS = "DELETE, GET, OPTIONS, PATCH, POST, PUT"
_NO_METHOD = "The method is not allowed for the requested URL."


def dify_routes(state: DifyState) -> list[BaseRoute]:
    """What the app answers below `/v1` and `/files`."""
    missing = state.era.missing_routes
    since = {
        "logs": [Route("/workflows/logs", record_routes.logs)],
        "run_by_id": [Route("/workflows/{workflow_id}/run", run_routes.run_by_id, methods=["POST"])],
        "preview": [Route("/files/{file_id:uuid}/preview", file_routes.preview)],
        "site": [Route("/site", about_routes.site)],
    }
    api: list[BaseRoute] = [
        Route("/workflows/run", run_routes.run, methods=["POST"]),
        Route("/workflows/run/{run_id}", record_routes.detail),
        Route("/workflows/tasks/{task_id}/stop", run_routes.stop, methods=["POST"]),
        Route("/files/upload", file_routes.upload, methods=["POST"]),
        Route("/info", about_routes.info),
        Route("/parameters", about_routes.parameters),
        Route("/meta", about_routes.meta),
        *(route for name, routes in since.items() if name not in missing for route in routes),
    ]
    files: list[BaseRoute] = [
        Route("/tools/{name}", file_routes.tool_file),
        Route("/{file_id:uuid}/file-preview", file_routes.uploaded_file),
    ]
    return [Mount("/v1", _app(api, state)), Mount("/files", _app(files, state))]


class _Marked:
    """Gives every answer the headers of an era."""

    def __init__(self, app: ASGIApp, era: Era) -> None:
        self._app = app
        self._headers = (*era.headers, ("x-version", era.version), ("x-env", "PRODUCTION"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                marked = MutableHeaders(scope=message)
                is_shared = "access-control-allow-origin" in marked
                for name, value in self._headers:
                    if is_shared or not name.startswith("access-control-"):
                        marked.append(name, value)
            await send(message)

        await self._app(scope, receive, send_marked)


def _app(routes: list[BaseRoute], state: DifyState) -> Starlette:
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_Marked, era=state.era)],
        exception_handlers={
            Refused: _refused,
            InputError: _invalid,
            BadRequest: _bad_request,
            HTTPException: _http,
            ClientDisconnect: _left,
            Exception: _unforeseen,
        },
    )
    app.router.redirect_slashes = False
    app.state.service, app.state.dify = state.service, state
    return app


async def _refused(request: Request, error: Exception) -> Response:
    refused = cast("Refused", error)
    answer = reply(request, refused.body, refused.status)
    if refused.status == HTTPStatus.UNAUTHORIZED and (challenge := state_of(request).era.challenge):
        answer.headers["www-authenticate"] = challenge
    return answer


async def _invalid(request: Request, error: Exception) -> Response:
    return reply(request, Refused.invalid(str(error)).body, 400)


async def _bad_request(request: Request, error: Exception) -> Response:
    problem = cast("BadRequest", error)
    body = refusal(problem.status, HTTPStatus(problem.status).name.lower(), str(error))
    answer = reply(request, body, problem.status)
    answer.headers.update(when_again(problem.retry_after))
    return answer


async def _left(request: Request, _error: Exception) -> Response:
    """The caller went away in the middle of the body; nobody reads this."""
    return reply(request, refusal(400, "bad_request", "The body broke off."), 400)


async def _http(request: Request, error: Exception) -> Response:
    problem = cast("HTTPException", error)
    if problem.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return Response(NOT_FOUND_PAGE, 404, media_type=_PAGE)
    given = (problem.headers or {}).get("Allow", "").split(", ")
    allowed = ", ".join(dict.fromkeys([*given, "OPTIONS"]))
    if request.method == "OPTIONS":
        return Response(headers={"allow": allowed, **_preflight(request)}, media_type=_PAGE)
    answer = reply(request, refusal(405, "method_not_allowed", _NO_METHOD), 405)
    del answer.headers["access-control-allow-origin"]
    if state_of(request).era.allow_on_405:
        answer.headers["allow"] = ", ".join(sorted(allowed.split(", ")))
    return answer


def _preflight(request: Request) -> dict[str, str]:
    asked = request.headers
    near = "access-control-request-private-network" in asked
    names = [name.strip() for name in asked.get("access-control-request-headers", "").split(",")]
    return {
        "access-control-allow-methods": _METHODS,
        "access-control-allow-headers": ", ".join(names),
        **({"access-control-allow-private-network": "true"} if near else {}),
    }


async def _unforeseen(request: Request, _error: Exception) -> Response:
    era = state_of(request).era
    answer = reply(request, internal_error(era), 500)
    answer.headers.update({"x-version": era.version})  # this answer does not pass through `_Marked`
    return answer
