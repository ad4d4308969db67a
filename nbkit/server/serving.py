"""A server inside this process: for an executor that is an object here, and for scripts that want to own one."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from typing import TYPE_CHECKING, Any, Self

from nbkit.client.client import Client
from nbkit.credentials import Key
from nbkit.errors import ConfigError, ServerError
from nbkit.providers.embedded import EMBEDDED
from nbkit.server.throw_away import throw_away_folder
from nbkit.transport.loop import TICK, at_exit

if TYPE_CHECKING:
    from types import TracebackType

_END_WITHIN = 10.0


class Serving:
    """A running server of this process; ends with it, or by `close`, or at the end of a `with` block.

    Attributes:
        url: Its address, on this machine alone unless it was told otherwise.
        key: The key that callers show.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        try:
            from nbkit.server.host import Host
            from nbkit.server.settings import Settings
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"a server needs {error.name}", hint="pip install 'nbkit-media[local]'"
            ) from error
        with contextlib.ExitStack() as stack:
            if settings.get("data_dir") is None:
                settings["data_dir"] = stack.enter_context(throw_away_folder())
            self.key: str = settings.setdefault("key", secrets.token_urlsafe(24))
            self._host = Host(Settings(**{"takes_functions": True} | settings))
            self.url = self._host.url
            self._failed = "see what it printed"
            answering = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(answering,), name="nbkit-server", daemon=True
            )
            self._thread.start()
            while not answering.wait(TICK) and self._thread.is_alive():
                pass
            if not answering.is_set():
                raise ServerError(f"the server did not start: {self._failed}")
            self._leftovers = stack.pop_all()
        _open.add(self)
        at_exit(self._close_at_exit)

    def client(self, **options: Any) -> Client:
        """A client of this server, which answers this process's own functions, too; `options` are `nbkit.Client`'s."""
        return Client(key=Key(self.key, EMBEDDED), base_url=self.url, **options)

    def close(self) -> None:
        """End it: what is being computed ends too. Safe to call twice."""
        self._host.stop()
        self._thread.join(_END_WITHIN)
        self._leftovers.close()
        _open.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<nbkit server at {self.url}>"

    def _run(self, answering: threading.Event) -> None:
        try:
            self._host.run(lambda _url: answering.set())
        except BaseException as error:  # noqa: BLE001 - told by whoever waits for it to start
            self._failed = f"{type(error).__name__}: {error}"

    async def _close_at_exit(self) -> None:
        await asyncio.to_thread(self.close)


_open: set[Serving] = set()
_of_executors: dict[int, tuple[Any, Serving]] = {}
_lock = threading.Lock()


def serve(
    executor: Any = None,
    *,
    workers: int | None = None,
    port: int = 0,
    key: str | None = None,
    **settings: Any,
) -> Serving:
    """Start a server inside this process, which computes wherever an executor does.

    Args:
        executor: Any `concurrent.futures.Executor`, a function that makes one (called again where it broke), a
            `distributed.Client` or `dask://host:8786`. Without it, processes of this machine compute.
        workers: How many requests are computed at once; as many as the executor runs where it is not given.
        port: Port to listen on, 0 for any that is free.
        key: The key that callers must show; a random one where it is not given. Who has it can have functions run here.
        **settings: Any other of `nbkit.server.settings.Settings`, as `worker_host`, `host` and `data_dir`. Without a
            `data_dir`, what the server keeps goes when it ends.

    Raises:
        ConfigError: A setting makes no sense, or what a server needs is not installed.
        ServerError: The port is taken, or the executor cannot be reached.
    """
    given = {"executor": executor, "workers": workers, "port": port, **settings}
    return Serving(given if key is None else {**given, "key": key})


def client_on(executor: Any) -> Client:
    """A client whose requests an executor computes, by a server of this process that all who ask for it share.

    Raises:
        NbkitError: As for `serve`.
    """
    with _lock:
        _, server = _of_executors.get(id(executor), (None, None))
        if server is None or server not in _open:
            server = serve(executor)
            _of_executors[id(executor)] = executor, server
        return server.client()
