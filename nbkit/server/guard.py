"""The server's end of a connection, which nobody can keep busy by sending slowly or without an end.

uvicorn alone bounds neither the size of a request's header nor the time in which it has to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

LARGEST_HEAD = 64 * 1024  # bytes
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Guarded(HttpToolsProtocol):
    """One connection, with a timer for what its caller has to send next.

    Attributes:
        head_seconds: How long a header may take from its first byte, and the first one from the connection on.
        body_seconds: How long a body may stand still.
    """

    head_seconds = 30.0
    body_seconds = 60.0
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's does
        """Take a connection."""
        super().connection_made(transport)
        self._expect(self.head_seconds)

    def data_received(self, data: bytes) -> None:
        """Take the next bytes."""
        if not self._in_body():
            self._head_bytes += len(data)  # back to 0 when the header, or the whole request, is complete
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_body():
            self._expect(self.body_seconds)
        elif self._head_bytes > LARGEST_HEAD:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._head_bytes and self._timer is None:
            self._expect(self.head_seconds)

    def on_headers_complete(self) -> None:
        """Note that a header has come."""
        self._relax()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that a request has come."""
        self._relax()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed."""
        self._relax()
        super().connection_lost(exc)

    def _should_upgrade(self) -> bool:
        """Whether this is a WebSocket's handshake.

        What only looks like one is an ordinary request: the WebSocket library would neither answer nor close it, and
        fail over it when the server ends.
        """
        names = {name for name, _ in self.headers}
        has_body = bool(names & {b"content-length", b"transfer-encoding"})
        whole = self.scope.get("method") == "GET" and b"sec-websocket-key" in names and not has_body
        return whole and super()._should_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """Write nothing: callers do not fill the server's log."""

    def _in_body(self) -> bool:
        return bool(getattr(self.cycle, "more_body", False))  # there is no cycle before the first request

    def _expect(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._give_up, seconds)

    def _relax(self) -> None:
        self._head_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self, seconds: float) -> None:
        self._timer = None
        if self.flow.read_paused:  # it is the server that does not read
            self._expect(seconds)
        else:
            self.transport.close()
