"""Every HTTP exchange, counted and written to the log when it is over."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from nbkit.server import logs
from nbkit.server.telemetry import HTTP_ID
from nbkit.wire.fal.answers import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from nbkit.server.service import Service

ROUTE = "nbkit.route"
"""Where a handler of several kinds of requests says in the scope which kind this is."""

_NO_ROUTE = "none"
_ID_HEADERS = (b"x-request-id", b"x-correlation-id")
_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_RUN_ID = REQUEST_ID_HEADER.encode()
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Exchanges:
    """Lets everything through, and notes what became of it.

    Args:
        app: Who answers.
        service: Whose numbers these are.
        templates: The route template of each handler, as `templates` gives them.
    """

    def __init__(self, app: ASGIApp, service: Service, templates: dict[Any, str]) -> None:
        self._app = app
        self._metrics = service.telemetry.metrics
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take part in one exchange."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        given = _given_id(scope["headers"])
        if given is not None:
            exchange.headers.append(given)
            HTTP_ID.set(given[1].decode("ascii"))
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            exchange.status = exchange.status or 500
            raise
        finally:
            self._note(scope, exchange)

    def _note(self, scope: Scope, exchange: _Exchange) -> None:
        route = scope.get(ROUTE) or self._templates.get(scope.get("endpoint"), _NO_ROUTE)
        method = scope.get("method", "WEBSOCKET")
        method = method if method in _METHODS or scope["type"] == "websocket" else "OTHER"
        metrics = self._metrics
        metrics.http[method, route, exchange.status] += 1
        metrics.bytes_in += exchange.bytes_in
        metrics.bytes_out += exchange.bytes_out
        if logs.tells():
            logs.tell(
                "http",
                request_id=exchange.run_id,
                http_request_id=HTTP_ID.get(),
                user=scope.get("user"),
                method=method,
                route=route,
                status=exchange.status,
                seconds=round(time.perf_counter() - exchange.began, 4),
                bytes_in=exchange.bytes_in,
                bytes_out=exchange.bytes_out,
                client=(scope.get("client") or ("",))[0],
            )


class _Exchange:
    """One exchange on its way.

    Attributes:
        headers: What its answer carries besides its own.
        status: Of its answer, 0 where none was begun.
        run_id: The request that it was about.
        bytes_in: How long its body was so far.
        bytes_out: How long its answer's body was so far.
        began: When it began, by the clock that measures.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.headers: list[tuple[bytes, bytes]] = []
        self.status = 0
        self.run_id = ""
        self.bytes_in = 0
        self.bytes_out = 0
        self.began = time.perf_counter()

    async def receive(self) -> Message:
        message = await self._receive()
        self.bytes_in += len(message.get("body") or message.get("bytes") or message.get("text") or b"")
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
            self.run_id = next(
                (value.decode("latin-1") for name, value in message["headers"] if name == _RUN_ID), ""
            )
            message["headers"] = [*message["headers"], *self.headers]
        elif kind == "websocket.accept":
            self.status = 101
        else:
            self.bytes_out += len(message.get("body") or message.get("bytes") or message.get("text") or b"")
        await self._send(message)


def templates(routes: Iterable[BaseRoute], prefix: str = "") -> dict[Any, str]:
    """The path template of each route's handler; the first one, where several routes share a handler."""
    return dict(reversed([*_templates(routes, prefix)]))


def _templates(routes: Iterable[BaseRoute], prefix: str) -> Iterator[tuple[Any, str]]:
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if inner := getattr(route, "routes", None):
            yield from _templates(inner, path)
        elif endpoint := getattr(route, "endpoint", None):
            yield endpoint, path


def _given_id(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes] | None:
    """The id that a proxy in front gave this exchange, with its header; None where none is well formed."""
    for name, value in headers:
        if name in _ID_HEADERS and _ID.fullmatch(value):
            return name, value
    return None
