"""The events of a run, folded into what there is to show of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbkit.display.state import duration
from nbkit.display.step import Step
from nbkit.model.event import (
    Event,
    Failed,
    Log,
    Output,
    Paused,
    Queued,
    Started,
    StepFinished,
    StepStarted,
    Unrecognised,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbkit.display.card import Card
    from nbkit.display.figure import Figure
    from nbkit.model.media import Media

_WARNING = "WARNING"
_FAR = 2.0
"""Seconds by which clocks may differ: services tell whole seconds. Beyond, events came long after what they tell."""
_STATES = {"succeeded": "completed"}
# `tqdm` writes " 45%|████▌     | 9/20 [00:01<00:02, 7.1it/s]".
_PERCENT = re.compile(r"(\d{1,3})%\|")


def advance(card: Card, events: Iterable[Event], began: float = 0.0) -> Card:
    """The card after some more events.

    Args:
        card: The card so far.
        events: What happened since, oldest first.
        began: When the run began, in seconds since 1970.
    """
    logs: list[str] = []
    for event in events:
        if isinstance(event, Log):
            logs.append(event.message)
            card = replace(card, progress=_percent(event.message, card.progress))
            if event.level == _WARNING:
                card = replace(card, warnings=(*card.warnings, event.message))
        elif change := _CHANGES.get(type(event)):
            card = change(card, event, max(0.0, event.at - began))
    return replace(card, logs=(*card.logs, *logs)) if logs else card


def _queued(card: Card, event: Queued, _at: float) -> Card:
    return replace(card, status="queued", position=event.position)


def _started(card: Card, _event: Started, at: float) -> Card:
    first = at if card.started_at is None else card.started_at
    return replace(card, status="running", position=None, started_at=first)


def _step_started(card: Card, event: StepStarted, at: float) -> Card:
    began = _when(card, event, at)
    before = _open_step(card, event.node, event.request_id) if event.attempt > 1 else None
    step = Step(
        event.node,
        endpoint=event.endpoint,
        request_id=event.request_id,
        began=began if before is None else before.began,
        title=event.title,
        parent=event.parent,
        index=event.index,
        attempt=event.attempt,
    )
    return _going_on(replace(card, steps=_with(card.steps, before, step)))


def _step_finished(card: Card, event: StepFinished, at: float) -> Card:
    before = _open_step(card, event.node, event.request_id)
    step = before or Step(event.node)
    ended = _when(card, event, at)
    if step.began is not None:
        ended = max(ended, step.began + (event.seconds or 0.0))
    took = None if step.began is None else ended - step.began
    ended_step = replace(
        step,
        status=_STATES.get(event.status, event.status),
        endpoint=event.endpoint or step.endpoint,
        request_id=event.request_id or step.request_id,
        title=event.title or step.title,
        message=event.message,
        ended=ended,
        seconds=took if event.seconds is None else event.seconds,
        figures=figures(event.media),
        tokens=event.tokens,
        price=event.price,
        currency=event.currency,
        parent=event.parent or step.parent,
        index=step.index if event.index is None else event.index,
    )
    return _going_on(replace(card, steps=_with(card.steps, before, ended_step)))


def _when(card: Card, event: StepStarted | StepFinished, at: float) -> float:
    """When it happened: when it was noticed, or by the service's clock where it was held back on its way."""
    if event.since is None or card.started_at is None:
        return at
    told = card.started_at + event.since
    return at if abs(at - told) < _FAR else told


def _output(card: Card, event: Output, at: float) -> Card:
    kept = figures(event.media) or card.figures
    count = f"{len(event.media)} file{'s' if len(event.media) != 1 else ''}" if event.media else ""
    row = (duration(at), "output", count + (" · final" if count and event.final else ""))
    progress = _number(event.data, card.progress)
    return replace(
        card,
        status="running",
        figures=kept,
        output=event.data,
        output_at=at,
        progress=progress,
        events=(*card.events, row),
        is_partial=card.is_partial or event.partial,
        waits_for="",
        waits_until=None,
    )


def _failed(card: Card, event: Failed, at: float) -> Card:
    if not event.node or any(step.node == event.node and step.status == "failed" for step in card.steps):
        return card  # the step's own end said so, and more closely
    before = _open_step(card, event.node)
    step = before or Step(event.node)
    seconds = None if step.began is None else at - step.began
    failed = replace(step, status="failed", message=event.message, ended=at, seconds=seconds)
    return replace(card, steps=_with(card.steps, before, failed))


def _paused(card: Card, event: Paused, at: float) -> Card:
    card = replace(card, events=(*card.events, (duration(at), "paused", event.message[:200])))
    step = _open_step(card, event.node)
    if step is not None:
        card = replace(card, steps=_with(card.steps, step, replace(step, status="waiting")))
    if card.waits_for and event.until is None:  # the first event of a pause says what for
        return card
    return replace(card, waits_for=event.message, waits_until=event.until)


def _going_on(card: Card) -> Card:
    return replace(card, status="running", waits_for="", waits_until=None)


def _unrecognised(card: Card, event: Unrecognised, at: float) -> Card:
    return replace(card, events=(*card.events, (duration(at), event.kind or "?", str(event.raw)[:200])))


_CHANGES: dict[type[Event], Callable[[Card, Any, float], Card]] = {
    Queued: _queued,
    Started: _started,
    StepStarted: _step_started,
    StepFinished: _step_finished,
    Output: _output,
    Failed: _failed,
    Paused: _paused,
    Unrecognised: _unrecognised,
}


def figures(media: Iterable[Media]) -> tuple[Figure, ...]:
    """Files as something to be shown."""
    return tuple(one.figure() for one in media)


def _open_step(card: Card, node: str, request_id: str = "") -> Step | None:
    """The step of that id, else the newest of that name, that goes on: a loop runs the same step again."""
    same = [step for step in reversed(card.steps) if step.node == node and step.is_open]
    exact = (step for step in same if request_id and step.request_id == request_id)
    return next(exact, same[0] if same else None)


def _with(steps: tuple[Step, ...], old: Step | None, new: Step) -> tuple[Step, ...]:
    if old is None:
        return (*steps, new)
    return tuple(new if step is old else step for step in steps)


def _percent(message: str, before: float | None) -> float | None:
    found = _PERCENT.findall(message)
    return min(100, int(found[-1])) / 100 if found else before


def _number(data: Any, before: float | None) -> float | None:
    number = data.get("progress") if isinstance(data, dict) else None
    is_share = isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number <= 1
    return float(number) if is_share and number is not None else before
