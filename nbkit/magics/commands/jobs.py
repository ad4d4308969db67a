"""The runs that cells began in the background: which are under way, waiting for them, stopping them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nbkit.display.state import duration, mark
from nbkit.errors import InputError
from nbkit.magics.command import Command, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbkit.magics.command import Call
    from nbkit.magics.notebook import Job

_NOTHING = "no run in the background is under way"
_COLUMNS = ("", "run", "endpoint", "state", "seconds", "cell", "name")


def jobs(call: Call) -> Told:
    """The runs in the background that are under way."""
    return _table(call.notebook.under_way, "under way")


def wait(call: Call) -> Told:
    """Wait for runs in the background, all of them where none is named; ■ cancels them."""
    named = call.notebook.find(call.words)
    waiting = named if call.words else [job for job in call.notebook.jobs if not job.is_told]
    try:
        for job in waiting:
            with contextlib.suppress(Exception):  # how it ended is told below
                job.run.result()
            job.card.join()
            job.is_told = True
    except KeyboardInterrupt:
        for job in waiting:
            job.run.cancel()
        raise
    errors = [job.run.error for job in waiting if job.run.error]
    return _table(waiting, "over", "no run in the background to wait for", errors[0] if errors else None)


def cancel(call: Call) -> Told:
    """Cancel runs at the service, by id or name; `all` for those under way."""
    if not call.words:
        raise InputError(
            "say which run to cancel", hint="an id of `%nbkit jobs`, a variable's name, or `all`"
        )
    meant = call.notebook.find(call.words)
    stopped = [job for job in meant if not job.run.is_done]
    for job in stopped:
        job.run.cancel()
    return _table(stopped, "asked to stop", "nothing to cancel: it is over already" if meant else _NOTHING)


def _ids(call: Call) -> Iterable[str]:
    named = (name for job in call.notebook.under_way for name in (job.run.id, job.name) if name)
    return ("all", *named)


def _table(
    jobs: Sequence[Job], what: str, nothing: str = _NOTHING, error: BaseException | None = None
) -> Told:
    if not jobs:
        return Told(nothing, ())
    rows = [
        (
            mark(job.run.status),
            job.run.id or "no id yet",
            job.run.endpoint,
            job.run.status,
            duration(job.run.seconds),
            f"[{job.cell}]",
            job.name,
        )
        for job in jobs
    ]
    return Told(f"{len(rows)} run{'s' if len(rows) != 1 else ''} {what}", rows, _COLUMNS, error)


COMMANDS = (
    Command("jobs", jobs),
    Command("wait", wait, "[ID…]", _ids),
    Command("cancel", cancel, "ID…|all", _ids),
)
