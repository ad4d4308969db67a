"""A realtime session: inputs go, answers come, as long as it is open."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError, RunTimeout, StreamBroken
from nbkit.providers.files import inlined
from nbkit.providers.inputs import Draft
from nbkit.transport.websocket import Refused, open_websocket
from nbkit.wire.fal.realtime import (
    LARGEST_FRAME,
    Control,
    pack,
    read_frame,
    read_token,
    realtime_url,
    token_request,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from nbkit.model.endpoint import Endpoint
    from nbkit.providers.fal import FalService
    from nbkit.providers.files import Upload
    from nbkit.providers.uploads import OnProgress
    from nbkit.transport.websocket import WebSocket


class Conversation:
    """An open session. Lives on the network thread."""

    def __init__(self, endpoint: Endpoint, socket: WebSocket) -> None:
        self._endpoint = endpoint
        self._socket = socket
        self._is_over = False

    async def send(self, payload: Mapping[str, Any]) -> None:
        """Send one input. Files in it go along as data URIs; bytes at its top go as they are.

        Raises:
            InputError: It is no input.
            StreamBroken: The session is over.
        """
        if not hasattr(payload, "keys"):
            raise InputError(
                f"an input is a dict of names and values, not {type(payload).__name__}", field="input"
            )
        plain = {name: bytes(it) for name, it in payload.items() if isinstance(it, (bytes, bytearray))}
        draft = Draft.of({name: it for name, it in payload.items() if name not in plain})
        frame = pack(await draft.sent(_Inline(), lambda _url: True) | plain)
        if self._is_over:
            raise StreamBroken(f"the realtime session of {self._endpoint} is over")
        await self._socket.send(frame)

    async def receive(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as `Run.result` has it
        """The next answer; None once the session is over.

        Raises:
            RunTimeout: None came in time; the session goes on.
            ServiceError: The service says that something is wrong.
            StreamBroken: The connection broke, or what came cannot be read.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._next()
        except TimeoutError as error:
            raise RunTimeout(
                f"{self._endpoint} did not answer within {timeout:g} s", endpoint=str(self._endpoint)
            ) from error

    async def _next(self) -> Any:
        while not self._is_over:
            frame = await self._socket.receive()
            if frame is None:
                break
            value = read_frame(frame)
            if not isinstance(value, Control):
                return value
            if value.is_end:
                break
            if value.error:
                raise value.raised(str(self._endpoint))
        self._is_over = True
        return None


class _Inline:
    """Takes the place of uploading: a session is about not waiting."""

    async def upload(self, file: Upload, *, on_progress: OnProgress | None = None) -> str:  # noqa: ARG002
        """A file as a data URI."""
        return await asyncio.to_thread(inlined, file)


@contextlib.asynccontextmanager
async def converse(
    service: FalService, endpoint: Endpoint, *, use_token: bool, token_seconds: int, max_buffering: int | None
) -> AsyncIterator[Conversation]:
    """Open a session, and close it in the end.

    Args:
        service: Who answers.
        endpoint: What to call.
        use_token: Whether to ask for a short-lived token first, so that the key itself stays out of the session.
        token_seconds: For how long the token lets a session be opened.
        max_buffering: How many inputs may wait at the service; older ones are dropped then.

    Raises:
        ServiceError: The service refused it.
        ConnectionFailed: The service was never reached.
        ConfigError: The extra `realtime` is not installed.
    """
    realtime_url(
        service.hosts, endpoint, max_buffering=max_buffering
    )  # a wrong option is told before a token is made
    authorization = service.authorization(service.hosts.direct(endpoint))
    token = await _token(service, endpoint, token_seconds) if use_token and authorization else ""
    url = realtime_url(service.hosts, endpoint, token=token, max_buffering=max_buffering)
    headers = {"authorization": authorization} if authorization and not token else {}
    try:
        async with open_websocket(url, headers=headers, largest=LARGEST_FRAME) as socket:
            yield Conversation(endpoint, socket)
    except Refused as refused:
        answer = refused.answer
        raise service.refusal(answer.status, answer.headers, answer.content).error(
            f"opening a realtime session with {endpoint}"
        ) from None


async def _token(service: FalService, endpoint: Endpoint, seconds: int) -> str:
    url, body = token_request(service.hosts, endpoint, seconds)
    answer = await service.transport.send("POST", url, json=body, read_timeout=20.0)
    if answer.status >= 300:  # noqa: PLR2004
        raise service.refusal(answer.status, answer.headers, answer.content).error(
            f"asking for a token for {endpoint}"
        )
    try:
        return read_token(json.loads(answer.content))
    except (ValueError, RecursionError):
        return read_token(None)
