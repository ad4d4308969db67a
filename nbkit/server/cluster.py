"""This server among those that share its database: what it tells them of its requests, and learns of theirs.

A request that belongs to another server is shown by a mirror. Its server is asked to be watched: from then on it
shows place and log entries in the database at every change, some changes at once, and says so. Who hears it reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import psycopg

from nbkit.server import logs
from nbkit.server.database import connect_listener
from nbkit.server.journal import JournalFailed
from nbkit.server.resuming import resume
from nbkit.server.run_rows import newest, recalled
from nbkit.server.run_store import REQUEST_ID
from nbkit.server.runs import Run
from nbkit.wire.fal.answers import IN_PROGRESS, IN_QUEUE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from nbkit.server.journal_postgres import PostgresJournal
    from nbkit.server.postgres_rows import Elsewhere
    from nbkit.server.service import Service

_BEAT_SECONDS = 2.0  # how soon it is seen that a server was killed
_AWAY_SECONDS = 0.5  # the same while the database is away, since every beat tries to reach it
_BEATS_UNTIL_READ = 5
_RELISTEN_SECONDS = 1.0
_SHOW_SECONDS = 0.1
_READ_SECONDS = 0.01
_PROMPTLY = (
    0.5  # in which a server tells how things stand, or its requests are told of as they are written down
)
_CANCEL_SECONDS = 2.0


class Mirror(Run):
    """A request of another server, as this one knows it.

    Attributes:
        owner: The number of its server.
        shown: Whether its server shows it, since somebody wants to know.
    """

    elsewhere = True

    owner = 0
    shown = False

    def show(self, found: Elsewhere) -> None:
        """Note how things stand with it."""
        known = recalled(found.entry, Run)
        self.owner, self.shown = found.owner, found.position is not None
        self.logs = _joined(self.logs, known.logs if known.over else json.loads(found.logs or "[]"))
        if known.outcome is not None:
            self.seconds, self.expires = known.seconds, known.expires
            self.finish(known.outcome)
        else:
            self.state = IN_PROGRESS if found.begun else IN_QUEUE
            self.position = found.position or 0
            self._tell()


class Cluster:
    """All that a server has to do with the others.

    Args:
        service: The server.
        journal: The database that they share.
        url: Its address.
    """

    def __init__(self, service: Service, journal: PostgresJournal, url: str) -> None:
        self._service = service
        self._journal = journal
        self._url = url
        self._mirrors: WeakValueDictionary[str, Mirror] = WeakValueDictionary()
        self._watched: dict[str, Run] = {}
        self._changed = _Batches(self._read_again, _READ_SECONDS)
        self._to_show = _Batches(self._show, _SHOW_SECONDS)
        self._somebody_went = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        journal.on_lost = self._let_go

    @property
    def away(self) -> str:
        """Why the database cannot be reached, an empty string while it can."""
        return self._journal.away

    def open(self) -> None:
        """Begin to listen to the others, and to look after what they leave."""
        for work in (self._listen(), self._beat(), self._changed.pass_on(), self._to_show.pass_on()):
            self._spawn(work)

    async def close(self) -> None:
        """End that."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def find(self, request_id: str) -> Run | None:
        """A request of any server, as it is now; None where there is none (any more).

        Raises:
            JournalFailed: The database cannot be read.
        """
        found = await self._journal.elsewhere([request_id]) if REQUEST_ID.fullmatch(request_id) else []
        if not found:
            return None
        mirror = self._mirrors.get(request_id) or recalled(found[0].entry, Mirror)
        self._mirrors[request_id] = mirror
        mirror.show(found[0])
        if mirror.over or mirror.shown:
            return None if mirror.expires <= time.time() else mirror
        seen = mirror.version
        await self._journal.ask("watch", [request_id])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROMPTLY):
                await mirror.change(seen)
        return mirror

    async def cancel(self, run: Run) -> bool:
        """Have a request of another server cancelled; tells whether it was still waiting.

        Raises:
            JournalFailed: The wish cannot be written down.
        """
        await self._journal.ask("cancel", [run.id])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_SECONDS):
                while run.state == IN_QUEUE:
                    await run.change(run.version)
        return run.over and run.seconds is None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self) -> None:
        """Take over what others have left, and so let PostgreSQL know that this server is there."""
        beats = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AWAY_SECONDS if self.away else _BEAT_SECONDS):
                    await self._somebody_went.wait()
            self._somebody_went.clear()
            with contextlib.suppress(JournalFailed):
                await resume(self._service, "its server has gone, and another took it over")
            beats += 1
            if beats % _BEATS_UNTIL_READ == 0:  # in case that something was said and not heard
                self._changed.add(self._mirrors)

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(psycopg.Error, OSError, JournalFailed):
                async with await connect_listener(self._url) as connection:
                    self._changed.add(self._mirrors)
                    self._cancel(await self._journal.cancels_asked())
                    async for notification in connection.notifies():
                        self._hear(notification.payload)
            await asyncio.sleep(_RELISTEN_SECONDS)

    def _hear(self, payload: str) -> None:
        for word, ids in json.loads(payload).items():
            if word == "changed":
                self._changed.add(id_ for id_ in ids if id_ in self._mirrors)
            elif word == "watch":
                self._watch(ids)
            elif word == "cancel":
                self._cancel(ids)
            elif word == "gone":
                self._somebody_went.set()

    def _watch(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            run = self._service.store.get(id_)
            if run is None:
                continue
            if id_ not in self._watched and not run.over:
                self._watched[id_] = run
                self._journal.watched.add(id_)
                self._spawn(self._follow(run))
            self._to_show.add([id_])

    async def _follow(self, run: Run) -> None:
        """Have every change of a run shown, until it is over: its end is told by being written down."""
        try:
            while not run.over and not run.left:
                seen = run.version
                self._to_show.add([run.id])
                await run.change(seen)
        finally:
            self._journal.watched.discard(run.id)
            del self._watched[run.id]

    def _cancel(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            run = self._service.store.get(id_)
            if run is not None and not run.over:
                self._spawn(self._see_cancelled(run))

    async def _see_cancelled(self, run: Run) -> None:
        await self._service.cancel_as_asked(run)

    async def _show(self, ids: set[str]) -> None:
        runs = [run for id_ in ids if (run := self._service.store.get(id_)) is not None]
        states = [(run.id, run.position, json.dumps(newest(run.logs))) for run in runs]
        if states:
            await self._journal.show(states)

    async def _read_again(self, ids: set[str]) -> None:
        """Bring mirrors up to date, and have those watched whose server does not show them, maybe a new one."""
        mirrors = {id_: mirror for id_ in ids if (mirror := self._mirrors.get(id_)) is not None}
        if not mirrors:
            return
        found = {each.entry.id: each for each in await self._journal.elsewhere(mirrors)}
        for id_, mirror in mirrors.items():
            if id_ in found:
                mirror.show(found[id_])
            else:  # forgotten
                mirror.leave()
        hidden = [
            mirror.id for mirror in mirrors.values() if not (mirror.over or mirror.left or mirror.shown)
        ]
        if hidden:
            await self._journal.ask("watch", hidden)

    def _let_go(self, ids: set[str]) -> None:
        """Stop what others have taken over."""
        for id_ in ids:
            if (run := self._service.store.get(id_)) is not None:
                self._service.let_go(run)
        words = f"other servers have taken over {len(ids)} requests of this one"
        logs.warn(
            "taken_over", f"{words}, which said nothing to the database for too long", requests=len(ids)
        )


class _Batches:
    """Collects ids, and passes on all that have come meanwhile, so that a slow database is asked less often."""

    def __init__(self, take: Callable[[set[str]], Awaitable[None]], pause: float) -> None:
        self._take = take
        self._pause = pause
        self._ids: set[str] = set()
        self._any = asyncio.Event()

    def add(self, ids: Iterable[str]) -> None:
        before = len(self._ids)
        self._ids.update(ids)
        if len(self._ids) > before:
            self._any.set()

    async def pass_on(self) -> None:
        while True:
            await self._any.wait()
            self._any.clear()
            ids, self._ids = self._ids, set()
            began = time.monotonic()
            with contextlib.suppress(JournalFailed):
                await self._take(ids)
            await asyncio.sleep(max(self._pause, 4 * (time.monotonic() - began)))


def _joined(known: list[dict[str, Any]], told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Log entries that are known, and those of the newest that came after them."""
    if not known or known[-1] not in told:
        return known or told
    return known + told[told.index(known[-1]) + 1 :]
