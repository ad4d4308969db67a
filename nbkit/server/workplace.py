"""Where requests are computed: what the dispatcher asks for a seat, and the processes of this machine."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Protocol

from nbkit.server.workers import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbkit.server.frames import Message
    from nbkit.server.runs import Outcome
    from nbkit.server.settings import Settings

_FEWEST, _MOST = 2, 4  # processes where nobody says how many


class Seat(Protocol):
    """What computes one request at a time."""

    async def compute(self, order: Message, note: Callable[[Message], None], *, time_limit: float) -> Outcome:
        """Compute one request; `note` is called with each log line and each piece of progress."""
        ...

    async def cancel(self) -> None:
        """Ask the model to stop."""
        ...

    async def end(self) -> None:
        """Stop whatever is computed, and let go of what was held for it."""
        ...


class Workplace(Protocol):
    """Where there are seats."""

    async def open(self, changed: Callable[[], None]) -> None:
        """Get ready.

        Args:
            changed: Called on this loop whenever there may be more room than before.
        """
        ...

    def room(self, resources: Mapping[str, float]) -> int:
        """How many requests that need these resources can be computed at once."""
        ...

    def take(self, resources: Mapping[str, float]) -> Seat:
        """A seat for one request."""
        ...

    def lack(self, resources: Mapping[str, float]) -> str:
        """Why a request that needs these resources will not begin for now; an empty string where it will."""
        ...

    def give_back(self, seat: Seat) -> None:
        """Take a seat back whose request is over."""
        ...

    async def close(self) -> None:
        """End every seat that nobody holds."""
        ...


class ThisMachine:
    """Processes of this machine, started when they are first needed. They know no resources."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._size = settings.workers or max(_FEWEST, min(_MOST, os.cpu_count() or 1))
        self._idle: list[WorkerProcess] = []
        self._warming: asyncio.Task[None] | None = None

    async def open(self, changed: Callable[[], None]) -> None:
        """Get one process ready, so that the first request does not wait for Python to start."""
        self._warming = asyncio.create_task(self._warm_up(changed))

    def room(self, _resources: Mapping[str, float]) -> int:
        """How many processes there may be that compute, the one that is getting ready not counted."""
        return self._size - (self._warming is not None)

    def take(self, _resources: Mapping[str, float]) -> Seat:
        """The process that computed last, whose models are loaded, or a new one."""
        return self._idle.pop() if self._idle else self._process()

    def lack(self, _resources: Mapping[str, float]) -> str:
        """Nothing: resources are what clusters have."""
        return ""

    def give_back(self, seat: Any) -> None:
        """Keep a process for the next request."""
        self._idle.append(seat)

    async def close(self) -> None:
        """End the processes that are idle."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._idle))

    def _process(self) -> WorkerProcess:
        return WorkerProcess(
            self._settings.data_dir,
            public_only=not self._settings.on_loopback,
            store=self._settings.store,
        )

    async def _warm_up(self, changed: Callable[[], None]) -> None:
        worker = self._process()
        try:
            await worker.warm_up()
        finally:
            self._idle.append(worker)
            self._warming = None
            changed()
