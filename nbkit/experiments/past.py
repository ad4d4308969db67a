"""What the history knows of the requests of an experiment, so that none is made twice."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbkit.client.earlier import earlier_runs
from nbkit.client.resume import resume_run
from nbkit.history.database import history_path, open_for_reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.client.client import Client
    from nbkit.client.run import Run
    from nbkit.experiments.plan import Cell
    from nbkit.history.record import RunRecord
    from nbkit.model.media import Media
    from nbkit.model.result import Result

Position = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """What became of the requests of some cells, by their positions; those that are to be sent are in none of these.

    Attributes:
        done: They succeeded, and gave this.
        going_on: The service knows them, and gives their results when they are over.
        lost: They were sent, and nobody knows whether they run.
    """

    done: dict[Position, Result] = field(default_factory=dict)
    going_on: dict[Position, RunRecord] = field(default_factory=dict)
    lost: dict[Position, RunRecord] = field(default_factory=dict)

    def knows(self, cell: Cell) -> bool:
        """Whether nothing has to be sent for a cell."""
        return any(cell.position in known for known in (self.done, self.going_on, self.lost))


def look_back(
    client: Client, cells: Sequence[Cell], *, fetch_again: bool = False, resend_unknown: bool = False
) -> Past:
    """Look up what became of requests.

    Args:
        client: Who would send them.
        cells: What they belong to.
        fetch_again: Whether the service is asked once more for results whose files are not on this machine.
        resend_unknown: Whether what nobody knows of is to be sent again.

    Raises:
        InputError: One is not a request that can be sent.
        ConfigError: The history cannot be read.
    """
    past = Past()
    with contextlib.ExitStack() as stack:
        # After a kernel was killed, whoever opens the file alone goes through all that it left, each time.
        if history_path().exists():
            stack.enter_context(open_for_reading(history_path()))
        _look_back(client, cells, past, fetch_again=fetch_again, resend_unknown=resend_unknown)
    return past


def follow(client: Client, record: RunRecord) -> Run:
    """Follow a request that the service knows: in its own row, where nobody else does.

    Raises:
        NbkitError: It cannot be followed.
    """
    if record.is_orphan:
        return resume_run(client, record)
    return client.attach(record.endpoint, record.request_id)


def _look_back(client: Client, cells: Sequence[Cell], past: Past, **choice: bool) -> None:
    for endpoint in dict.fromkeys(cell.endpoint for cell in cells):
        asked = [cell for cell in cells if cell.endpoint == endpoint]
        found = earlier_runs(client, endpoint, [cell.input for cell in asked])
        for cell, runs in zip(asked, found, strict=True):
            _sort(cell.position, runs, past, **choice)


def _sort(
    position: Position, runs: Sequence[RunRecord], past: Past, *, fetch_again: bool, resend_unknown: bool
) -> None:
    """Any success counts, else what was tried last."""
    succeeded = [(run, result) for run in runs if run.state == "succeeded" and (result := run.result)]
    whole = [result for _run, result in succeeded if all(map(_is_here, result.media))]
    if whole or (succeeded and not fetch_again):
        past.done[position] = whole[0] if whole else succeeded[0][1]
    elif succeeded and succeeded[0][0].request_id:
        past.going_on[position] = succeeded[0][0]
    elif runs and (runs[0].is_under_way or runs[0].is_orphan):
        last = runs[0]
        is_given_up = not last.is_under_way and (last.state == "unknown" or not last.request_id)
        if not (is_given_up and resend_unknown):
            (past.going_on if last.request_id else past.lost)[position] = last


def _is_here(media: Media) -> bool:
    return media.path is not None and media.path.is_file()
