"""The steps of a workflow in the order to read them: rounds below what repeats them, many rounds as one, not too many.

A part is always noticed after the whole that it names, so that steps which name each other in a circle stand apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.display.step import Step

_MOST_ROWS = 40
_MOST_ROUNDS = 6
_MOST_SEGMENTS = 60
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds from the start of the run.

    Attributes:
        began: When it began.
        worked: From when on there was work; before that it waited.
        ended: When it ended, or now.
        status: How it ended, in the words of `Step`.
    """

    began: float
    worked: float
    ended: float
    status: str


@dataclass(frozen=True, slots=True)
class Row:
    """One step, or a whole iteration or loop.

    Attributes:
        step: The step.
        depth: How many wholes it is part of.
        spans: When it ran; of a whole with many rounds each round, else one.
        rounds: How many rounds are not shown one by one.
    """

    step: Step
    depth: int
    spans: tuple[Span, ...]
    rounds: int = 0

    @property
    def kind(self) -> str:
        """What kind of step it is, and which round it is or how many it has."""
        words = [self.step.endpoint]
        if self.rounds:
            words.append(f"{self.rounds} rounds")
        if self.depth and self.step.index is not None:
            words.append(f"round {self.step.index + 1}")
        return " · ".join(filter(None, words))


@dataclass(frozen=True, slots=True)
class Outline:
    """What to show of the steps of a workflow.

    Attributes:
        rows: The rows, wholes before their parts.
        hidden: How many further rows there are.
        end: Where the common axis of time ends, in seconds from the start of the run.
    """

    rows: tuple[Row, ...]
    hidden: int
    end: float

    @property
    def hint(self) -> str:
        """What is not shown, in words; an empty string where everything is."""
        return f"and {self.hidden} more" if self.hidden else ""


def outline(steps: Sequence[Step], now: float) -> Outline:
    """What to show of steps.

    Where there are too many, those that went wrong are kept, then those that go on, then those that took long.

    Args:
        steps: The steps, in the order in which they began.
        now: Seconds from the start of the run.
    """
    parts = _parts(steps)
    rows: list[Row] = []
    todo = [(position, 0) for position in reversed(parts.pop(None, []))]
    while todo:
        position, depth = todo.pop()
        below = parts.get(position, [])
        rounds = _rounds([steps[one] for one in below], now)
        if len(rounds) > _MOST_ROUNDS:
            below = [one for one in below if steps[one].index is None or steps[one].status != "completed"]
            spans, folded = _fewer(rounds), len(rounds)
        else:
            spans, folded = (_span(steps[position], now, is_whole=bool(below)),), 0
        rows.append(Row(steps[position], depth, spans, folded))
        todo += [(one, min(depth + 1, _DEEPEST)) for one in reversed(below)]
    end = max([now, *(span.ended for row in rows for span in row.spans)])
    kept = set(sorted(range(len(rows)), key=lambda number: _interest(rows[number]))[:_MOST_ROWS])
    shown = tuple(row for number, row in enumerate(rows) if number in kept)
    return Outline(shown, len(rows) - len(shown), end)


def _parts(steps: Sequence[Step]) -> dict[int | None, list[int]]:
    """Position of a whole → positions of its parts; None → those that are part of nothing."""
    newest: dict[str, int] = {}
    parts: dict[int | None, list[int]] = {}
    for position, step in enumerate(steps):
        parts.setdefault(newest.get(step.parent) if step.parent else None, []).append(position)
        newest[step.node] = position
    return parts


def _span(step: Step, now: float, *, is_whole: bool = False) -> Span:
    ended = now if step.ended is None else step.ended
    began = max(0.0, ended - (step.seconds or 0.0)) if step.began is None else step.began
    # A whole does not wait: what waits is one of its parts.
    worked = began if is_whole or step.ended is None or step.seconds is None else ended - step.seconds
    if step.status == "waiting":
        worked = ended
    return Span(began, max(began, worked), max(began, ended), step.status)


def _rounds(parts: Sequence[Step], now: float) -> list[Span]:
    """The rounds that parts belong to, each from its first beginning to its last end."""
    rounds: dict[int, list[Step]] = {}
    for part in parts:
        if part.index is not None:
            rounds.setdefault(part.index, []).append(part)
    return [_joined([_span(part, now) for part in rounds[index]]) for index in sorted(rounds)]


def _fewer(rounds: Sequence[Span]) -> tuple[Span, ...]:
    """Neighbouring rounds taken together, as many as are needed."""
    size = -(-len(rounds) // _MOST_SEGMENTS)
    return tuple(_joined(rounds[first : first + size]) for first in range(0, len(rounds), size))


def _joined(spans: Sequence[Span]) -> Span:
    bad = [span.status for span in spans if span.status != "completed"]
    began = min(span.began for span in spans)
    return Span(began, began, max(span.ended for span in spans), bad[0] if bad else "completed")


def _interest(row: Row) -> tuple[bool, bool, float]:
    length = max(span.ended for span in row.spans) - min(span.began for span in row.spans)
    return (row.step.is_well, not row.step.is_open, -length)
