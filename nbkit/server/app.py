"""The server as an ASGI app: routes, and what becomes of errors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route, WebSocketRoute

from nbkit.errors import InputError, MediaError
from nbkit.server import (
    declared_routes,
    exchanges,
    openapi,
    proxy,
    queue_routes,
    realtime_routes,
    run_routes,
    storage_routes,
    tokens,
    workflow_routes,
)
from nbkit.server.access import Access
from nbkit.server.catalogue import UnknownEndpoint
from nbkit.server.dify.app import dify_routes
from nbkit.server.dify.state import DifyState
from nbkit.server.endpoints import own_endpoints
from nbkit.server.journal import DatabaseAway, JournalFailed
from nbkit.server.probe_routes import probe_routes
from nbkit.server.replies import BadRequest, reply, service_of, when_again
from nbkit.server.resuming import resume
from nbkit.server.run_store import QueueFull
from nbkit.server.service import Service
from nbkit.wire.fal.answers import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from nbkit.server.catalogue import Catalogue
    from nbkit.server.settings import Settings

_SWEEP_SECONDS = 600.0
_log = logging.getLogger("nbkit.server")
_FILE = "{signature}/{file_id}/{name}"


def create_app(settings: Settings, catalogue: Catalogue | None = None) -> Starlette:
    """Make the app.

    Args:
        settings: How it runs. Makes the data folder.
        catalogue: Its endpoints, nbkit's own and stand-ins when not given.
    """
    service = Service(settings, catalogue or own_endpoints())
    service.own.load()
    dify = DifyState(service)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await service.files.away(service.files.drop_stale)
        service.saved.load()
        await service.saved.refresh()
        await service.dispatcher.open()
        await resume(service)
        if service.cluster is not None:
            service.cluster.open()
        tending = [
            asyncio.create_task(it) for it in (_sweep(service), service.own.watch(), service.keys.watch())
        ]
        try:
            yield
        finally:
            for task in tending:
                task.cancel()
            await asyncio.gather(*tending, return_exceptions=True)
            await dify.close()
            await service.close()
            await service.store.close()

    routes = [*_routes(), *probe_routes(service), *dify_routes(dify), *_for_kernel(settings)]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(exchanges.Exchanges, service=service, templates=exchanges.templates(routes)),
            Middleware(Access, service=service),
        ],
        lifespan=lifespan,
        exception_handlers={
            BadRequest: _bad_request,
            UnknownEndpoint: _sentence(404),
            QueueFull: _queue_full,
            DatabaseAway: _sentence(503),
            JournalFailed: _sentence(507),
            InputError: _sentence(422),
            MediaError: _files_failed,
            HTTPException: _http,
            ClientDisconnect: _left,
            Exception: _unforeseen,
        },
    )

    async def drain() -> None:
        service.draining.begin()
        await dify.settle()
        await service.draining.settle()

    app.state.service, app.state.drain = service, drain
    return app


def _for_kernel(settings: Settings) -> list[BaseRoute]:
    """What only the server of a kernel has, and only behind its key."""
    is_kernels = settings.takes_functions and settings.key
    return [Route(declared_routes.PATH, declared_routes.declare, methods=["PUT"])] if is_kernels else []


def _routes() -> list[BaseRoute]:
    files, storage = "/cdn/files", "/rest/storage"
    return [
        Route("/queue/{path:path}", queue_routes.queue, methods=["GET", "POST", "PUT"]),
        Route("/run/{path:path}", run_routes.run, methods=["POST"]),
        WebSocketRoute("/run/{path:path}", realtime_routes.realtime),
        Route("/rest/tokens", tokens.token, methods=["POST"]),
        Route("/rest/tokens/", tokens.token, methods=["POST"]),
        Route("/rest/tokens/realtime", tokens.realtime_token, methods=["POST"]),
        Route(f"{files}/upload", storage_routes.upload, methods=["POST"]),
        Route(f"{files}/upload/multipart", storage_routes.begin_parts, methods=["POST"]),
        Route(f"{files}/{_FILE}", storage_routes.download),
        Route(
            f"{files}/{_FILE}/multipart/{{upload_id}}/complete",
            storage_routes.complete_parts,
            methods=["POST"],
        ),
        Route(
            f"{files}/{_FILE}/multipart/{{upload_id}}/{{number:int}}",
            storage_routes.put_part,
            methods=["PUT"],
        ),
        Route(f"/cdn/uploads/{_FILE}", storage_routes.put_whole, methods=["PUT"]),
        Route(f"/cdn/uploads/{_FILE}/complete", storage_routes.complete_parts, methods=["POST"]),
        Route(f"/cdn/uploads/{_FILE}/{{number:int}}", storage_routes.put_part, methods=["PUT"]),
        Route(f"{storage}/auth/token", storage_routes.token, methods=["POST"]),
        Route(f"{storage}/upload/initiate", storage_routes.initiate, methods=["POST"]),
        Route(f"{storage}/upload/initiate-multipart", storage_routes.initiate, methods=["POST"]),
        Route("/rest/workflows", workflow_routes.workflows, methods=["GET", "POST"]),
        Route("/rest/workflows/", workflow_routes.workflows, methods=["GET", "POST"]),
        Route("/rest/workflows/{user}/{name}", workflow_routes.workflow, methods=["GET", "PATCH", "DELETE"]),
        Route("/rest/.well-known/jwks.json", _key_set),
        Route("/.well-known/jwks.json", _key_set),
        Route(proxy.PATH, proxy.Proxy()),
        Route("/openapi.json", openapi.openapi),
        Route("/api/openapi/queue/openapi.json", openapi.openapi),
        Route("/api/v1/models", openapi.models),
        Route("/api/v1/models/pricing", openapi.pricing),
        Route("/api/v1/requests", queue_routes.requests),
    ]


async def _key_set(request: Request) -> Response:
    """Give the public key of this server's webhooks."""
    return reply(await service_of(request).webhooks.key_set())


async def _sweep(service: Service) -> None:
    """Drop what is too old or too much now and then; that expired things cannot be had does not wait for it."""
    files, limits = service.files, service.settings
    while True:
        with contextlib.suppress(OSError, MediaError):
            await files.away(files.drop_expired)
            await files.away(files.trim, limits.kept_file_seconds, limits.kept_file_bytes)
        await service.store.sweep()
        await asyncio.sleep(_SWEEP_SECONDS)


async def _left(_request: Request, _error: Exception) -> Response:
    """The caller went away in the middle of the body; nobody reads this."""
    return reply({"detail": "The body broke off."}, 400)


async def _files_failed(_request: Request, error: Exception) -> Response:
    """The server's files cannot be read or written; where they are is no business of the caller's."""
    _log.error("%s", error)
    return reply({"detail": "The server cannot reach its files now. Its log says why."}, 503)


async def _bad_request(_request: Request, error: Exception) -> Response:
    problem = cast("BadRequest", error)
    answer = reply({"detail": str(error)}, problem.status)
    answer.headers.update(when_again(problem.retry_after))
    return answer


async def _queue_full(request: Request, error: Exception) -> Response:
    service_of(request).telemetry.refused("queue_full")
    answer = reply({"detail": str(error)}, 429)
    answer.headers.update(when_again(QueueFull.retry_after))
    return answer


async def _http(request: Request, error: Exception) -> Response:
    problem = cast("HTTPException", error)
    detail = problem.detail
    if problem.status_code == 404:  # noqa: PLR2004
        detail = f"There is nothing at {request.url.path[:200]!r}: see /queue, /run, /rest, /cdn and /openapi.json."
    answer = reply({"detail": detail}, problem.status_code)
    answer.headers.update(problem.headers or {})
    return answer


async def _unforeseen(_request: Request, error: Exception) -> Response:
    answer = reply(
        {"detail": f"Internal Server Error: {type(error).__name__}", "error_type": "internal_error"}, 500
    )
    # This answer does not pass through `Access`, which gives all others their id.
    answer.headers[REQUEST_ID_HEADER] = str(uuid.uuid4())
    return answer


def _sentence(status: int) -> Any:
    async def handler(_request: Request, error: Exception) -> Response:
        return reply({"detail": str(error)}, status)

    return handler
