"""A Dask cluster as an executor: connecting to its scheduler, and how much room its workers have."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nbkit.errors import ConfigError, ServerError
from nbkit.server.executors import relay
from nbkit.server.executors.pool import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCHEMES = {"dask": "tcp", "dask+tcp": "tcp", "dask+tls": "tls", "tcp": "tcp", "tls": "tls"}
_PORT = 8786
_CONNECT_SECONDS = 10.0
_LOOK_SECONDS = 10.0


class DaskCluster:
    """The workers of a Dask scheduler.

    Args:
        given: `dask://host:port`, or a `distributed.Client`, which is left as it is at the end.

    Attributes:
        name: What it is called in logs and errors.
        host: The address by which this machine reaches the scheduler, and so its workers reach this machine.

    Raises:
        ConfigError: dask.distributed is not installed, or the address is none.
        ServerError: The scheduler cannot be reached.
    """

    def __init__(self, given: Any) -> None:
        self._address = _scheduler(given) if isinstance(given, str) else ""
        self._client = self._connected() if self._address else given
        address = self._address or str(self._client.scheduler.address)
        self.name = f"the Dask cluster at {address}"
        self.host = _this_machine(address)
        self._workers: list[tuple[int, dict[str, float]]] = []
        self._changed: Callable[[], None] = lambda: None
        self._look_again = threading.Event()
        self._closed = False
        self._connecting = threading.Lock()
        self._read()

    def open(self, changed: Callable[[], None]) -> None:
        """Follow how the cluster grows and shrinks; `changed` is called on another thread."""
        self._changed = changed
        threading.Thread(target=self._watch, name="nbkit-dask", daemon=True).start()

    def room(self, resources: Mapping[str, float]) -> int:
        """How many tasks that need these run at once: one a thread, while each has its share."""
        return sum(
            min(
                threads,
                *(int(has.get(name, 0) // need) for name, need in resources.items() if need > 0),
                threads,
            )
            for threads, has in self._workers
        )

    def submit(self, task: tuple[Any, ...], resources: Mapping[str, float]) -> Future[Any]:
        """Hand in a relay's task.

        Raises:
            ServerError: The scheduler is gone.
        """
        self._connect_again()
        try:
            needs = dict(resources) or None
            return _plain(self._client.submit(relay.run, *task, pure=False, resources=needs))
        except Exception as error:
            raise ServerError(f"{self.name} takes no tasks: {str(error)[:300]}") from error

    def lack(self, resources: Mapping[str, float]) -> str:
        """Why a task that needs these will not begin for now; an empty string where it will."""
        if self.room(resources):
            return ""
        wanted = ", ".join(f"{name}={need:g}" for name, need in resources.items())
        return f"no worker of {self.name} has {wanted}" if wanted else f"{self.name} has no workers"

    def close(self) -> None:
        """Leave the cluster."""
        self._closed = True
        self._look_again.set()
        if self._address:
            with contextlib.suppress(Exception):
                self._client.close(timeout=2)

    def _connect_again(self) -> None:
        """Connect anew where Dask has given a scheduler up, which it does when that was away for long."""
        with self._connecting:
            if self._address and self._client.status not in ("running", "connecting") and not self._closed:
                self._client = self._connected()

    def _connected(self) -> Any:
        try:
            from distributed import Client
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"an executor of Dask needs {error.name}", hint="pip install 'nbkit-media[dask]'"
            ) from error
        try:
            return Client(self._address, timeout=_CONNECT_SECONDS, set_as_default=False, name="nbkit")
        except Exception as error:
            said = str(error).splitlines() or [type(error).__name__]
            raise ServerError(
                f"the Dask scheduler at {self._address} cannot be reached: {said[0][:300]}",
                hint="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
            ) from error

    def _watch(self) -> None:
        while not self._closed:
            with contextlib.suppress(ServerError):  # without room nobody hands in a task, which would connect
                self._connect_again()
            with contextlib.suppress(
                Exception
            ):  # again below, since a scheduler that was away has forgotten it
                self._client.subscribe_topic("all", self._heard)
            before = self._workers
            self._read()
            if self._workers != before:
                self._changed()
            self._look_again.wait(_LOOK_SECONDS)
            self._look_again.clear()

    def _heard(self, _event: object) -> None:
        self._look_again.set()

    def _read(self) -> None:
        """Ask the scheduler for its workers; what was known last stays where it does not answer."""
        with contextlib.suppress(Exception):
            known = self._client.sync(self._client.scheduler.identity, n_workers=-1)["workers"].values()
            self._workers = [
                (int(worker["nthreads"]), dict(worker.get("resources") or {}))
                for worker in known
                if worker.get("status", "running") == "running"
            ]


def _plain(task: Any) -> Future[Any]:
    """A future of the standard library for one of Dask."""
    future: Future[Any] = Future()

    def ended(_task: object) -> None:
        with contextlib.suppress(InvalidStateError):  # it was cancelled here meanwhile
            if task.status == "error":
                future.set_exception(task.exception())
            elif task.status == "finished":
                future.set_result(task.status)
            else:
                future.cancel()

    def withdrawn(_future: object) -> None:
        if future.cancelled() and task.status == "pending":
            task.cancel()

    task.add_done_callback(ended)
    future.add_done_callback(withdrawn)
    return future


def _scheduler(given: str) -> str:
    """The scheduler's address as Dask writes it."""
    parts = urlsplit(given)
    try:
        port = parts.port or _PORT
    except ValueError:
        port = 0
    if parts.scheme not in SCHEMES or not parts.hostname or not port:
        raise ConfigError(
            f"executor is {given[:80]!r}, which names no Dask scheduler", hint="write dask://host:8786"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{SCHEMES[parts.scheme]}://{host}:{port}"


def _this_machine(scheduler: str) -> str:
    """The address of this machine that the machines around a scheduler see."""
    parts = urlsplit(scheduler)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname:
        return LOOPBACK
    with contextlib.suppress(OSError):
        family, *_, address = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)  # which sends nothing
            return str(probe.getsockname()[0])
    return LOOPBACK
