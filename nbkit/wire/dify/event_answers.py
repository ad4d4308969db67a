"""The events of a run as a Dify server writes them, in the shapes of an era; `events` reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.wire.dify.files import is_file_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.wire.dify.answers import RunRecord
    from nbkit.wire.dify.era import Era

_LOOPS = {"iteration_id": None, "loop_id": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A step of a run that began.

    Attributes:
        id: The id of its execution.
        node: Its name in the workflow.
        kind: `start`, `code`, `tool`, `end`, …
        title: What people call it.
        index: Its place in the order, from 1.
        before: The step before it, None for the first.
        created: When it began, in seconds since 1970.
    """

    id: str
    node: str
    kind: str
    title: str
    index: int
    before: str | None
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEnd:
    """How a step ended; everything is JSON.

    Attributes:
        inputs: What it was given.
        process: What it tells about its work.
        outputs: What it gave.
        status: `succeeded`, `failed` or `exception`.
        error: Why it failed.
        elapsed: Seconds.
        metadata: About its execution.
        finished: When it ended, in seconds since 1970.
        files: The files of its outputs.
    """

    inputs: Any
    process: Any
    outputs: Any
    status: str
    error: str | None
    elapsed: float
    metadata: Any
    finished: int
    files: list[Any]


@dataclass(frozen=True, slots=True)
class EventWriter:
    """Writes the events of one run.

    Attributes:
        era: Whose shapes.
        run: The run.
        task_id: The id it is stopped by.
    """

    era: Era
    run: RunRecord
    task_id: str

    def started(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The run began."""
        run = self.run
        number = {"sequence_number": run.number} if self.era.counts_runs else {}
        reason = {} if self.era.counts_runs else {"reason": "initial"}
        return self._event(
            "workflow_started",
            {
                "id": run.id,
                "workflow_id": run.workflow_id,
                **number,
                "inputs": inputs,
                "created_at": run.created,
                **reason,
            },
        )

    def node_started(self, node: NodeRecord) -> dict[str, Any]:
        """A step began."""
        marks = self.era.has_node_marks
        return self._event(
            "node_started",
            {
                **self._about(node),
                "inputs": None,
                **({"inputs_truncated": False} if marks else {}),
                "created_at": node.created,
                "extras": {},
                **({**_LOOPS, "agent_strategy": None} if marks else {}),
            },
        )

    def node_finished(self, node: NodeRecord, end: NodeEnd) -> dict[str, Any]:
        """A step ended."""
        return self._event(
            "node_finished",
            {
                **self._about(node),
                **self._whole("inputs", end.inputs),
                **self._whole("process_data", end.process),
                **self._whole("outputs", end.outputs),
                "status": end.status,
                "error": end.error,
                "elapsed_time": end.elapsed,
                "execution_metadata": end.metadata,
                "created_at": node.created,
                "finished_at": end.finished,
                "files": end.files,
                **(_LOOPS if self.era.has_node_marks else {}),
            },
        )

    def text(self, text: str, selector: Sequence[str]) -> dict[str, Any]:
        """A piece of the outputs as text."""
        return self._event("text_chunk", {"text": text, "from_variable_selector": list(selector)})

    def finished(self) -> list[dict[str, Any]]:
        """The run ended; the last events."""
        run, era = self.run, self.era
        number = {"sequence_number": run.number} if era.counts_runs else {}
        end = {
            "id": run.id,
            "workflow_id": run.workflow_id,
            **number,
            "status": run.status,
            "outputs": run.outputs,
            "error": run.error,
            "elapsed_time": run.elapsed,
            "total_tokens": 0,
            "total_steps": run.steps,
            "created_by": {"id": run.user_id, "user": run.user},
            "created_at": run.created,
            "finished_at": run.finished,
            **({"exceptions_count": run.exceptions} if era.handles_errors else {}),
            "files": run.files,
        }
        speech = {
            "event": "tts_message_end",
            "workflow_run_id": run.id,
            "task_id": self.task_id,
            "audio": "",
        }
        return [self._event("workflow_finished", end), *([speech] if era.ends_with_speech else [])]

    def _event(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        return {"event": kind, "workflow_run_id": self.run.id, "task_id": self.task_id, "data": data}

    def _about(self, node: NodeRecord) -> dict[str, Any]:
        counts = self.era.counts_nodes
        return {
            "id": node.id,
            "node_id": node.node,
            "node_type": node.kind,
            "title": node.title,
            "index": node.index if counts else 1,
            "predecessor_node_id": node.before if counts else None,
        }

    def _whole(self, name: str, value: Any) -> dict[str, Any]:
        return {name: value, **({f"{name}_truncated": False} if self.era.has_node_marks else {})}


def as_text(value: Any) -> str:
    """An output as it is streamed: files as Markdown pictures, nothing as nothing, objects as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if is_file_object(value):
        shown = "!" if value.get("type") == "image" else ""
        return f"{shown}[{value.get('filename')}]({value['url']})"
    if isinstance(value, list) and any(map(is_file_object, value)):
        return "\n".join(map(as_text, value))
    return json.dumps(value, ensure_ascii=False, indent=2)
