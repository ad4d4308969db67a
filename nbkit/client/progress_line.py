"""A line in the terminal that tells how far a run is, while somebody waits for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING

from nbkit.config import shows_progress
from nbkit.display.card import Card, text
from nbkit.display.escape import clean
from nbkit.display.table import columns_of
from nbkit.model.event import Log, Queued, StepStarted
from nbkit.transport.loop import TICK

if TYPE_CHECKING:
    from nbkit.client.run import Run

_ERASE = "\r\x1b[K"
_in_use = threading.Lock()


def wait_with_line(run: Run, timeout: float | None) -> None:
    """Wait for a run to end, or for a time to pass, and keep a line on a terminal's stderr meanwhile.

    The waiting thread draws it. Where several wait, the first one does; pipes, notebooks and `NBKIT_PROGRESS=off`
    get none.
    """
    if run.is_done or not _has_terminal() or not _in_use.acquire(blocking=False):
        run._wait(timeout)  # noqa: SLF001 - the client's files share their runs
        return
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        while not run.is_done:
            _write(_ERASE + line(run, shutil.get_terminal_size().columns - 1))
            left = TICK if deadline is None else min(TICK, deadline - time.monotonic())
            if left <= 0:
                break
            run._wait(left)  # noqa: SLF001
    except KeyboardInterrupt:  # it may come while the line is written
        run.cancel()
        raise
    finally:
        _write(_ERASE)
        _in_use.release()


def line(run: Run, width: int) -> str:
    """State, place in the queue, seconds, and the newest step or log line, in so many columns."""
    events = run.events
    position = next((event.position for event in reversed(events) if isinstance(event, Queued)), None)
    newest = next((event for event in reversed(events) if isinstance(event, (Log, StepStarted))), None)
    said = newest.message if isinstance(newest, Log) else newest.title or newest.node if newest else ""
    card = Card(run.endpoint, run.status, seconds=run.seconds, position=position, stand_in=run.stand_in)
    whole = "  ".join(filter(None, (text(card, "none"), " ".join(clean(said).split()))))[: max(0, width)]
    while columns_of(whole) > width:
        whole = whole[:-1]
    return whole


def _has_terminal() -> bool:
    """Whether stderr is a terminal that can take a line back."""
    with contextlib.suppress(ValueError):  # it is closed
        return (
            shows_progress() and bool(sys.stderr and sys.stderr.isatty()) and os.environ.get("TERM") != "dumb"
        )
    return False


def _write(words: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # a terminal that went away must not cost a result
        sys.stderr.write(words)
        sys.stderr.flush()
