"""The runs that can be asked for: in memory while they are at work and just after, in the journal for the rest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections import Counter, deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.server.journal import JournalFailed, TakenOver
from nbkit.server.run_rows import entry_of, recalled
from nbkit.server.runs import Outcome, Run
from nbkit.wire.fal.answers import IN_PROGRESS

if TYPE_CHECKING:
    from nbkit.server.journal import Journal
    from nbkit.server.settings import Settings
    from nbkit.server.telemetry import Telemetry

REQUEST_ID = re.compile(r"[0-9a-f-]{36}")
_REMEMBERED = 1000  # finished runs in memory; all others are read from the journal when somebody asks
_REMEMBERED_BYTES = 64 * 2**20
_PATIENCE = 5.0  # seconds that a caller waits for what will be written down anyway
_LARGE = 10_000  # bytes of a result, from which fal keeps it for a shorter time


class QueueFull(InputError):
    """More requests wait than may, or larger ones; a while later there may be room."""

    retry_after = 5.0


class RunStore:
    """Keeps runs, and writes those of the queue down before their callers hear of them.

    Args:
        settings: How the server runs.
        journal: Where they are written down.
        telemetry: Is told what happens.
    """

    def __init__(self, settings: Settings, journal: Journal[Any], telemetry: Telemetry) -> None:
        self._settings = settings
        self._journal = journal
        self._telemetry = telemetry
        self._runs: dict[str, Run] = {}
        self._finished: deque[Run] = deque()
        self._bytes = 0
        self._held: dict[str, int] = {}  # inputs in memory, by the size of their JSON
        self._held_bytes = 0
        self._of_user: Counter[str] = Counter()  # runs that are not over, steps of others not counted
        self._ending: set[str] = set()
        self._unwritten: dict[str, Run] = {}  # ended, and the journal could not be told so
        self._since_forgetting = 0
        self._seq = 0
        self._closing = False

    async def restore(self) -> list[Run]:
        """Read what an earlier server left: runs that are not over, and finished ones whose webhook is not taken."""
        try:
            self._seq = self._seq or await self._journal.last()
            runs = [recalled(entry, Run) for entry in await self._journal.unfinished()]
        except JournalFailed as error:
            self._telemetry.journal_failed(error)
            raise
        self._telemetry.journal_mended()
        self._rewrite()
        for run in runs:
            if run.over:
                self._remember(run)
            else:
                self._runs[run.id] = run
                self._of_user[run.user] += 1
                self._telemetry.resumed(run)
        return runs

    def add(self, run: Run) -> None:
        """Keep a run in memory. It ends with this server."""
        self._runs[run.id] = run
        self._telemetry.accepted(run)

    async def keep(self, run: Run, given: bytes) -> None:
        """Keep a run, so that it outlives this server.

        Args:
            run: The run.
            given: Its input as it came.

        Raises:
            JournalFailed: It cannot be written down.
        """
        self._seq += 1
        run.seq = self._seq
        began = time.perf_counter()
        try:
            await self._journal.add(entry_of(run), given if run.keeps_input else None)
        except JournalFailed as error:
            self._telemetry.journal_failed(error)
            raise
        self._telemetry.journalled(time.perf_counter() - began)
        self._rewrite()
        self._runs[run.id] = run
        self._telemetry.accepted(run)

    def hold(self, run: Run, size: int, *, elsewhere: bool) -> None:
        """Count a run and its input; where there is no more room for the input, only the journal keeps it.

        Args:
            run: The run.
            size: Bytes of its input as JSON.
            elsewhere: Whether the journal keeps it too.

        Raises:
            QueueFull: There is no room and it is kept nowhere else, or its user has too many already.
        """
        most = self._settings.max_runs_per_user
        if most and not run.depth and self._of_user[run.user] >= most:
            raise QueueFull(f"{most} of your requests wait or run already; wait for one of them to end")
        if self._held_bytes + size <= self._settings.queued_bytes:
            self._held[run.id] = size
            self._held_bytes += size
        elif elsewhere:
            run.away = True
        else:
            raise QueueFull(
                f"inputs of {self._settings.queued_bytes // 2**20} MiB wait already; upload files instead"
            )
        self._count(run, 1)

    def give_up(self, run: Run) -> None:
        """Take back what `hold` counted of a run that could not be kept."""
        self.release(run)
        self._count(run, -1)

    def release(self, run: Run) -> None:
        """Note that the input of a run does not wait any more."""
        self._held_bytes -= self._held.pop(run.id, 0)

    async def given(self, run: Run) -> dict[str, Any]:
        """The input of a run that is only in the journal.

        Raises:
            JournalFailed: It cannot be read, or its caller did not want it to be kept.
        """
        content = await self._journal.given(run.id)
        given: dict[str, Any] = await asyncio.to_thread(json.loads, content) if content.strip() else {}
        return given

    def get(self, request_id: str) -> Run | None:
        """The run of an id, None where memory holds none."""
        run = self._runs.get(request_id)
        return None if run is None or run.expires <= time.time() else run

    async def find(self, request_id: str) -> Run | None:
        """The run of an id, None where there is none (any more).

        Raises:
            JournalFailed: The journal cannot be read.
        """
        run = self.get(request_id)
        if run is None and request_id not in self._runs and REQUEST_ID.fullmatch(request_id):
            entry = await self._journal.ended(request_id)
            if entry is not None:
                run = recalled(entry, Run)
                self._remember(run)
        return run

    async def named(self, name: str, user: str) -> list[tuple[str, str, float]]:
        """The requests of the queue that a user can see and calls so: id, endpoint and when each came.

        Raises:
            JournalFailed: The journal cannot be read.
        """
        found = await self._journal.named(name)
        return [(id_, endpoint, sent) for id_, endpoint, sent, owner in found if user in ("", owner)]

    async def started(self, run: Run) -> bool:
        """Write down that a run is being computed; tells whether it may be.

        Where other servers could have taken it over this waits for the proof that none has. It does not fail: while a
        shared database is away nothing begins.
        """
        if run.seq and not self._closing:
            written = self._save(run)
            if self._journal.is_shared:
                with contextlib.suppress(JournalFailed):
                    await written
        if not run.left:
            self._telemetry.started(run)
        return not run.left

    def finish(self, run: Run, outcome: Outcome) -> None:
        """End a run; only the first end counts.

        One of the queue is over for its caller when its end is written down. Otherwise it might be computed again
        after the caller has seen its result.
        """
        if run.over or run.id in self._ending:
            return
        self.release(run)
        if run.left:
            return
        size = len(outcome.body)
        limits = self._settings
        kept = limits.kept_seconds if size < _LARGE else limits.kept_large_seconds
        if not run.seq:
            run.expires = time.time() + kept
            self._end(run, outcome)
        elif not self._closing:  # what is broken off by the end of this server is left to the next one
            self._ending.add(run.id)
            run.stop_clock()
            run.expires = time.time() + kept
            written = self._journal.write(entry_of(run, outcome))
            written.add_done_callback(partial(self._over, run, outcome))

    async def cancelled(self, run: Run) -> None:
        """Write down that a run at work shall be cancelled, so that no later server begins it again."""
        run.cancelled = True
        if run.seq and not run.over and run.id not in self._ending and not self._closing:
            with contextlib.suppress(JournalFailed, TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._journal.write(entry_of(run))

    def told(self, run: Run) -> None:
        """Note that a run's webhook was taken, or will not be sent again."""
        run.webhook = None
        if run.outcome is not None and not self._closing:
            self._save(run)

    def let_go(self, run: Run) -> None:
        """Know nothing of a run any more, because another server has taken it over."""
        self._ending.discard(run.id)
        self._unwritten.pop(run.id, None)
        if self._runs.get(run.id) is run:
            del self._runs[run.id]
        self._count(run, -1)
        run.leave()

    def unfinished(self) -> list[Run]:
        """The runs that are not over."""
        return [run for run in self._runs.values() if not run.over]

    async def problem(self) -> str:
        """Why requests cannot be written down now, an empty string where they can.

        Raises:
            JournalFailed: The journal does not answer.
        """
        await self._journal.last()
        if (
            self._telemetry.trouble
        ):  # no requests are sent to who is not ready, so none would show that it is mended
            await self._try()
        return self._telemetry.trouble

    async def _try(self) -> None:
        """Write down a request that never was, as large as many are, and forget it."""
        self._seq += 1
        run = Run(endpoint="", app="", given=None)
        run.seq, run.expires = self._seq, 0.0
        try:
            await self._journal.add(entry_of(run, Outcome(HTTPStatus.OK, bytes(_LARGE))), None)
        except JournalFailed as error:
            self._telemetry.journal_failed(error)
        else:
            self._telemetry.journal_mended()
            await self.sweep()

    async def sweep(self) -> None:
        """Forget what is too old or too much, and write down what could not be written before."""
        self._rewrite()
        self._since_forgetting = 0
        limits = self._settings
        while self._finished and self._finished[0].expires <= time.time():
            self._drop_oldest()
        try:
            await self._journal.forget(runs=limits.kept_runs, size=limits.kept_bytes)
        except JournalFailed as error:
            self._telemetry.journal_failed(error)

    def leave(self) -> None:
        """Leave the unfinished runs of the queue to the next server; those who follow them are let go."""
        if self._closing:
            return
        self._closing = True
        for run in self.unfinished():
            if run.seq and run.id not in self._ending:
                if run.state == IN_PROGRESS:
                    run.starts -= 1  # it did not bring the server down, so this time does not count
                    self._save(run)
                run.leave()
                self._telemetry.left(run)

    async def close(self) -> None:
        """Write what is not written yet, and let the journal go."""
        self.leave()
        await self._journal.close()

    def _save(self, run: Run) -> asyncio.Future[Any]:
        written = self._journal.write(entry_of(run, run.outcome))
        written.add_done_callback(self._saved)
        return written

    def _saved(self, written: asyncio.Future[Any]) -> None:
        if not written.cancelled() and (error := written.exception()) and not isinstance(error, TakenOver):
            self._telemetry.journal_failed(error)

    def _over(self, run: Run, outcome: Outcome, written: asyncio.Future[Any]) -> None:
        error = None if written.cancelled() else written.exception()
        self._ending.discard(run.id)
        if isinstance(error, TakenOver):
            return
        self._end(run, outcome)
        if error:
            self._unwritten[run.id] = run
            self._telemetry.journal_failed(error)
            return
        self._since_forgetting += 1
        if self._since_forgetting > self._settings.kept_runs // 100:
            self._since_forgetting = 0
            self._journal.forget(runs=self._settings.kept_runs, size=self._settings.kept_bytes)

    def _end(self, run: Run, outcome: Outcome) -> None:
        run.finish(outcome)
        self._count(run, -1)
        self._telemetry.ended(run)
        self._remember(run)

    def _count(self, run: Run, change: int) -> None:
        if not run.depth:
            self._of_user[run.user] += change
            if not self._of_user[run.user]:
                del self._of_user[run.user]

    def _rewrite(self) -> None:
        """Use that the journal can be written: tell it the ends that it could not take before."""
        if self._unwritten and not self._closing:
            unwritten, self._unwritten = self._unwritten, {}
            for run in unwritten.values():
                written = self._journal.write(entry_of(run, run.outcome))
                written.add_done_callback(partial(self._rewritten, run))

    def _rewritten(self, run: Run, written: asyncio.Future[Any]) -> None:
        if not written.cancelled() and written.exception():
            self._unwritten[run.id] = run
        elif not self._unwritten:
            self._telemetry.journal_mended()

    def _remember(self, run: Run) -> None:
        self._runs[run.id] = run
        self._finished.append(run)
        self._bytes += len(run.outcome.body) if run.outcome else 0
        most = min(_REMEMBERED, self._settings.kept_runs)
        most_bytes = min(_REMEMBERED_BYTES, self._settings.kept_bytes)
        while self._finished and (len(self._finished) > most or self._bytes > most_bytes):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        run = self._finished.popleft()
        self._bytes -= len(run.outcome.body) if run.outcome else 0
        if self._runs.get(run.id) is run:
            del self._runs[run.id]
