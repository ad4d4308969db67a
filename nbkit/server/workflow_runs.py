"""The workflows that are at work: graphs whose steps are requests of their own."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.server.runs import Outcome
from nbkit.server.workflow import DEEPEST, missing_inputs, run_workflow
from nbkit.wire.fal.answers import field_error
from nbkit.wire.fal.graph import Graph, read_graph

if TYPE_CHECKING:
    from nbkit.server.catalogue import Entry
    from nbkit.server.runs import Run
    from nbkit.server.service import Service


class WorkflowRuns:
    """Begins workflows and sees each to its end.

    Args:
        service: What their steps are begun at.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def cancel(self, run: Run) -> bool:
        """Cancel a workflow; tells whether it is one that is at work."""
        task = self._tasks.get(run.id)
        if task is not None:
            task.cancel()
        return task is not None

    async def close(self) -> None:
        """End all."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def begin_catalogued(self, run: Run, entry: Entry, graph: Graph) -> None:
        """Begin one that has an id of its own."""
        run.input, detail = entry.judged(run.input)
        self._begin(run, graph, detail)

    def begin_ad_hoc(self, run: Run) -> None:
        """Begin a workflow whose graph stands in the request itself: `{"input": …, "workflow": …}`."""
        document, given = run.input.get("workflow"), run.input.get("input")
        if not isinstance(given or {}, dict):
            self._refuse(run, "Input should be a valid dictionary", "input")
            return
        run.input = given or {}
        try:
            graph = read_graph(document)
            entries = [self._service.catalogue.find(step.app) for step in graph.steps.values()]
        except InputError as error:
            self._refuse(run, str(error), "workflow", *filter(None, error.field.split(".")))
            return
        run.stand_in = ", ".join(dict.fromkeys(entry.stand_in for entry in entries if entry.stand_in))
        self._begin(run, graph, [])

    def _begin(self, run: Run, graph: Graph, detail: list[dict[str, Any]]) -> None:
        run.is_workflow = True
        run.input = {**graph.defaults, **run.input}
        detail = detail or missing_inputs(graph, run.input)
        if run.depth > DEEPEST:
            detail = [field_error(f"workflows are nested more than {DEEPEST} deep", "value_error")]
        if detail:
            self._service.dispatcher.finish(run, Outcome.refused(detail))
            return
        task = asyncio.get_running_loop().create_task(self._see_through(run, graph))
        self._tasks[run.id] = task
        task.add_done_callback(partial(self._over, run))

    async def _see_through(self, run: Run, graph: Graph) -> None:
        run.start()
        if not await self._service.store.started(run):
            return
        if run.stand_in:
            run.log(f"stand-in: {run.stand_in} on this machine answer for {run.endpoint}")
        self._service.dispatcher.finish(run, await run_workflow(self._service, run, graph))

    def _over(self, run: Run, task: asyncio.Task[None]) -> None:
        """Clean up after a workflow, also where it was cancelled before its first step."""
        del self._tasks[run.id]
        if not task.cancelled() and (error := task.exception()):
            self._service.dispatcher.finish(
                run, Outcome.failed(500, f"{type(error).__name__}: {error}", "internal_error")
            )
        self._service.dispatcher.finish(run, Outcome.cancelled())

    def _refuse(self, run: Run, message: str, *loc: str) -> None:
        """End a run whose request makes no sense."""
        self._service.dispatcher.finish(run, Outcome.refused([field_error(message, "value_error", *loc)]))
