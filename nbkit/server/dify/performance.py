"""Takes a run through the steps of its workflow."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.errors import NbkitError
from nbkit.server.dify.apps import START, Node
from nbkit.server.run_store import QueueFull
from nbkit.wire.dify.answers import FAILED, PARTLY, STOPPED, SUCCEEDED
from nbkit.wire.dify.event_answers import NodeEnd, NodeRecord, as_text
from nbkit.wire.dify.file_answers import files_in
from nbkit.wire.fal.answers import error_summary

if TYPE_CHECKING:
    from nbkit.server.dify.files import DifyFiles
    from nbkit.server.dify.live_run import LiveRun
    from nbkit.server.service import Service

Values = dict[str, Any]
_END = "end"
_DIGITS = 6
_EXCEPTION = "exception"


class StepFailed(NbkitError):
    """A step gave no result.

    Attributes:
        kind: The word for why.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(slots=True)
class _Work:
    """What a step was given, and what became of it."""

    inputs: Any
    outputs: Any = None
    status: str = SUCCEEDED
    error: str | None = None
    metadata: Any = None


class Performance:
    """One run of a workflow.

    Args:
        service: Computes the steps that have a model.
        files: Names and signs files.
        run: The run.
    """

    def __init__(self, service: Service, files: DifyFiles, run: LiveRun) -> None:
        self._service = service
        self._files = files
        self._run = run
        self._variables: dict[str, Values] = {}
        self._texts = list(run.app.outputs.values())
        self._before: str | None = None
        self._began = time.monotonic()

    async def perform(self, inputs: Values, started: Values, extra: Values) -> None:
        """Run every step; tells all that happens, and ends the run in every case.

        Args:
            inputs: The inputs, complete, with what the system adds.
            started: The same as the first event tells them.
            extra: Further values that steps may ask the start for.
        """
        run, record = self._run, self._run.record
        try:
            run.tell(run.writer.started(self._json(started)))
            await self._perform(Node(name=START, kind=START, title="Start", inputs={}), inputs, extra)
            for node in run.app.nodes:
                await self._perform(node, {name: self._value(at) for name, at in node.inputs.items()})
            outputs = {name: self._value(at) for name, at in run.app.outputs.items()}
            await self._perform(Node(name=_END, kind=_END, title="End", inputs={}), outputs)
            status = PARTLY if record.exceptions else SUCCEEDED
            self._end(status, outputs, None)
        except StepFailed as failure:
            self._end(FAILED, run.era.nothing, str(failure))
        except asyncio.CancelledError:  # by a stop, or by the end of this server
            self.stopped()
        except Exception as error:
            self._end(FAILED, run.era.nothing, f"{type(error).__name__}: {error}")
            raise

    def stopped(self) -> None:
        """End the run as one that was stopped."""
        self._end(STOPPED, self._run.era.nothing, self._run.era.stopped)

    async def _perform(self, node: Node, inputs: Values, extra: Values | None = None) -> None:
        run, era = self._run, self._run.era
        run.record.steps += 1
        begun = NodeRecord(
            id=str(uuid.uuid4()),
            node=node.name,
            kind=node.kind,
            title=node.title,
            index=run.record.steps,
            before=self._before,
            created=int(time.time()),
        )
        run.tell(run.writer.node_started(begun))
        clock = time.monotonic()
        work = await self._work(node, inputs)
        if work.status != FAILED:
            self._before = node.name
            self._variables[node.name] = {**(work.outputs or {}), **(extra or {})}
            self._tell_texts()
        shown = self._json(work.outputs)
        end = NodeEnd(
            inputs=self._json(work.inputs),
            process=era.nothing,
            outputs=era.nothing if shown is None else shown,
            status=work.status,
            error=work.error,
            elapsed=_seconds(clock),
            metadata=work.metadata,
            finished=int(time.time()),
            files=[self._json(file) for file in files_in(work.outputs)],
        )
        run.tell(run.writer.node_finished(begun, end))
        if work.status == FAILED:
            words = work.error or "it failed"
            raise StepFailed(f"Node {node.title} run failed: {words}" if era.names_failed_node else words, "")

    async def _work(self, node: Node, inputs: Values) -> _Work:
        work = _Work(inputs)
        try:
            if node.endpoint:
                work.metadata = {"tool_info": {"provider_type": "builtin", "provider_id": "nbkit"}}
                work.outputs = await self._call(node, inputs)
            else:
                work.outputs = node.compute(inputs) if node.compute else inputs
        except StepFailed as failure:
            self._run.record.exceptions += 1
            work.error, work.status = str(failure), FAILED
            if node.may_fail and self._run.era.handles_errors:
                work.status = _EXCEPTION
                work.outputs = {"error_message": str(failure), "error_type": failure.kind}
                work.metadata = {"error_strategy": "fail-branch"}
        return work

    async def _call(self, node: Node, inputs: Values) -> Values:
        """Let an endpoint compute a step."""
        given = {name: self._files.for_model(value) for name, value in inputs.items()}
        try:
            inner = self._service.begin(node.endpoint, given, depth=1, user=self._run.app.owner)
        except QueueFull as error:
            raise StepFailed(str(error), type(error).__name__) from error
        try:
            outcome = await inner.end()
        finally:
            if not inner.over:
                self._service.cancel(inner)
        value = outcome.value()
        if not outcome.ok:
            message, kind = error_summary(value)
            raise StepFailed(message, kind or "ToolInvokeError")
        return self._files.tool_outputs(value)

    def _value(self, at: tuple[str, str]) -> Any:
        return self._variables.get(at[0], {}).get(at[1])

    def _tell_texts(self) -> None:
        """Stream those outputs as text that are known by now, in their order."""
        run = self._run
        while run.era.tells_text and self._texts and self._texts[0][0] in self._variables:
            at = self._texts.pop(0)
            run.tell(run.writer.text(as_text(self._json(self._value(at))), at))
            if self._texts:
                run.tell(run.writer.text("\n", (_END, "answer")))

    def _end(self, status: str, outputs: Any, error: str | None) -> None:
        run, record = self._run, self._run.record
        if not run.was_dropped:
            record.status, record.error = status, error
            record.outputs = self._json(outputs)
            record.files = [self._json(file) for file in files_in(outputs)]
            record.elapsed = _seconds(self._began)
            record.finished = int(time.time())
            run.tell(*run.writer.finished())
        run.end()

    def _json(self, value: Any) -> Any:
        return self._files.told(value, self._run.origin)


def _seconds(since: float) -> float:
    return round(time.monotonic() - since, _DIGITS)
