"""Seats in an executor: how many there are, and what all of them share."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from nbkit.errors import ConfigError
from nbkit.server.code_store import CodeStore
from nbkit.server.executors.dask_cluster import DaskCluster
from nbkit.server.executors.line import Line
from nbkit.server.executors.pool import Pool
from nbkit.server.executors.seat import ExecutorSeat
from nbkit.server.files import FileStore
from nbkit.stores.address import without_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from nbkit.server.executors.line import Expected
    from nbkit.server.settings import Settings
    from nbkit.server.workplace import Seat


class _Executing(Protocol):
    """What runs tasks: a `Pool` or a `DaskCluster`."""

    name: str
    host: str

    def open(self, changed: Callable[[], None]) -> None: ...
    def room(self, resources: Mapping[str, float]) -> int | None: ...
    def submit(self, task: tuple[Any, ...], resources: Mapping[str, float]) -> Future[Any]: ...
    def lack(self, resources: Mapping[str, float]) -> str: ...
    def close(self) -> None: ...


class ExecutorWorkplace:
    """Seats in an executor.

    Args:
        settings: How the server runs.
        executor: A `concurrent.futures.Executor`, a function that makes one, a `distributed.Client`, or
            `dask://host:port`.

    Attributes:
        name: What the executor is called.
        line: Where relays call in.
        files: The server's files.
        code: The code of users' functions.
        facts: What every relay is told of the server: whether pictures come from the public internet alone, which store
            its files are in, and what marks that somebody sees the same.

    Raises:
        ConfigError: It is no executor, or does not tell how many tasks it runs at once.
        ServerError: The Dask scheduler cannot be reached.
    """

    def __init__(self, settings: Settings, executor: Any) -> None:
        self._executor = _executing(executor)
        self._settings = settings
        self.name = self._executor.name
        if settings.workers is None and self._executor.room({}) is None:
            raise ConfigError(
                f"{self.name} does not tell how many tasks it runs at once", hint="say so with workers=N"
            )
        self.line = Line(settings.worker_host or self._executor.host)
        self.files = FileStore(settings.data_dir, settings.store)
        self.code = CodeStore(settings.data_dir / "code")
        self.facts = {
            "public_only": not settings.on_loopback,
            "store": without_user(settings.store),
            "mark": self.files.mark,
        }
        self._marker = settings.data_dir / f"seen-{secrets.token_hex(16)}"
        # An executor may block, fork, or hold sockets that one thread alone may use.
        self._closed = False
        self._submitting = ThreadPoolExecutor(1, "nbkit-submit")

    async def open(self, changed: Callable[[], None]) -> None:
        """Listen for relays."""
        loop = asyncio.get_running_loop()
        self._marker.touch(0o600)
        await self.line.open()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the server is gone
                loop.call_soon_threadsafe(changed)

        self._executor.open(tell)

    def room(self, resources: Mapping[str, float]) -> int:
        """How many requests that need these resources it computes at once."""
        has = self._executor.room(resources)
        if not resources and self._settings.workers is not None:
            return self._settings.workers
        return has if has is not None else self.room({})

    def take(self, resources: Mapping[str, float]) -> Seat:
        """A seat for one request."""
        return ExecutorSeat(self, resources)

    def give_back(self, _seat: Seat) -> None:
        """Nothing is held between requests: what is kept warm is kept where it computes."""

    async def close(self) -> None:
        """Hear no more of the executor; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self.line.close()
        self._marker.unlink(missing_ok=True)
        await asyncio.get_running_loop().run_in_executor(self._submitting, self._executor.close)
        self._submitting.shutdown(wait=False)

    async def submit(self, expected: Expected, resources: Mapping[str, float]) -> Future[Any]:
        """Hand in the task of a relay that is expected.

        Raises:
            NbkitError: The executor takes none.
        """
        host, port = self.line.address
        return await asyncio.get_running_loop().run_in_executor(
            self._submitting,
            partial(
                self._executor.submit,
                (host, port, expected.task, expected.token, str(self._marker.absolute())),
                resources,
            ),
        )

    def withdraw(self, future: Future[Any]) -> None:
        """Take a task back that nobody waits for any more; one that has begun is hung up on when it calls."""
        self._submitting.submit(future.cancel)

    def waiting(self, resources: Mapping[str, float]) -> str:
        """What a request says that waits for a worker."""
        return self._executor.lack(resources) or f"waiting for a worker of {self.name}"

    def lack(self, resources: Mapping[str, float]) -> str:
        """Why a request that needs these resources will not begin for now; an empty string where it will."""
        return self._executor.lack(resources)


def _executing(given: Any) -> _Executing:
    if isinstance(given, str) or type(given).__module__.startswith("distributed.client"):
        return DaskCluster(given)
    return Pool(given)
