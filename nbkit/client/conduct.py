"""Takes a run from its input to its result, on the network thread."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbkit.errors import NbkitError, RunCancelled, RunFailed, RunTimeout, StreamBroken
from nbkit.model.event import Event, Failed, Output, StepFinished
from nbkit.model.result import Result
from nbkit.providers.fal import Reply, end_event
from nbkit.providers.inputs import as_json
from nbkit.wire.fal.queue import StatusReader, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from nbkit.client.run import Run
    from nbkit.client.session import Line
    from nbkit.model.endpoint import Endpoint

_CANCEL_GRACE = 15.0
_STREAM_SILENCE = 300.0


class Conductor:
    """Drives one run. The ways to call an endpoint differ; input, files, events, errors and cancelling do not."""

    def __init__(self, run: Run, endpoint: Endpoint, line: Line) -> None:
        self.run = run
        self.endpoint = endpoint
        self.line = line
        self._task: asyncio.Task[Any] | None = None
        self._ticket: Ticket | None = None
        self._is_sending = False
        self._wants_cancel = False
        self._deadline: float | None = None
        run._canceller = self.cancel  # noqa: SLF001 - a run is changed by its conductor alone

    def start(self, way: Coroutine[Any, Any, Reply], timeout: float | None = None) -> asyncio.Task[None]:
        """Begin."""
        task = asyncio.create_task(self._conduct(way))
        if timeout is not None:
            asyncio.get_running_loop().call_later(timeout, self._time_is_up, timeout)
        self._task = task
        return task

    def cancel(self) -> None:
        """Stop it: at the service where it may be there, else at once."""
        if self.run.is_done or self._wants_cancel or self._task is None:
            return
        self._wants_cancel = True
        if self._ticket is not None:
            self._background(self._cancel_remotely(self._ticket))
        elif not self._is_sending:
            self._task.cancel()

    def _time_is_up(self, timeout: float) -> None:
        if not self.run.is_done:
            self._deadline = timeout
            self.cancel()

    async def _conduct(self, way: Coroutine[Any, Any, Reply]) -> None:
        run = self.run
        try:
            reply = await way
            media = await self.line.collector.collect(reply.data)
        except asyncio.CancelledError:
            self._end(RunCancelled(f"{run.endpoint} was cancelled", endpoint=run.endpoint, request_id=run.id))
        except Exception as error:  # noqa: BLE001 - whatever went wrong, whoever waits must hear of it
            self._end(error)
        else:
            run._accept(reply.request_id, reply.stand_in)  # noqa: SLF001
            result = Result(
                reply.data,
                endpoint=run.endpoint,
                input=run.input,
                request_id=run.id,
                media=media,
                seconds=run.seconds,
                metrics=reply.metrics,
                billable_units=reply.billable_units,
                stand_in=run.stand_in,
            )
            if not (run.events and getattr(run.events[-1], "final", False)):
                run._publish(Output(reply.data, final=True, raw=reply.data, media=media))  # noqa: SLF001
            run._settle(result)  # noqa: SLF001

    def _end(self, error: Exception) -> None:
        if self._deadline is not None and isinstance(error, (RunCancelled, StreamBroken)):
            error = RunTimeout(
                f"{self.run.endpoint} took longer than {self._deadline:g} s and was cancelled",
                endpoint=self.run.endpoint,
                request_id=self.run.id,
            )
        last = self.run.events[-1] if self.run.events else None
        if not isinstance(last, Failed):
            self.run._publish(end_event(error))  # noqa: SLF001
        self.run._settle(None, error)  # noqa: SLF001

    async def queued(self, payload: Mapping[str, Any], options: Mapping[str, Any]) -> Reply:
        """By the queue: submit, follow, fetch."""
        sent = await self._prepare(payload)
        self._is_sending = True
        try:
            ticket = await self.line.service.submit(self.endpoint, sent, **options)
        finally:
            self._is_sending = False
        return await self.followed(ticket)

    async def followed(self, ticket: Ticket) -> Reply:
        """By a request that is in the queue already."""
        self._ticket = ticket
        self.run._accept(ticket.request_id, ticket.stand_in)  # noqa: SLF001
        if self._wants_cancel:
            self._background(self._cancel_remotely(ticket))
        reader = StatusReader()
        async for event in self.line.service.follow(ticket, reader):
            self.run._publish(event)  # noqa: SLF001
        return await self.line.service.result(self.endpoint, ticket, reader)

    async def direct(self, payload: Mapping[str, Any]) -> Reply:
        """By a direct call."""
        return await self.line.service.run(self.endpoint, await self._prepare(payload))

    async def streamed(self, payload: Mapping[str, Any]) -> Reply:
        """By a stream; what each event brings is fetched before it is told."""
        sent = await self._prepare(payload)
        about: dict[str, str] = {}
        last: Event | None = None
        async for event in self.line.service.stream(
            self.endpoint, sent, silence=_STREAM_SILENCE, about=about
        ):
            self.run._accept(about["request_id"], about["stand_in"])  # noqa: SLF001
            last = await self._with_files(event)
            self.run._publish(last)  # noqa: SLF001
            if isinstance(last, Failed):
                raise self._failure(last)
        if not isinstance(last, Output):
            raise StreamBroken(f"the stream of {self.run.endpoint} ended without giving anything")
        return Reply(last.data, about["request_id"], stand_in=about["stand_in"])

    async def _prepare(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        hosts = self.line.service.hosts
        sent = await as_json(payload, self.line.uploader, hosts.serves)
        self.run._input = sent  # noqa: SLF001
        return sent

    async def _with_files(self, event: Event) -> Event:
        if isinstance(event, StepFinished):
            return replace(event, media=await self.line.collector.collect(event.output))
        if isinstance(event, Output):
            return replace(event, media=await self.line.collector.collect(event.data))
        return event

    def _failure(self, event: Failed) -> RunFailed:
        inner = event.raw.get("error") if isinstance(event.raw, dict) else None
        where = f"step {event.node} of {self.run.endpoint}" if event.node else self.run.endpoint
        return RunFailed(
            f"{where} failed: {event.message}" + (f" (HTTP {event.status})" if event.status else ""),
            endpoint=self.run.endpoint,
            request_id=self.run.id,
            status=event.status,
            node=event.node,
            body=inner.get("body") if isinstance(inner, dict) else None,
        )

    async def _cancel_remotely(self, ticket: Ticket) -> None:
        """Ask the service, and give the run some time to end by its word; a service that is mute loses it."""
        with contextlib.suppress(NbkitError):  # it may have ended meanwhile; following it will tell
            await self.line.service.cancel(ticket)
        await asyncio.sleep(_CANCEL_GRACE)
        if not self.run.is_done and self._task is not None:
            self._task.cancel()

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.line.tasks.add(task)
        task.add_done_callback(self.line.tasks.discard)


def begin(
    run: Run,
    endpoint: Endpoint,
    find_line: Callable[[Endpoint], Coroutine[Any, Any, Line]],
    way: Callable[[Conductor], Coroutine[Any, Any, Reply]],
    timeout: float | None = None,
) -> Coroutine[Any, Any, None]:
    """Start a run: find who answers the endpoint, then conduct it."""

    async def conduct() -> None:
        try:
            line = await find_line(endpoint)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, whoever waits must hear of it
            run._publish(end_event(error))  # noqa: SLF001
            run._settle(None, error)  # noqa: SLF001
            return
        conductor = Conductor(run, endpoint, line)
        task = conductor.start(way(conductor), timeout)
        line.runs[task] = run
        task.add_done_callback(line.runs.pop)

    return conduct()
