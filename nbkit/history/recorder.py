"""What tells the history of one run. It is used on the network thread, and nothing in it hinders the run."""

from __future__ import annotations

import asyncio
import os
import platform
import time
import uuid
from collections import Counter
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from nbkit import __version__
from nbkit.display.cell import Cell, current_cell
from nbkit.history.database import history_path
from nbkit.history.process import this_process
from nbkit.history.rows import event_identity
from nbkit.history.sharing import go_on, troubles
from nbkit.history.writer import Change, Entry, writer
from nbkit.model.event import Log, Output, Queued, Started, StepFinished, Text, Unrecognised

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbkit.history.record import RunRecord
    from nbkit.model.endpoint import Endpoint
    from nbkit.model.event import Event
    from nbkit.model.media import Media
    from nbkit.model.result import Result

PATIENCE = 1.0
"""Seconds that a run waits for the disk at the most."""
_TOGETHER = 0.5  # seconds in which events are gathered before they are written
_MOST_EVENTS = 2000
_LARGEST_SEED = 10**40
_MANY = (Log, Output, Text)  # the kinds of events of which there may be any number

current_sweep: ContextVar[str | None] = ContextVar("current_sweep", default=None)
"""The sweep that the runs begun now belong to."""


def is_on() -> bool:
    """Whether runs are recorded: they are, unless `NBKIT_HISTORY` is `off`."""
    return os.environ.get("NBKIT_HISTORY", "").strip().lower() not in ("off", "0", "false", "no")


class Recorder:
    """Writes one run down as it goes.

    Make it where the call is made: the cell and the sweep are known there.

    Args:
        endpoint: What is called.
        resumes: The run that is gone on with, in its own row. This process has claimed it.
    """

    def __init__(self, endpoint: Endpoint, resumes: RunRecord | None = None) -> None:
        self._endpoint = endpoint
        self._resumes = resumes
        self._is_on = is_on() or resumes is not None
        self._cell = current_cell() if self._is_on else Cell()
        self._sweep = current_sweep.get()
        self._began = time.monotonic()
        self._given: dict[str, Any] = {}
        self._entry: Entry | None = None
        self._events: list[Event] = []
        self._counted = 0
        self._left_out = 0
        self._hindrance: list[str] = []
        self._values: dict[str, Any] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._told: Counter[str] = Counter()
        self._was_seen = False
        if resumes is not None:
            self._given = resumes.input
            self._entry = Entry(resumes.path, values=resumes.columns(), is_new=False)
            self._told.update(map(event_identity, resumes.events))

    @property
    def id(self) -> str:
        """What the history calls the run; an empty string where it is not recorded."""
        return str(self._entry.values["id"]) if self._entry else ""

    async def begin(
        self,
        given: Mapping[str, Any],
        way: str,
        origin: str,
        files: Sequence[Media] = (),
        asked: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Write down what is about to be sent, and wait until that is safe, for a second at the most.

        Args:
            given: The input as it is sent.
            way: How it is called: `queue`, `direct`, `stream`, `realtime`.
            origin: Where the service is.
            files: The files in the input, each with its place.
            asked: The input as it was asked for, where it is sent in another shape: what equal requests share.

        Returns:
            What the user must be told, once.
        """
        known = {media.place: media.sha256 for media in files if media.sha256}
        if not self._open(given, way, origin, known):
            return self._hindrance
        if asked is not None and self._entry:
            self._entry.values["asked"] = dict(asked)
        return await self._write(files=[("input", media) for media in files])

    def attach(self, request_id: str, origin: str) -> None:
        """Write down that a run is followed which was begun before; its own row is used where there is one."""
        if self._open({}, "attach", origin, {}, adopts=request_id) and self._entry:
            self._values = {name: self._entry.values[name] for name in ("pid", "process")}
            self.accepted(request_id)

    def accepted(self, request_id: str, **values: str) -> None:
        """Write down, at once, what the service calls it and where it can be asked after.

        Args:
            request_id: The service's id.
            **values: `task_id`, `status_url`, `response_url`, `cancel_url`, `stand_in`.
        """
        self._values |= {"state": "accepted", "request_id": request_id} | values
        if self._entry and not self._entry.adopts and self._entry.values.get("accepted") is None:
            self._values["accepted"] = time.time()
        self._flush()

    def event(self, event: Event | None) -> None:
        """Keep what happened; it is written a moment later."""
        if event is None or not self._is_on:
            return
        self._was_seen = self._was_seen or isinstance(event, (Queued, Started))
        if isinstance(event, Started):
            self._values["state"] = "running"
        if self._told and self._told[identity := event_identity(event)]:
            self._told[identity] -= 1
            return
        self._counted += 1
        if self._counted > _MOST_EVENTS and isinstance(event, _MANY):
            self._left_out += 1
            return
        self._events.append(event)
        if self._timer is None and self._entry is not None:
            self._timer = asyncio.get_running_loop().call_later(_TOGETHER, self._flush)

    async def ended(
        self, state: str, result: Result | None = None, error: BaseException | None = None
    ) -> list[str]:
        """Write down how it ended, and wait until that is safe, for a second at the most.

        Returns:
            What the user must be told, once.
        """
        if self._entry is None:
            return []
        if self._left_out:
            self._events.append(Unrecognised(f"{self._left_out} more events, which are not kept"))
        self._values |= {"state": state} | self._times(state)
        if error is not None:
            self._values |= {"error": str(error), "error_type": _type_of(error)}
        if result is not None:
            if self._goes_on:
                self._values |= {"error": "", "error_type": ""}
            self._values |= {
                "request_id": result.request_id,
                "stand_in": result.stand_in,
                "result": result.data,
                "metrics": dict(result.metrics),
                "billable_units": result.billable_units,
                "cost": result.cost,
            }
            if self._resumes is None:
                self._values["seconds"] = result.seconds
            if _seed(self._given.get("seed")) is None and (used := _seed(result.seed)):
                self._values["seed"] = used
        media = result.media if result is not None else ()
        return await self._write(files=[("output", file) for file in media])

    @property
    def _goes_on(self) -> bool:
        """Whether its row may stand in the file from before, with an error in it."""
        return self._resumes is not None or bool(self._entry and self._entry.adopts)

    def _times(self, state: str) -> dict[str, float]:
        """When it ended and how long it took, as far as this process has seen it."""
        now = time.time()
        if self._resumes is None:
            return {"ended": now, "seconds": time.monotonic() - self._began}
        if state == "unknown":
            return {}
        return {"ended": now} | ({"seconds": max(0.0, now - self._resumes.created)} if self._was_seen else {})

    def _open(
        self, given: Mapping[str, Any], way: str, origin: str, known: dict[str, str], adopts: str = ""
    ) -> bool:
        if not self._is_on:
            return False
        try:
            path = history_path()
        except RuntimeError as error:  # a home that cannot be found
            self._hindrance = [f"this run is not in the history: {error}"]
            return False
        go_on(path.parent / "files")
        pid, process = this_process()
        self._given = dict(given)
        values = {
            "id": uuid.uuid4().hex,
            "endpoint": str(self._endpoint),
            "provider": self._endpoint.provider,
            "way": way,
            "origin": origin,
            "state": "sending",
            "seed": _seed(self._given.get("seed")),
            "sweep": self._sweep,
            "created": time.time(),
            "notebook": self._cell.notebook,
            "cell": self._cell.source,
            "nbkit": __version__,
            "python": platform.python_version(),
            "pid": pid,
            "process": process,
            "input": self._given,
        }
        self._entry = Entry(path, known, adopts, values)
        return True

    def _change(self, files: list[tuple[str, Media]]) -> Change | None:
        """What has come since the last one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._entry is None:
            return None
        events, self._events = self._events, []
        values, self._values = self._values, {}
        steps = [
            ("step", media)
            for event in events
            if isinstance(event, StepFinished) or (isinstance(event, Output) and not event.final)
            for media in event.media
        ]
        return Change(self._entry, values, events, files + steps)

    def _flush(self) -> None:
        if change := self._change([]):
            writer().put(change)

    async def _write(self, files: list[tuple[str, Media]]) -> list[str]:
        change = self._change(files)
        if change is None:
            return []
        thread = writer()
        if thread.is_behind:  # it was waited for once already
            thread.put(change)
            return thread.troubles() + troubles()
        safe = change.waiting = asyncio.get_running_loop().create_future()
        thread.put(change)
        _, late = await asyncio.wait({safe}, timeout=PATIENCE)
        if late:
            thread.is_behind = True
            thread.report_delay(change.entry.path, PATIENCE)
        return thread.troubles() + troubles()


def _seed(value: Any) -> str | None:
    """A seed as text: it may be larger than the numbers of the file."""
    is_seed = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_SEED
    return str(value) if is_seed else None


def _type_of(error: BaseException) -> str:
    told = getattr(error, "error_type", "")
    return f"{type(error).__name__}: {told}" if told else type(error).__name__
