"""The events of a run, folded into what there is to show of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbkit.display.card import Card, Step
from nbkit.display.state import duration
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

    from nbkit.display.figure import Figure
    from nbkit.model.media import Media

# `tqdm` writes " 45%|████▌     | 9/20 [00:01<00:02, 7.1it/s]".
_WARNING = "WARNING"
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


def _started(card: Card, _event: Started, _at: float) -> Card:
    return replace(card, status="running", position=None)


def _step_started(card: Card, event: StepStarted, at: float) -> Card:
    step = Step(event.node, endpoint=event.title or event.endpoint, request_id=event.request_id, began=at)
    return replace(card, status="running", steps=(*card.steps, step))


def _step_finished(card: Card, event: StepFinished, at: float) -> Card:
    step = _open_step(card, event.node) or Step(event.node)
    ended = replace(
        step,
        status="completed",
        endpoint=event.title or event.endpoint or step.endpoint,
        ended=at,
        seconds=None if step.began is None else at - step.began,
        figures=figures(event.media),
    )
    return replace(card, status="running", steps=_with(card.steps, step, ended))


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
    )


def _failed(card: Card, event: Failed, at: float) -> Card:
    if not event.node:
        return card
    step = _open_step(card, event.node) or Step(event.node)
    seconds = None if step.began is None else at - step.began
    failed = replace(step, status="failed", message=event.message, ended=at, seconds=seconds)
    return replace(card, steps=_with(card.steps, step, failed))


def _paused(card: Card, event: Paused, at: float) -> Card:
    return replace(card, events=(*card.events, (duration(at), "paused", event.message[:200])))


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


def _open_step(card: Card, node: str) -> Step | None:
    """The newest step of that name that has not ended: a loop runs the same step again."""
    same = (step for step in reversed(card.steps) if step.node == node and step.status == "submitted")
    return next(same, None)


def _with(steps: tuple[Step, ...], old: Step, new: Step) -> tuple[Step, ...]:
    if old not in steps:
        return (*steps, new)
    return tuple(new if step is old else step for step in steps)


def _percent(message: str, before: float | None) -> float | None:
    found = _PERCENT.findall(message)
    return min(100, int(found[-1])) / 100 if found else before


def _number(data: Any, before: float | None) -> float | None:
    number = data.get("progress") if isinstance(data, dict) else None
    is_share = isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number <= 1
    return float(number) if is_share and number is not None else before
