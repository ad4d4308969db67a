"""The runs that can be asked for, and the tasks that can be stopped; in memory, within the server's bounds."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from nbkit.server.dify.apps import WorkflowApp
    from nbkit.server.dify.live_run import LiveRun
    from nbkit.server.settings import Settings
    from nbkit.wire.dify.answers import RunRecord

_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that can be asked for.

    Attributes:
        app: Its workflow.
        record: What is known of it.
        size: Bytes of its inputs and outputs.
        expires: When it is forgotten, in seconds since 1970.
    """

    app: WorkflowApp
    record: RunRecord
    size: int
    expires: float


class RunTable:
    """Runs by their id, tasks by theirs."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.kept_runs
        self._most_bytes = min(_MOST_BYTES, settings.kept_bytes)
        self._seconds = settings.kept_seconds
        self._under_way: dict[str, LiveRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def count(self, owner: str) -> int:
        """How many runs of one user are under way."""
        return sum(run.app.owner == owner for run in self._under_way.values())

    def number(self, app: WorkflowApp) -> int:
        """The number of an app's next run."""
        self._numbers[app.name] = self._numbers.get(app.name, 0) + 1
        return self._numbers[app.name]

    def begin(self, run: LiveRun, task: asyncio.Task[None]) -> None:
        """Keep a run that begins, and what works on it."""
        self._under_way[run.record.id] = run
        self._tasks[run.task_id] = task

    def end(self, run: LiveRun) -> None:
        """Keep the record of a run that is over, and let go of the rest."""
        record = run.record
        self._under_way.pop(record.id, None)
        self._tasks.pop(run.task_id, None)
        size = len(json.dumps([record.inputs, record.outputs]))
        self._kept[record.id] = Kept(run.app, record, size, time.time() + self._seconds)
        self._bytes += size
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].size

    def find(self, run_id: str) -> tuple[WorkflowApp, RunRecord] | None:
        """A run and its app; None where there is none (any more)."""
        if run := self._under_way.get(run_id):
            return run.app, run.record
        kept = self._kept.get(run_id)
        return (kept.app, kept.record) if kept and kept.expires > time.time() else None

    def ended(self, app: WorkflowApp) -> Iterator[RunRecord]:
        """The runs of an app that are over, the newest first."""
        now = time.time()
        for kept in reversed(self._kept.values()):
            if kept.app is app and kept.expires > now and kept.record.finished is not None:
                yield kept.record

    def task(self, task_id: str) -> tuple[LiveRun, asyncio.Task[None]] | None:
        """A run under way by the id it is stopped by."""
        run = next((run for run in self._under_way.values() if run.task_id == task_id), None)
        return None if run is None else (run, self._tasks[task_id])

    def tasks(self) -> list[asyncio.Task[None]]:
        """All that is under way."""
        return list(self._tasks.values())
