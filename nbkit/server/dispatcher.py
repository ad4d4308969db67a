"""Who computes what, and when: the queue, the workers, cancels and time limits."""

from __future__ import annotations

import asyncio
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from nbkit.server.journal import JournalFailed
from nbkit.server.run_store import QueueFull
from nbkit.server.runs import Outcome, Run
from nbkit.wire.fal.answers import IN_QUEUE

if TYPE_CHECKING:
    from nbkit.server.catalogue import Entry
    from nbkit.server.frames import Message
    from nbkit.server.run_store import RunStore
    from nbkit.server.settings import Settings
    from nbkit.server.telemetry import Telemetry
    from nbkit.server.workplace import Seat, Workplace

DIRECT, NORMAL, LOW = 0, 1, 2
_FEW = 100
_NUMBERING_SECONDS = 0.05


class Dispatcher:
    """Takes runs in and sees each to its end.

    Args:
        settings: How the server runs.
        store: Its runs.
        workplace: Where they are computed.
        telemetry: Is told what happens.
    """

    def __init__(
        self, settings: Settings, store: RunStore, workplace: Workplace, telemetry: Telemetry
    ) -> None:
        self._settings = settings
        self._store = store
        self._workplace = workplace
        self._telemetry = telemetry
        self._waiting: tuple[list[_Ticket], ...] = ([], [], [])
        self._computing: dict[str, _Computation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._holds = False
        self._numbering: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Get ready to compute."""
        await self._workplace.open(self._next)

    def admit(self) -> None:
        """Make sure that there is a place for one more.

        Raises:
            QueueFull: Too many wait already.
        """
        if self.queue_length() >= self._settings.max_queued:
            raise QueueFull(f"{self._settings.max_queued} requests wait already")

    def submit(self, run: Run, entry: Entry, *, start_timeout: float | None = None) -> None:
        """Queue a run that the store keeps.

        Its input is checked now, and a bad one ends it at once, so that it need not wait for a worker.

        Args:
            run: The run.
            entry: What computes it.
            start_timeout: Seconds within which it has to start.
        """
        if self._closed:
            self.finish(run, _stopped())
            return
        if run.input is not None:
            given, detail = entry.judged(run.input)
            if detail:
                self.finish(run, Outcome.refused(detail))
                return
            run.input = None if run.away else given
        ticket = _Ticket(run, entry)
        if lack := self._workplace.lack(entry.resources):
            run.log(f"{lack}; this waits until one comes", "WARN")
        self._waiting[run.priority].append(ticket)
        run.position = sum(map(len, self._waiting[: run.priority + 1])) - 1
        if any(self._waiting[run.priority + 1 :]):
            self._renumber()
        if start_timeout is not None:
            loop = asyncio.get_running_loop()
            ticket.timer = loop.call_later(start_timeout, self._expire, run, start_timeout)
        self._next()

    def queue_length(self, app: str = "") -> int:
        """How many requests wait, for one app or altogether."""
        if not app:
            return sum(map(len, self._waiting))
        return sum(ticket.run.app == app for queue in self._waiting for ticket in queue)

    @property
    def running(self) -> int:
        """How many requests are computed."""
        return len(self._computing)

    @property
    def room(self) -> int:
        """How many requests can be computed at once."""
        return self._workplace.room({})

    def oldest(self) -> float | None:
        """When the oldest request that waits came, in seconds since 1970; None where none waits."""
        return min((queue[0].run.submitted for queue in self._waiting if queue), default=None)

    def cancel(self, run: Run) -> bool:
        """Cancel a run that is not over; tells whether it was still waiting."""
        if run.state == IN_QUEUE and self._withdraw(run):
            self.finish(run, Outcome.cancelled())
            return True
        if (computation := self._computing.get(run.id)) and not computation.cancelled:
            computation.cancelled = True
            self._spawn(self._stop(computation))
        return False

    def finish(self, run: Run, outcome: Outcome) -> None:
        """End a run."""
        self._store.finish(run, outcome)

    def hold(self) -> None:
        """Begin nothing more of the queue; only what somebody waits for on an open connection, and steps."""
        self._holds = True

    async def problem(self) -> str:
        """Why nothing can be computed, an empty string where it can."""
        return "" if self.room or self.running else "there is no worker"

    async def close(self) -> None:
        """End every run and every worker."""
        self._closed = True
        for run in self._store.unfinished():
            self._withdraw(run)
            self.finish(run, _stopped())
        await asyncio.gather(*(computation.seat.end() for computation in self._computing.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._workplace.close()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    def _next(self) -> None:
        """Give waiting runs the seats that are free."""
        started = False
        while not self._closed and (ticket := self._pop()):
            computation = _Computation(ticket, self._workplace.take(ticket.entry.resources))
            self._computing[ticket.run.id] = computation
            ticket.run.start()
            self._store.release(ticket.run)
            self._spawn(self._compute(computation))
            started = True
        if started:
            self._renumber()

    def _renumber(self) -> None:
        """Tell those who wait how many are ahead of them now; where they are many, several changes at once."""
        if self._numbering is not None:
            return
        if self.queue_length() <= _FEW:
            self._number()
        else:
            self._numbering = asyncio.get_running_loop().call_later(_NUMBERING_SECONDS, self._number)

    def _number(self) -> None:
        self._numbering = None
        for position, ticket in enumerate(ticket for queue in self._waiting for ticket in queue):
            ticket.run.move(position)

    def _pop(self) -> _Ticket | None:
        """Take the first out of the queue for which there is room."""
        if len(self._computing) >= self._workplace.room({}):
            return None
        fits = cache(self._fits)
        for queue in self._waiting[: DIRECT + 1] if self._holds else self._waiting:
            for place, ticket in enumerate(queue):
                if fits(frozenset(ticket.entry.resources.items())):
                    if ticket.timer:
                        ticket.timer.cancel()
                    return queue.pop(place)
        return None

    def _fits(self, resources: frozenset[tuple[str, float]]) -> bool:
        """Whether one more that needs these can be computed: what waits for a rare one holds up no other."""
        needs = dict(resources)
        if not needs:
            return True
        alike = sum(computation.ticket.entry.resources == needs for computation in self._computing.values())
        return alike < self._workplace.room(needs)

    async def _compute(self, computation: _Computation) -> None:
        run, seat = computation.ticket.run, computation.seat
        if run.stand_in:
            run.log(f"stand-in: {run.stand_in} on this machine answers for {run.endpoint}")
        outcome = Outcome.failed(500, "The server broke off the computation", "internal_error")
        try:
            if not await self._store.started(run) or computation.cancelled:
                return
            if run.input is None:
                run.input, _ = computation.ticket.entry.judged(await self._store.given(run))
            outcome = await seat.compute(
                computation.ticket.order(self._settings),
                partial(_note, run),
                time_limit=computation.ticket.entry.time_limit or self._settings.time_limit,
            )
        except JournalFailed as error:
            outcome = Outcome.failed(500, str(error), "internal_error")
        finally:
            computation.done.set()
            del self._computing[run.id]
            # A model that finished in spite of its cancel has a result, and fal gives it too.
            stopped = computation.cancelled and not outcome.ok
            self._telemetry.computed(run, outcome, cancelled=computation.cancelled)
            self.finish(run, Outcome.cancelled() if stopped else outcome)
            self._workplace.give_back(seat)
            self._next()

    async def _stop(self, computation: _Computation) -> None:
        """Ask the model to stop, and end its process where it does not."""
        await computation.seat.cancel()
        try:
            async with asyncio.timeout(self._settings.cancel_grace):
                await computation.done.wait()
        except TimeoutError:
            await computation.seat.end()

    def _expire(self, run: Run, seconds: float) -> None:
        if self._withdraw(run):
            self.finish(run, Outcome.start_timeout(seconds))

    def _withdraw(self, run: Run) -> bool:
        """Take a run out of the queue; tells whether it was in it."""
        queue = self._waiting[run.priority]
        ticket = next((ticket for ticket in queue if ticket.run is run), None)
        if ticket is None:
            return False
        queue.remove(ticket)
        if ticket.timer:
            ticket.timer.cancel()
        self._renumber()
        return True


class _Ticket:
    """A place in the queue."""

    def __init__(self, run: Run, entry: Entry) -> None:
        self.run = run
        self.entry = entry
        self.timer: asyncio.TimerHandle | None = None

    def order(self, settings: Settings) -> Message:
        """What the worker is told, with what the server allows it."""
        return {
            "endpoint": self.run.endpoint,
            "model": self.entry.model,
            "input": self.run.input,
            "keep": [] if self.entry.checks_itself else list(self.entry.output.get("properties", ())),
            "previews": self.run.feed is not None,
            "file_seconds": self.run.file_seconds,
            "memory_limit": self.entry.memory_limit or settings.memory_limit,
            "models_dirs": list(map(str, settings.models_dirs)),
        }


class _Computation:
    """A run that is being computed."""

    def __init__(self, ticket: _Ticket, seat: Seat) -> None:
        self.ticket = ticket
        self.seat = seat
        self.cancelled = False
        self.done = asyncio.Event()


def _stopped() -> Outcome:
    return Outcome.failed(503, "The server was stopped", "runner_disconnected")


def _note(run: Run, message: Message) -> None:
    """Take what a model says while it computes."""
    if "log" in message:
        run.log(message["log"], message["level"])
    else:
        run.emit({"partial": True, **message})
