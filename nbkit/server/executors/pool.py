"""Any `concurrent.futures.Executor`: submitting tasks to it, and how many it runs at once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConfigError, ServerError
from nbkit.server.executors import relay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

LOOPBACK = "127.0.0.1"


class Pool:
    """An executor, or what makes one anew whenever the last one broke.

    Attributes:
        name: What it is called in logs and errors.
        host: The address by which its workers reach this machine, as far as that is known.

    Args:
        given: The executor, which is left as it is at the end, or a function that makes one, which is shut down.

    Raises:
        ConfigError: It is neither.
    """

    host = LOOPBACK

    def __init__(self, given: Any) -> None:
        is_one = hasattr(given, "submit")
        self._make = None if is_one else given
        self._executor = given if is_one else self._made()
        self.name = f"the executor ({type(self._executor).__name__})"
        # Processes that are forked now hold none of the sockets that the server is about to open.
        with contextlib.suppress(Exception):  # the first request will tell
            self._executor.submit(relay.ready)

    def open(self, changed: Callable[[], None]) -> None:
        """Nothing is known of pools whose size changes."""

    def room(self, _resources: Mapping[str, float]) -> int | None:
        """How many tasks it runs at once; None where it does not tell."""
        view = getattr(
            self._executor, "view", None
        )  # ipyparallel's, which grows and shrinks with its engines
        if view is not None:
            return len(view)
        for name in ("_max_workers", "num_workers"):
            if isinstance(number := getattr(self._executor, name, None), int):
                return number
        return None

    def submit(self, task: tuple[Any, ...], _resources: Mapping[str, float]) -> Future[Any]:
        """Hand in a relay's task.

        Raises:
            ServerError: The executor takes none.
        """
        try:
            future: Future[Any] = self._executor.submit(relay.run, *task)
        except Exception as error:
            if self._make is None:
                hint = "give the server a function that makes an executor, and it is made anew when it broke"
                raise self._refused(error, hint) from error
        else:
            return future
        with contextlib.suppress(Exception):
            self._executor.shutdown(wait=False)
        try:
            self._executor = self._made()
            future = self._executor.submit(relay.run, *task)
        except Exception as error:
            raise self._refused(error) from error
        return future

    def lack(self, _resources: Mapping[str, float]) -> str:
        """Why a task that needs these will not begin for now; an empty string where that is not known."""
        return ""

    def close(self) -> None:
        """Shut down what was made here."""
        if self._make is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _refused(self, error: Exception, hint: str = "") -> ServerError:
        words = f"{self.name} takes no tasks: {type(error).__name__}: {str(error)[:300]}"
        return ServerError(words, hint=hint)

    def _made(self) -> Any:
        made = self._make() if callable(self._make) else None
        if not hasattr(made, "submit"):
            raise ConfigError(
                f"executor is {type(made).__name__}, which is no concurrent.futures.Executor",
                hint="pass an executor, a function that makes one, a Dask client, or dask://host:8786",
            )
        return made
