"""WebSockets, with nbkit's errors."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConfigError, ConnectionFailed, StreamBroken
from nbkit.model.address import is_loopback, origin, shown
from nbkit.transport.http import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_OPEN_WITHIN = 90.0  # seconds; a model may have to start first
_CLOSE_WITHIN = 2.0
_UNREAD = 64  # frames


class Refused(Exception):
    """The other side answered by HTTP instead of opening a WebSocket.

    Attributes:
        answer: What it said.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class WebSocket:
    """An open connection. Frames are text or bytes."""

    def __init__(self, connection: Any, url: str) -> None:
        self._connection = connection
        self._url = url

    async def send(self, frame: bytes) -> None:
        """Send a frame; waits while the other side reads too slowly.

        Raises:
            StreamBroken: The connection is closed.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise self._broken(error) from error

    async def receive(self) -> bytes | str | None:
        """The next frame; None once the other side has closed the connection in good order.

        Raises:
            StreamBroken: It closed it in another way.
        """
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        try:
            frame: bytes | str = await self._connection.recv()
        except ConnectionClosedOK:
            return None
        except ConnectionClosed as error:
            raise self._broken(error) from error
        return frame

    def _broken(self, error: Any) -> StreamBroken:
        told = error.rcvd.reason[:200] if error.rcvd and error.rcvd.reason else "the connection was closed"
        return StreamBroken(f"the session with {shown(self._url)} is over: {told}")


@contextlib.asynccontextmanager
async def open_websocket(url: str, *, headers: Mapping[str, str], largest: int) -> AsyncIterator[WebSocket]:
    """Open a connection, and close it in the end.

    Args:
        url: Its address (`ws://`, `wss://`).
        headers: More header fields.
        largest: Bytes of the largest frame to take.

    Raises:
        ConnectionFailed: The other side was never reached.
        Refused: It does not open a WebSocket.
        ConfigError: The extra `realtime` is not installed.
    """
    connect, exceptions = _websockets()
    from nbkit import __version__

    try:
        connection = await connect(
            url,
            additional_headers=dict(headers),
            user_agent_header=f"nbkit/{__version__}",
            open_timeout=_OPEN_WITHIN,
            close_timeout=_CLOSE_WITHIN,
            ping_timeout=None,  # a notebook may be busy between two answers, and then nobody reads
            max_size=largest,
            max_queue=_UNREAD,
            **({"proxy": None} if is_loopback(url) else {}),
        )
    except exceptions.InvalidStatus as error:
        response = error.response
        lower = {name.lower(): value for name, value in response.headers.raw_items()}
        raise Refused(Answer(response.status_code, lower, bytes(response.body or b""))) from error
    except (OSError, TimeoutError, exceptions.WebSocketException) as error:
        reason = "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
        raise ConnectionFailed(
            f"cannot open a session with {shown(url)}: {reason or type(error).__name__}", address=origin(url)
        ) from error
    try:
        yield WebSocket(connection, url)
    finally:
        await connection.close()


def _websockets() -> tuple[Any, Any]:
    try:
        from websockets import exceptions
        from websockets.asyncio.client import connect
    except ImportError as error:
        raise ConfigError(
            "realtime sessions need the package websockets", hint="pip install 'nbkit-media[realtime]'"
        ) from error
    return connect, exceptions
