"""A server on a socket: bound before its address is told, and gone when it is told to go."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from nbkit.errors import ServerError
from nbkit.server.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbkit.server.catalogue import Catalogue
    from nbkit.server.settings import Settings

_GRACE = 1  # seconds that open answers have to end
_PEERS = "127.0.0.1,::1"  # who may say by which scheme the client came: a TLS front on this machine
_STDIN = 0
_BACKLOG = 2048


class Host:
    """An nbkit server on a socket of its own.

    Attributes:
        url: Its address; the port is the real one from the start.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue | None = None) -> None:
        self._socket = _bind(settings.host, settings.port)
        self.url = settings.origin_of(settings.host, self._socket.getsockname()[1])
        self.app = create_app(settings, catalogue)
        self._config = uvicorn.Config(
            self.app,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            forwarded_allow_ips=_PEERS,
        )
        self._server: _Server | None = None

    def run(self, announce: Callable[[str], None] = lambda _url: None) -> None:
        """Serve until `stop`, SIGINT or SIGTERM.

        Args:
            announce: Called with the address once requests are answered.
        """
        self._server = _Server(self._config, lambda: announce(self.url), self.app.state.service.close)
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End, from any thread; safe to call twice."""
        if self._server:
            self._server.should_exit = True

    def stop_with_parent(self) -> None:
        """End when standard input does, as it does when the process that started this one is gone."""

        def watch() -> None:
            with contextlib.suppress(OSError):
                while os.read(_STDIN, 4096):
                    pass
            self.stop()

        threading.Thread(target=watch, name="nbkit-parent", daemon=True).start()


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it answers and does not wait for what will not end."""

    def __init__(
        self, config: uvicorn.Config, announce: Callable[[], None], close: Callable[[], Any]
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._close = close

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Ends every run first: streams and direct calls then end by themselves.
        await self._close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as a wish to end well; uvicorn's own would raise them again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _bind(host: str, port: int) -> socket.socket:
    """Open the socket to listen on.

    Raises:
        ServerError: The address is taken, or is none of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServerError(
            f"cannot listen on {host}:{port}: {reason}", hint="choose another with --port"
        ) from error
    # asyncio sets this only on sockets of its own making; without it every small answer waits 40 ms for an
    # acknowledgement. Accepted connections inherit it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
