"""Runs the cells of an experiment, several at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from nbkit.errors import NbkitError
from nbkit.experiments.outcome import Outcome, was_too_many
from nbkit.model.event import Queued
from nbkit.transport.loop import TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbkit.client.run import Run
    from nbkit.experiments.gate import Gate
    from nbkit.experiments.plan import Cell
    from nbkit.model.event import Event

CANCEL_GRACE = 5.0
_BREATH = 2.0  # seconds before a service that had too many is asked again, doubled each time
_LONGEST_BREATH = 60.0
_MOST_REFUSALS = 10  # one after the other, with nothing under way: about five minutes


class Running:
    """One pass over cells.

    Args:
        start: Begins the run of a cell.
        gate: How many at once.
        told: Called with each cell that ended, and what came of it.
        may_start: Asked before each cell; where it says no, what is under way may change that, else the rest is left
            waiting.
    """

    def __init__(
        self,
        start: Callable[[Cell], Run],
        gate: Gate,
        told: Callable[[Cell, Outcome], None],
        may_start: Callable[[Cell], bool] = lambda _cell: True,
    ) -> None:
        self._start = start
        self._gate = gate
        self._told = told
        self._may_start = may_start
        self._changed = threading.Event()
        self._active: dict[Run, Cell] = {}
        self._not_before = 0.0
        self._breath = _BREATH
        self._refusals = 0

    @property
    def active(self) -> tuple[Cell, ...]:
        """The cells that are under way."""
        return tuple(self._active.values())

    def go(self, cells: Iterable[Cell], tick: Callable[[], None] = lambda: None) -> None:
        """Run the cells. An interrupt cancels what is under way, and keeps what came.

        Args:
            cells: In the order in which they are begun.
            tick: Called in this thread about five times a second, and whenever a cell ends.

        Raises:
            KeyboardInterrupt: Somebody interrupted it.
        """
        waiting = deque(cells)
        try:
            while waiting or self._active:
                self._fill(waiting)
                self._changed.wait(TICK)
                self._changed.clear()
                self._collect(waiting)
                tick()
        except BaseException:
            self._stop()
            tick()
            raise

    def _fill(self, waiting: deque[Cell]) -> None:
        while waiting and self._gate.has_room(len(self._active)) and time.monotonic() >= self._not_before:
            if not self._may_start(waiting[0]):
                if not self._active:
                    waiting.clear()
                return
            cell = waiting.popleft()
            try:
                run = self._start(cell)
            except NbkitError as error:
                self._told(cell, Outcome.refused(error))
                continue
            self._active[run] = cell
            run.listen(self._notice)

    def _notice(self, event: Event | None) -> None:
        if event is None or isinstance(event, Queued):
            self._changed.set()

    def _collect(self, waiting: deque[Cell]) -> None:
        """Take what ended; cells that the service had no room for wait again."""
        self._gate.look(self._last_events())
        ended = [run for run in self._active if run.is_done]
        refused = {run: self._active.pop(run) for run in ended if was_too_many(run)}
        for run in ended:
            if run not in refused:
                cell, outcome = self._active.pop(run), Outcome.of(run)
                if outcome.state == "succeeded":
                    self._breath, self._refusals = _BREATH, 0
                    self._gate.succeeded(self._last_events())
                self._told(cell, outcome)
        if refused and self._bears_it():
            waiting.extendleft(reversed(refused.values()))
        elif refused:
            waiting.clear()
            for run, cell in refused.items():
                self._told(cell, Outcome.of(run))

    def _bears_it(self) -> bool:
        """Wait a while before the service is asked again; False where it has refused everything for too long."""
        self._gate.refused()
        self._refusals += not self._active
        self._not_before = time.monotonic() + self._breath
        self._breath = min(_LONGEST_BREATH, 2 * self._breath)
        return self._refusals < _MOST_REFUSALS

    def _last_events(self) -> list[object]:
        return [run.events[-1] if run.events else None for run in self._active]

    def _stop(self) -> None:
        for run in self._active:
            run.cancel()
        until = time.monotonic() + CANCEL_GRACE
        while self._active and time.monotonic() < until:
            self._changed.wait(TICK)
            self._changed.clear()
            for run in [run for run in self._active if run.is_done]:
                cell = self._active.pop(run)
                if not was_too_many(run):
                    self._told(cell, Outcome.of(run))
