"""A run as something to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbkit.display.figure import Figure


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a workflow.

    Attributes:
        node: The step's id.
        status: `submitted`, `completed` or `failed`.
        endpoint: What it calls.
        request_id: The service's id of the step's own request.
        seconds: How long it took, None while it runs.
        figures: The files it gave.
        message: Why it failed.
    """

    node: str
    status: str = "submitted"
    endpoint: str = ""
    request_id: str = ""
    seconds: float | None = None
    figures: tuple[Figure, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Everything there is to show of one run.

    Attributes:
        endpoint: What was called.
        status: `submitting`, `queued`, `running`, `succeeded`, `failed`, `cancelled` or `unknown`.
        request_id: The service's id of the run.
        seconds: Since it began, or how long it took.
        position: How many requests are ahead of it, None where unknown.
        logs: Lines that the model printed, oldest first.
        progress: 0 to 1, None where the service gives no numbers.
        steps: The steps of a workflow, in the order they began.
        figures: The files it gave, or the latest intermediate ones.
        output: The output JSON.
        error: What went wrong, for people.
        stand_in: The local model that answers in place of the endpoint.
        cost: Money, None where unknown.
        events: What a stream gave, as rows of words, oldest first.
    """

    endpoint: str
    status: str = "submitting"
    request_id: str = ""
    seconds: float = 0.0
    position: int | None = None
    logs: tuple[str, ...] = ()
    progress: float | None = None
    steps: tuple[Step, ...] = ()
    figures: tuple[Figure, ...] = ()
    output: Any = None
    error: str = ""
    stand_in: str = ""
    cost: float | None = None
    events: tuple[tuple[str, ...], ...] = ()


def bundle(card: Card) -> dict[str, Any]:
    """The card as a MIME bundle that does not depend on widgets."""
    return {"text/plain": f"{card.endpoint} {card.status}"}
