"""Receives webhooks on this machine: verifies them, hands each on once, and answers as the sender expects."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from nbkit.errors import NbkitError, WebhookError
from nbkit.webhooks import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from nbkit.model.webhook import Webhook
    from nbkit.webhooks import KeySet

LARGEST_BODY = 32 * 2**20
"""Bytes; outputs are JSON, with files as addresses."""

_REMEMBERED = 10_000


class Listener:
    """Takes webhooks in.

    Args:
        key_set: The keys to trust.
        take: Called with each webhook that is verified and was not there before. Where it raises `OSError`, the
            sender is asked to come again.
        refuse: Called with the reason why one was not taken.
    """

    def __init__(
        self, key_set: KeySet, take: Callable[[Webhook], None], refuse: Callable[[str], None]
    ) -> None:
        self._key_set = key_set
        self._take = take
        self._refuse = refuse
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def __call__(self, request: Request) -> Response:
        """Answer one request: 200 taken, 400 not genuine, 413 too large, 500 and 503 to be sent again."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                return self._no(413, f"it is larger than {LARGEST_BODY // 2**20} MiB")
        try:
            event = await asyncio.to_thread(verify, request.headers.items(), bytes(body), jwks=self._key_set)
        except WebhookError as error:
            return self._no(400, error.args[0])
        except NbkitError as error:
            return self._no(503, error.args[0])
        if event.request_id in self._seen:
            return JSONResponse({"status": "known"})
        try:
            self._take(event)
        except OSError as error:
            return self._no(500, f"it could not be kept: {error.strerror}")
        self._seen[event.request_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return JSONResponse({"status": "taken"})

    def _no(self, status: int, reason: str) -> Response:
        self._refuse(reason)
        return JSONResponse({"detail": reason}, status)


def listener_app(path: str, listener: Listener) -> Starlette:
    """The listener at a path, as an app."""

    async def receive(request: Request) -> Response:
        return await listener(request)

    return Starlette(routes=[Route(path, receive, methods=["POST"])])
