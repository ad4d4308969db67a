"""`/run/…/realtime`: sessions over a WebSocket (fal docs: "Real-time"). Each input gives one answer, in order.

Inputs that arrive while another is computed wait, up to `max_buffering` of them; beyond that the oldest are dropped,
because a picture of what was drawn a while ago is of no use to who draws on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.websockets import WebSocketDisconnect

from nbkit.errors import InputError, NbkitError, StreamBroken
from nbkit.server.dispatcher import DIRECT
from nbkit.server.replies import reply, until_one_ends, with_addresses
from nbkit.wire.fal.realtime import MOST_BUFFERED, TIMEOUT, error_frame, pack, unpack

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from nbkit.server.service import Service

_ENDING = "/realtime"
_MOST_BYTES = 64 * 2**20
_INVALID = "INVALID_INPUT"
_SERVICE_RESTART, _POLICY_VIOLATION = 1012, 1008  # why a session is closed (RFC 6455)


async def realtime(websocket: WebSocket) -> None:
    """Hold a session."""
    service: Service = websocket.app.state.service
    path = websocket.path_params["path"].strip("/")
    name = path.removesuffix(_ENDING)
    if name == path:
        await websocket.send_denial_response(
            reply({"detail": "A session's address ends with /realtime."}, 404)
        )
        return
    try:
        service.app_of(name)
    except InputError as error:
        await websocket.send_denial_response(reply({"detail": str(error)}, 404))
        return
    await websocket.accept()
    with contextlib.suppress(
        WebSocketDisconnect, RuntimeError
    ):  # what starlette raises where the caller has left
        await _Session(websocket, service, name).hold()


class _Session:
    """One session: what waits, and what is being computed."""

    def __init__(self, websocket: WebSocket, service: Service, name: str) -> None:
        self._websocket = websocket
        self._service = service
        self._name = name
        self._user: str = websocket.user
        self._waiting: deque[bytes | str] = deque(
            maxlen=_limit(websocket.query_params.get("max_buffering", ""))
        )
        self._arrived = asyncio.Event()

    async def hold(self) -> None:
        """Answer until the caller leaves, or nothing was sent for a while."""
        await until_one_ends(self._read(), self._answer(), self._service.keys.until_revoked(self._user))
        if not self._service.keys.know(self._user):
            await self._websocket.close(_POLICY_VIOLATION)

    async def _read(self) -> None:
        while (message := await self._websocket.receive())["type"] == "websocket.receive":
            content = message.get("bytes")
            self._waiting.append(message.get("text") or "" if content is None else content)
            while len(self._waiting) > 1 and sum(map(len, self._waiting)) > _MOST_BYTES:
                self._waiting.popleft()
            self._arrived.set()

    async def _answer(self) -> None:
        while not self._service.draining.is_on:
            try:
                async with asyncio.timeout(self._service.settings.realtime_idle):
                    await self._arrived.wait()
            except TimeoutError:
                await self._websocket.send_text(error_frame(TIMEOUT, "Nothing was sent for a while."))
                await self._websocket.close()
                return
            frame = self._waiting.popleft()
            if not self._waiting:
                self._arrived.clear()
            await self._compute(frame)
        await self._websocket.close(_SERVICE_RESTART)

    async def _compute(self, frame: bytes | str) -> None:
        """Compute one input, and send what comes of it; the session goes on after an error."""
        try:
            run = self._service.begin(self._name, _given(frame), priority=DIRECT, user=self._user)
        except NbkitError as error:
            await self._websocket.send_text(error_frame(_INVALID, str(error)))
            return
        try:
            outcome = await run.end()
        finally:
            if not run.over:
                self._service.cancel(run)
        if outcome.ok:
            # Addresses of files are those by which this client reaches the server by HTTP.
            scheme = "https" if self._websocket.scope["scheme"] in ("wss", "https") else "http"
            request = Request({**self._websocket.scope, "type": "http", "scheme": scheme})
            await self._websocket.send_bytes(pack(json.loads(with_addresses(request, outcome.body))))
        else:
            message, kind = run.error
            await self._websocket.send_text(error_frame(kind or "INTERNAL_ERROR", message))


def _given(frame: bytes | str) -> dict[str, Any]:
    """The input in a frame: msgpack, or JSON for those who have none."""
    try:
        value = unpack(frame) if isinstance(frame, bytes) else json.loads(frame)
        # What computes it takes JSON: no bytes, no dates, no numbers that are none.
        json.dumps(value, allow_nan=False)
    except (StreamBroken, ValueError, TypeError, RecursionError) as error:
        raise InputError("The input is neither msgpack nor JSON, or holds what JSON cannot.") from error
    if not isinstance(value, dict):
        raise InputError(f"The input is not an object but {type(value).__name__}.")
    return value


def _limit(text: str) -> int:
    return (
        min(max(int(text), 1), MOST_BUFFERED)
        if text.isdecimal() and len(text) < len("1000")
        else MOST_BUFFERED
    )
