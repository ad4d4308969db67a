"""What happened to a run, in the same words for every provider.

Each event keeps the JSON it came from in `raw`. What a provider sends and nbkit does not know becomes
`Unrecognised`: kept, shown on request, never fatal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbkit.model.human_form import HumanForm
    from nbkit.model.media import Media


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a run.

    Attributes:
        raw: The JSON that the service sent, or None where nbkit itself noticed.
        at: When it was noticed here, in seconds since 1970.
    """

    raw: Any = field(default=None, repr=False, compare=False)
    at: float = field(default_factory=time.time, repr=False, compare=False)


@dataclass(frozen=True)
class Queued(Event):
    """The service took the request and will start it later.

    Attributes:
        position: How many requests are ahead of it, None where the service does not say.
    """

    position: int | None = None


@dataclass(frozen=True)
class Started(Event):
    """The service began to work on it."""


@dataclass(frozen=True)
class Log(Event):
    """A line that the model printed.

    Attributes:
        message: The line.
        timestamp: When the service says that it was printed, as it wrote it.
        level: `INFO`, `ERROR`, … or an empty string.
    """

    message: str = ""
    timestamp: str = ""
    level: str = ""


@dataclass(frozen=True)
class StepStarted(Event):
    """A step of a workflow began.

    Attributes:
        node: The step's id in the workflow.
        endpoint: What it calls, where known.
        request_id: The service's id of the step's own request, where known.
        title: What the workflow's author calls it, where known.
        parent: The node of the iteration, loop or branch that it is part of, or an empty string.
        index: Which round of its parent it is part of, counted from 0; None where unknown.
        attempt: Which try it is, counted from 1. A later try has the request id of the first.
        since: When it began, in seconds from the run's start by the service's clock; None where it does not say.
    """

    node: str = ""
    endpoint: str = ""
    request_id: str = ""
    title: str = ""
    parent: str = field(default="", kw_only=True)
    index: int | None = field(default=None, kw_only=True)
    attempt: int = field(default=1, kw_only=True)
    since: float | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class StepFinished(Event):
    """A step of a workflow ended.

    Attributes:
        node: The step's id in the workflow.
        output: What it gave.
        endpoint: What it called, where known.
        media: The files in what it gave.
        title: What the workflow's author calls it, where known.
        request_id: The service's id of the step's own request, where known.
        status: `succeeded`, `failed`, `exception` (it failed and the workflow goes on), or another word of the service.
        message: Why it failed, or an empty string.
        seconds: How long the service worked on it, None where it does not say.
        tokens: How many tokens of language models it used, None where the service does not say.
        price: What it cost, None where the service does not say.
        currency: The currency of the price (`USD`).
        parent: The node of the iteration, loop or branch that it is part of, or an empty string.
        index: Which round of its parent it is part of, counted from 0; None where unknown.
        since: When it ended, in seconds from the run's start by the service's clock; None where it does not say.
    """

    node: str = ""
    output: Any = None
    endpoint: str = ""
    media: tuple[Media, ...] = field(default=(), repr=False, compare=False)
    title: str = ""
    request_id: str = field(default="", kw_only=True)
    status: str = field(default="succeeded", kw_only=True)
    message: str = field(default="", kw_only=True)
    seconds: float | None = field(default=None, kw_only=True)
    tokens: int | None = field(default=None, kw_only=True)
    price: float | None = field(default=None, kw_only=True)
    currency: str = field(default="", kw_only=True)
    parent: str = field(default="", kw_only=True)
    index: int | None = field(default=None, kw_only=True)
    since: float | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Text(Event):
    """A piece of text that a step wrote on its way. It is told as it comes; the result does not depend on it.

    Attributes:
        text: The piece.
        node: The step's id in the workflow, where known.
    """

    text: str = ""
    node: str = ""


@dataclass(frozen=True)
class Paused(Event):
    """The run waits for a person.

    Attributes:
        message: What it waits for.
        node: The workflow step that waits, or an empty string.
        until: When the service stops waiting, in seconds since 1970; None where it does not say.
        form: What the person is asked, and how it can be answered; None where that is not known.
    """

    message: str = ""
    node: str = ""
    until: float | None = None
    form: HumanForm | None = None


@dataclass(frozen=True)
class Output(Event):
    """Something that the model or workflow gave.

    Attributes:
        data: The JSON it gave.
        final: Whether this is the whole result. A stream says so only at its end.
        media: The files in it.
        partial: Whether steps failed and the workflow went on without them.
    """

    data: Any = None
    final: bool = False
    media: tuple[Media, ...] = field(default=(), repr=False, compare=False)
    partial: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Failed(Event):
    """The run failed.

    Attributes:
        message: Why, in the service's own words.
        status: HTTP status code, 0 where there is none.
        error_type: The service's machine-readable word, or an empty string.
        node: The workflow step that failed, or an empty string.
    """

    message: str = ""
    status: int = 0
    error_type: str = ""
    node: str = ""


@dataclass(frozen=True)
class Cancelled(Event):
    """The run was stopped before it ended."""


@dataclass(frozen=True)
class Unrecognised(Event):
    """Something that nbkit has no word for.

    Attributes:
        kind: The service's own word for it, or an empty string.
    """

    kind: str = ""
