"""Workflows: graphs of steps, each a run of its own, those that do not wait for each other at the same time.

Facts: fal docs, "Workflows": a stream tells `submit` and `completion` of every step, then `output`, or `error` with
the failed step's own status and body. Called directly or through the queue it gives the output alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from nbkit.errors import InputError, NbkitError
from nbkit.server.runs import UNPROCESSABLE, Outcome
from nbkit.wire.fal.answers import error_summary, field_error
from nbkit.wire.fal.reference import INPUT, resolve

if TYPE_CHECKING:
    from nbkit.server.runs import Run
    from nbkit.wire.fal.definition import Step
    from nbkit.wire.fal.graph import Graph

DEEPEST = 5


class Service(Protocol):
    """What a workflow needs: a way to begin runs, and to cancel and end them."""

    def begin_step(self, workflow: Run, app: str, given: Any) -> Run:
        """Begin the run of a workflow's step."""
        ...

    def cancel(self, run: Run) -> bool:
        """Cancel a run."""
        ...


class StepFailed(NbkitError):
    """A step did not give a result.

    Attributes:
        step: The step.
        error: Its status and body, as the `error` event tells them.
    """

    def __init__(self, step: Step, request_id: str, outcome: Outcome) -> None:
        body = outcome.value()
        summary, _ = error_summary(body)
        super().__init__(f"Step {step.id!r} ({step.app}, request {request_id}) failed: {summary}")
        self.step = step
        self.error = {"status": outcome.status, "body": body}


def missing_inputs(graph: Graph, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The 422 entries for what a workflow needs and was not given."""
    return [
        field_error("Field required", "missing", name, value=given)
        for name in graph.required
        if name not in given
    ]


async def run_workflow(service: Service, run: Run, graph: Graph) -> Outcome:
    """Run a workflow's steps and give its outcome; its events go to the run's listeners.

    Args:
        service: Begins the steps' runs.
        run: The workflow's own run; its input is complete.
        graph: The workflow.
    """
    performance = _Performance(service, run, graph)
    try:
        await performance.perform_all()
        output = resolve(graph.output, performance.variables)
    except StepFailed as failure:
        return _failed(run, failure)
    except InputError as problem:
        return _wrong(run, problem)
    run.emit({"type": "output", "output": output})
    return Outcome.of(200, output)


class _Performance:
    """One run of a graph."""

    def __init__(self, service: Service, run: Run, graph: Graph) -> None:
        self._service = service
        self._run = run
        self._graph = graph
        self._finished = {name: asyncio.Event() for name in graph.steps}
        self.variables: dict[str, Any] = {INPUT: run.input}

    async def perform_all(self) -> None:
        """Run every step; the first that fails stops the others.

        Raises:
            StepFailed: A step did not give a result.
            InputError: A step's input cannot be made.
        """
        steps = [asyncio.ensure_future(self._perform(step)) for step in self._graph.steps.values()]
        try:
            await asyncio.gather(*steps)
        finally:
            for step in steps:
                step.cancel()
            await asyncio.gather(*steps, return_exceptions=True)

    async def _perform(self, step: Step) -> None:
        """Wait for what a step depends on, then run it."""
        for other in step.depends:
            await self._finished[other].wait()
        given = resolve(step.input, self.variables)
        inner = self._service.begin_step(self._run, step.app, given)
        about = {"node_id": step.id, "app_id": step.app}
        self._run.emit({"type": "submit", **about, "request_id": inner.id})
        self._run.log(f"step {step.id}: {step.app} submitted as {inner.id}")
        try:
            outcome = await inner.end()
        finally:
            if not inner.over:
                self._service.cancel(inner)
        if not outcome.ok:
            raise StepFailed(step, inner.id, outcome)
        output = outcome.value()
        self._run.emit({"type": "completion", **about, "output": output})
        self._run.log(f"step {step.id}: done")
        self.variables[step.id] = output
        self._finished[step.id].set()


def _failed(run: Run, failure: StepFailed) -> Outcome:
    run.emit({"type": "error", "node_id": failure.step.id, "message": str(failure), "error": failure.error})
    body = {
        "detail": str(failure),
        "error_type": error_summary(failure.error["body"])[1],
        "node_id": failure.step.id,
        "app_id": failure.step.app,
        "error": failure.error,
    }
    return Outcome.of(failure.error["status"], body)


def _wrong(run: Run, problem: InputError) -> Outcome:
    """The graph itself cannot be carried out, as when it names a part of an output that is not there."""
    outcome = Outcome.refused([field_error(str(problem), "value_error", "workflow", problem.field)])
    error = {"status": UNPROCESSABLE, "body": outcome.value()}
    run.emit({"type": "error", "node_id": None, "message": str(problem), "error": error})
    return outcome
