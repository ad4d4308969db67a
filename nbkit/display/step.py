"""One step of a workflow as something to be shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.display.figure import Figure

# How a step ends that was never told to have ended, by how its run did.
_LEFT = {"failed": "stopped", "cancelled": "stopped", "succeeded": "unknown", "unknown": "unknown"}
_OPEN = ("submitted", "waiting")
RUN_WORDS = {"submitted": "running", "completed": "succeeded"}
"""What a step's status is called where it is a run's."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a workflow.

    Attributes:
        node: The step's id.
        status: `submitted`, `waiting` (for a person), `completed`, `failed`, `exception` (it failed, and the workflow
            went on), `stopped`, `skipped` or `unknown`.
        endpoint: What it calls, or what kind of step it is.
        request_id: The service's id of the step's own request.
        seconds: How long it took; where the service says how long it worked, that. None while it runs or where
            nobody noticed it begin.
        figures: The files it gave.
        message: Why it failed.
        began: Seconds from the start of the run to its submission, None where nobody noticed.
        ended: Seconds from the start of the run to its end, None while it runs.
        title: What the workflow's author calls it.
        tokens: How many tokens it used, None where unknown.
        price: What it cost, None where unknown.
        currency: The currency of the price.
        parent: The node of the iteration, loop or branch that it is part of, or an empty string.
        index: Which round of its parent it is part of, counted from 0; None where unknown.
        attempt: Which try it is, counted from 1.
    """

    node: str
    status: str = "submitted"
    endpoint: str = ""
    request_id: str = ""
    seconds: float | None = None
    figures: tuple[Figure, ...] = ()
    message: str = ""
    began: float | None = None
    ended: float | None = None
    title: str = ""
    tokens: int | None = None
    price: float | None = None
    currency: str = ""
    parent: str = ""
    index: int | None = None
    attempt: int = 1

    @property
    def name(self) -> str:
        """What people call it."""
        return self.title or self.node

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.status in _OPEN

    @property
    def is_well(self) -> bool:
        """Whether it goes on or ended as it should."""
        return self.is_open or self.status == "completed"


def left(steps: Sequence[Step], run_status: str) -> tuple[Step, ...]:
    """The steps of a run; those that were going on when it ended go on no more."""
    became = _LEFT.get(run_status)
    if became is None:
        return tuple(steps)
    return tuple(replace(step, status=became) if step.is_open else step for step in steps)
