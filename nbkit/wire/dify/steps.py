"""The steps of a Dify run: when they begin and end, what they are part of, and what they cost.

A step inside an iteration or a loop names it (`iteration_id`, `loop_id`) when it ends, and from 0.8 on when it begins.
In which round it is stands in its `execution_metadata` at its end; before that, the round that was told last counts.
Times are whole seconds, but for `elapsed_time`; prices are decimal numbers written as text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.model.event import Event, StepFinished, StepStarted

if TYPE_CHECKING:
    from collections.abc import Mapping

_BRANCH = "parallel branch"
_MOST = 1e12
_LONGEST_NUMBER = 40
_LONGEST_MESSAGE = 500
_STARTS = ("node_started", "iteration_started", "loop_started", "parallel_branch_started")
_ENDS = ("node_finished", "iteration_completed", "loop_completed", "parallel_branch_finished")
_ROUNDS = ("iteration_next", "loop_next")


@dataclass(slots=True)
class StepReader:
    """Reads the events of a run's steps, and remembers what they refer to.

    Attributes:
        began: When the run began, by the service's clock, in seconds since 1970; None until it is told.
    """

    began: float | None = None
    _rounds: dict[str, int] = field(default_factory=dict)

    def take(self, kind: str, data: Mapping[str, Any], payload: Any) -> list[Event]:
        """What an event says of a step; nothing where it is about something else."""
        if kind == "workflow_started" and self.began is None:
            self.began = _number(data.get("created_at"))
        elif kind in _ROUNDS:
            self._rounds[_text(data.get("node_id"))] = _whole(data.get("index")) or 0
        elif kind in _STARTS:
            return [self._started(kind, data, payload)]
        elif kind in _ENDS:
            return [self._finished(kind, data, payload)]
        elif kind == "node_retry":
            # `retry_index` counts the tries that failed.
            return [self._started(kind, data, payload, attempt=(_whole(data.get("retry_index")) or 1) + 1)]
        return []

    def _started(self, kind: str, data: Mapping[str, Any], payload: Any, attempt: int = 1) -> StepStarted:
        node, endpoint, title = _names(kind, data)
        parent = self._parent(data)
        if not kind.startswith("node_"):
            self._rounds[node] = 0
        return StepStarted(
            node,
            endpoint,
            _text(data.get("id")),
            title,
            parent=parent,
            index=self._rounds.get(parent),
            attempt=attempt,
            since=self._since(data.get("created_at")),
            raw=payload,
        )

    def _finished(self, kind: str, data: Mapping[str, Any], payload: Any) -> StepFinished:
        node, endpoint, title = _names(kind, data)
        told = data.get("execution_metadata")
        facts = told if isinstance(told, dict) else {}
        parent = self._parent({**facts, **{name: it for name, it in data.items() if it}})
        rounds = (_whole(facts.get("iteration_index")), _whole(facts.get("loop_index")))
        tokens = _whole(facts.get("total_tokens"))
        return StepFinished(
            node,
            data.get("outputs"),
            endpoint,
            title=title,
            request_id=_text(data.get("id")),
            status=_text(data.get("status"))[:_LONGEST_NUMBER] or "succeeded",
            message=_text(data.get("error"))[:_LONGEST_MESSAGE],
            seconds=_number(data.get("elapsed_time")),
            tokens=_whole(data.get("total_tokens")) if tokens is None else tokens,
            price=_number(facts.get("total_price")),
            currency=_text(facts.get("currency"))[:_LONGEST_NUMBER],
            parent=parent,
            index=next((it for it in rounds if it is not None), None),
            since=self._since(data.get("finished_at")),
            raw=payload,
        )

    def _since(self, told: Any) -> float | None:
        at = _number(told)
        # The first step's time may be taken a moment before the run's own.
        return None if at is None or self.began is None else max(0.0, at - self.began)

    def _parent(self, data: Mapping[str, Any]) -> str:
        """The branch it is in, else the iteration or loop."""
        branch = _text(data.get("parallel_start_node_id"))
        if branch and f"branch {branch}" in self._rounds:
            return f"branch {branch}"
        return _text(data.get("iteration_id")) or _text(data.get("loop_id"))


def _names(kind: str, data: Mapping[str, Any]) -> tuple[str, str, str]:
    if kind.startswith("parallel_branch"):
        # A branch has its first step's id for its own; here it must not be taken for that step.
        return f"branch {_text(data.get('parallel_branch_id'))}", _BRANCH, _BRANCH
    return _text(data.get("node_id")), _text(data.get("node_type")), _text(data.get("title"))


def _number(value: Any) -> float | None:
    """A number that can be counted with: not negative, not endless, whether it is written as a number or as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value if not isinstance(value, str) else value[:_LONGEST_NUMBER])
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= _MOST else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
