"""A server on a socket: bound before its address is told, and gone when it is told to go."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from nbkit.errors import ServerError
from nbkit.server.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    from starlette.types import ASGIApp

    from nbkit.server.catalogue import Catalogue
    from nbkit.server.settings import Settings

_KEEP_ALIVE = 120  # seconds; a call that meets the closing of an idle connection could not tell its fate
_GRACE = 1  # seconds that open answers have to end
_PEERS = "127.0.0.1,::1"  # who may say by which scheme the client came: a TLS front on this machine
_STDIN = 0
_BACKLOG = 2048


class Host:
    """An app on a socket of its own.

    Attributes:
        app: What is served.
        url: Its address; the port is the real one from the start.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue | None = None) -> None:
        listener = bind(settings.host, settings.port)
        try:
            self.app = create_app(settings, catalogue)
        except BaseException:
            listener.close()
            raise
        self.url = address_of(listener)
        self._socket = listener
        state = self.app.state
        self._server = AppServer(self.app, state.service.close, state.drain, settings.drain_seconds)
        self._server.config.limit_concurrency = settings.max_connections or _room()
        if settings.keys_file is not None:
            self._server.hang_up = state.service.keys.read_again

    def run(self, announce: Callable[[str], None] = lambda _url: None) -> None:
        """Serve until `stop`, SIGINT or SIGTERM. A signal lets running requests end; a second one does not.

        Args:
            announce: Called with the address once requests are answered.
        """
        self._server.run_on(self._socket, lambda: announce(self.url))

    def stop(self) -> None:
        """End at once, from any thread; safe to call twice."""
        self._server.stop()

    def stop_with_parent(self) -> None:
        """End when standard input does, as it does when the process that started this one is gone."""

        def watch() -> None:
            with contextlib.suppress(OSError):
                while os.read(_STDIN, 4096):
                    pass
            self.stop()

        threading.Thread(target=watch, name="nbkit-parent", daemon=True).start()


class AppServer(uvicorn.Server):
    """uvicorn's server, which says when it answers and ends without waiting for what does not end.

    Attributes:
        hang_up: Called on its loop at SIGHUP, None to end as programs do.

    Args:
        app: What to serve.
        close: Awaited first when it is told to end: ends what answers are waiting for.
        drain: Awaited before that at the first signal, while requests are answered still: lets running work end.
        drain_seconds: How long that may take, with the answers that are on their way after it.
    """

    def __init__(
        self,
        app: ASGIApp,
        close: Callable[[], Coroutine[Any, Any, None]] | None = None,
        drain: Callable[[], Coroutine[Any, Any, None]] | None = None,
        drain_seconds: float = 0.0,
    ) -> None:
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,  # its own would take the place of what this process has set up
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=_KEEP_ALIVE,
            forwarded_allow_ips=_PEERS,
            http=_protocol(),
        )
        super().__init__(config)
        self._announce: Callable[[], None] | None = None
        self._close = close
        self._drain = drain
        self._drain_seconds = drain_seconds
        self._draining: asyncio.Task[None] | None = None
        self._deadline = 0.0
        self._at_once = not drain_seconds
        self._is_closing = False
        self.hang_up: Callable[[], None] | None = None

    def run_on(self, listener: socket.socket, announce: Callable[[], None]) -> None:
        """Serve on a bound socket until `should_exit` is set, SIGINT or SIGTERM.

        Args:
            listener: As `bind` gives it.
            announce: Called once requests are answered.
        """
        self._announce = announce
        self.run(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        if self.started and self._announce:
            self._announce()

    def stop(self) -> None:
        """End at once, from any thread."""
        self._at_once = self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal: the first lets running work end, a second does not."""
        del sig, frame
        self._at_once = self._at_once or self.should_exit
        self.should_exit = True
        if self._at_once and self._is_closing:
            for answer in self.server_state.tasks:
                answer.cancel()

    async def on_tick(self, counter: int) -> bool:
        """Say whether to end now; asked ten times a second."""
        return await super().on_tick(counter) and self._is_drained()

    def _is_drained(self) -> bool:
        if self._at_once or self._drain is None:
            return True
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())
            self._deadline = time.monotonic() + self._drain_seconds
        return self._draining.done() or time.monotonic() > self._deadline

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what runs, then the connections."""
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)
        # Ends every run first: streams and direct calls then end by themselves.
        if self._close:
            await self._close()
        self._is_closing = True
        if not self._at_once:  # what is on its way to its caller may use what is left of the time
            left = math.ceil(self._deadline - time.monotonic())
            self.config.timeout_graceful_shutdown = max(_GRACE, left)
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
        if self.hang_up is not None and hasattr(signal, "SIGHUP"):
            call = partial(asyncio.get_running_loop().call_soon_threadsafe, self.hang_up)
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda _number, _frame: call())
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _room() -> int | None:
    """How many connections may be open at once, with files left to open; None where nothing bounds them."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if files == resource.RLIM_INFINITY else max(1, files * 3 // 4)


def _protocol() -> Any:
    """How to read HTTP, as uvicorn's option takes it."""
    try:
        from nbkit.server.guard import Guarded
    except ImportError:  # without httptools uvicorn reads by h11, which bounds headers itself, but no times
        return "h11"
    return Guarded


def bind(host: str, port: int) -> socket.socket:
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


def address_of(listener: socket.socket) -> str:
    """The address of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve_app(app: ASGIApp, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve any app until SIGINT or SIGTERM.

    Args:
        app: What to serve.
        host: Address to listen on.
        port: Port to listen on, 0 for any that is free.
        announce: Called with the address once requests are answered.

    Raises:
        ServerError: The address is taken, or is none of this machine's.
    """
    listener = bind(host, port)
    AppServer(app).run_on(listener, lambda: announce(address_of(listener)))
