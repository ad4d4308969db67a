"""The events of a Dify run, of every version from 0.6 on, in nbkit's words.

The kind of an event stands in its JSON (`"event"`), not in the stream's own field of that name. What a version adds or
drops is a field more or less; what is not known here is kept as `Unrecognised`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.model.event import (
    Event,
    Failed,
    Log,
    Output,
    Paused,
    Started,
    Text,
    Unrecognised,
)
from nbkit.wire.dify.human_forms import form_id, paused_forms, read_form
from nbkit.wire.dify.outcome import Outcome, identifier, read_outcome
from nbkit.wire.dify.repeats import Repeats
from nbkit.wire.dify.steps import StepReader
from nbkit.wire.dify.versions import takes_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbkit.model.human_form import HumanForm

_LONGEST_LINE = 500
_STEP_ENDS = {
    "node_finished": "a step",
    "iteration_completed": "an iteration",
    "loop_completed": "a loop",
    "parallel_branch_finished": "a parallel branch",
}
_OF_PEOPLE = frozenset(
    {"human_input_required", "workflow_paused", "human_input_form_filled", "human_input_form_timeout"}
)
_PARTLY = "the workflow succeeded in part: {} and the workflow went on without"


@dataclass(slots=True)
class EventReader:
    """Turns the events of one run into nbkit's, and keeps what is to be known at its end.

    Attributes:
        run_id: The run's id, an empty string until it is told.
        task_id: The id it is stopped by, an empty string until it is told.
        outcome: How it ended, None while it goes on.
        node: The step that failed, or an empty string.
        title: What the workflow's author calls that step.
        is_paused: Whether it waits for a person, which ends the stream but not the run.
        forms: What it asks a person just now, by the forms' ids, the oldest first.
        version: What the server calls its version, an empty string where it does not.
    """

    run_id: str = ""
    task_id: str = ""
    outcome: Outcome | None = None
    node: str = ""
    title: str = ""
    is_paused: bool = False
    _steps: StepReader = field(default_factory=StepReader)
    forms: dict[str, HumanForm] = field(default_factory=dict)
    version: str = ""
    _repeats: Repeats = field(default_factory=Repeats)

    def begin_again(self) -> None:
        """Another stream of the same run begins, which first repeats what happened: only what is new is told."""
        self._repeats.begin_again()

    def read(self, text: str) -> list[Event]:
        """Take the data of one server-sent event."""
        try:
            payload = json.loads(text)
        except (ValueError, RecursionError):
            return [Unrecognised("not JSON", raw=text)]
        return self.take(payload) if isinstance(payload, dict) else [Unrecognised("", raw=payload)]

    def take(self, payload: dict[str, Any]) -> list[Event]:
        """Take one event."""
        kind = _text(payload.get("event"))
        inner = payload.get("data")
        data = inner if isinstance(inner, dict) else {}
        self.run_id = self.run_id or identifier(payload.get("workflow_run_id"))
        self.task_id = self.task_id or identifier(payload.get("task_id"))
        if self._repeats.is_known(kind, data):
            return []
        if kind in _STEP_ENDS:
            return self._step_ended(kind, data, payload)
        if kind == "workflow_finished":
            outcome = read_outcome(payload)
            return self.conclude(outcome) if outcome else [Unrecognised(kind, raw=payload)]
        if kind == "error":
            return self._error(payload)
        if kind in _OF_PEOPLE:
            return [self._of_people(kind, data, payload)]
        if kind in ("workflow_started", "node_started"):
            self.is_paused = False
        step = self._steps.take(kind, data, payload)
        read = _READERS.get(kind)
        told = [read(data, payload)] if read else []
        return [*told, *step] or [Unrecognised(kind[:80], raw=payload)]

    def conclude(self, outcome: Outcome) -> list[Event]:
        """The last events of a run, from how it ended."""
        self.outcome = outcome
        self.run_id = self.run_id or outcome.run_id
        raw = outcome.raw
        if outcome.is_well:
            events: list[Event] = [Output(outcome.outputs, final=True, partial=outcome.is_partial, raw=raw)]
            if outcome.is_partial:
                failed = f"{outcome.handled} of its steps failed" if outcome.handled else "steps of it failed"
                events.insert(0, Log(_PARTLY.format(failed), level="WARNING", raw=raw))
            return events
        if outcome.status == "stopped":  # no failure: whoever drives the run tells that it was cancelled
            return [Log(outcome.error or "the workflow was stopped", level="WARNING", raw=raw)]
        words = outcome.error or f"it ended as {outcome.status[:80]!r}"
        return [Failed(words, node=self.node, raw=raw)]

    def _of_people(self, kind: str, data: Mapping[str, Any], payload: Any) -> Event:
        if kind == "human_input_required":
            return self._form_wanted(data, payload)
        if kind == "workflow_paused":
            self.is_paused = True
            self.forms = paused_forms(data) | self.forms
            return _paused(data, payload)
        self._forget_form(data)
        return (
            _form_filled(data, payload) if kind == "human_input_form_filled" else _form_timeout(data, payload)
        )

    def _form_wanted(self, data: Mapping[str, Any], payload: Any) -> Event:
        form = self.forms[form_id(data)] = read_form(data)
        can_answer = form.token and form.actions and takes_answers(self.version)
        how = f"answer with {form.usage}" if can_answer else "it is answered in Dify"
        words = f"{form.title} waits for a person; {how}" + (f": {form.content}" if form.content else "")
        return Paused(words[:_LONGEST_LINE], _text(data.get("node_id")), form.until, form, raw=payload)

    def _forget_form(self, data: Mapping[str, Any]) -> None:
        title = _text(data.get("node_title")) or _text(data.get("node_id"))
        found = [name for name, form in self.forms.items() if name == form_id(data) or form.title == title]
        for name in found[:1]:
            del self.forms[name]

    def _step_ended(self, kind: str, data: Mapping[str, Any], payload: Any) -> list[Event]:
        node, title, status = _text(data.get("node_id")), _text(data.get("title")), data.get("status")
        ended = self._steps.take(kind, data, payload)
        if status == "failed" and kind == "node_finished":
            self.node, self.title = node, title
            return [_trouble(f"step {title or node} failed", data, payload, level="ERROR"), *ended]
        if status == "failed":
            return [_trouble(f"{_STEP_ENDS[kind]} failed", data, payload), *ended]
        if status == "exception":
            return [_trouble(f"step {title or node} failed, and the workflow goes on", data, payload), *ended]
        return ended

    def _error(self, payload: dict[str, Any]) -> list[Event]:
        """The stream's own end by an error: with a code, or from 1.14 on without one, and then it may stay open."""
        status, message = payload.get("status"), _text(payload.get("message")) or "it failed"
        number = status if isinstance(status, int) else 0
        self.outcome = Outcome(self.run_id, self.task_id, "failed", {}, message, raw=payload)
        return [Failed(message, number, _text(payload.get("code")), self.node, raw=payload)]


def _started(_data: Mapping[str, Any], payload: Any) -> Event:
    return Started(raw=payload)


def _round(data: Mapping[str, Any], payload: Any) -> Event:
    title, index = _text(data.get("title")) or _text(data.get("node_id")), data.get("index")
    return Log(f"{title}: round {index}", level="INFO", raw=payload)


def _retry(data: Mapping[str, Any], payload: Any) -> Event:
    title = _text(data.get("title")) or _text(data.get("node_id"))
    return _trouble(f"step {title} failed and is tried again ({data.get('retry_index')})", data, payload)


def _text_chunk(data: Mapping[str, Any], payload: Any) -> Event:
    selector = data.get("from_variable_selector")
    node = selector[0] if isinstance(selector, list) and selector else data.get("node_id")
    return Text(_text(data.get("text")) or _text(data.get("reasoning")), _text(node), raw=payload)


def _agent_log(data: Mapping[str, Any], payload: Any) -> Event:
    error, label = _text(data.get("error")), _text(data.get("label")) or "agent"
    if error:
        return _trouble(label, data, payload)
    return Log(f"{label}: {_text(data.get('status')) or 'running'}", level="INFO", raw=payload)


def _paused(data: Mapping[str, Any], payload: Any) -> Event:
    nodes = data.get("paused_nodes")
    node = _text(nodes[0]) if isinstance(nodes, list) and nodes else ""
    return Paused("the workflow is paused; it goes on once it is answered in Dify", node, raw=payload)


def _form_filled(data: Mapping[str, Any], payload: Any) -> Event:
    title, action = _text(data.get("node_title")), _text(data.get("action_text"))
    return Log(f"{title}: answered{f' with {action}' if action else ''}", level="INFO", raw=payload)


def _form_timeout(data: Mapping[str, Any], payload: Any) -> Event:
    return Log(f"{_text(data.get('node_title'))}: nobody answered in time", level="WARNING", raw=payload)


def _trouble(words: str, data: Mapping[str, Any], payload: Any, *, level: str = "WARNING") -> Event:
    return Log(f"{words}: {data.get('error') or 'no reason given'}"[:_LONGEST_LINE], level=level, raw=payload)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


_READERS: dict[str, Callable[[Mapping[str, Any], Any], Event]] = {
    "workflow_started": _started,
    "node_retry": _retry,
    "iteration_next": _round,
    "loop_next": _round,
    "text_chunk": _text_chunk,
    "reasoning_chunk": _text_chunk,
    "agent_log": _agent_log,
}
