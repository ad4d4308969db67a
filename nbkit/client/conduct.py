"""Takes a run from its input to its result, on the network thread."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from nbkit.client.checked import check_input
from nbkit.client.reuse import retell
from nbkit.errors import (
    InputError,
    NbkitError,
    RunCancelled,
    RunError,
    RunFailed,
    RunTimeout,
    RunUnknown,
    ServiceError,
    StreamBroken,
)
from nbkit.history.canonical import versioned
from nbkit.history.record import EMBEDDED
from nbkit.history.recorder import Recorder
from nbkit.model.address import is_loopback, origin
from nbkit.model.event import Event, Failed, Log, Output, StepFinished
from nbkit.model.media import find_media
from nbkit.model.result import Result
from nbkit.providers.reply import Reply, end_event, status_after
from nbkit.wire.fal.queue import StatusReader, Ticket
from nbkit.wire.fal.requests import name_header

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from nbkit.client.reuse import Reuse
    from nbkit.client.run import Run
    from nbkit.client.session import Line, Session
    from nbkit.history import RunRecord
    from nbkit.model.endpoint import Endpoint
    from nbkit.model.media import Media
    from nbkit.providers.inputs import Draft
    from nbkit.wire.dify.events import EventReader

    Way = Callable[["Conductor"], Coroutine[Any, Any, Reply]]

_CANCEL_GRACE = 15.0
_STREAM_SILENCE = 300.0
_NOT_FETCHED = "it was cancelled while its files were fetched"


class Conductor:
    """Drives one run. The ways to call an endpoint differ; input, files, events, errors and cancelling do not."""

    line: Line
    _workflow_id = ""

    def __init__(
        self, run: Run, endpoint: Endpoint, session: Session, resumes: RunRecord | None = None
    ) -> None:
        self.run = run
        self.endpoint = endpoint
        self._session = session
        self._resumes = resumes
        if resumes is not None:
            run._input, run._is_resumed = dict(resumes.input), True  # noqa: SLF001 - a run is changed by its conductor
        self._record = Recorder(endpoint, resumes)
        run.listen(self._record.event)
        self._task: asyncio.Task[Any] | None = None
        self._ticket: Ticket | EventReader | None = None
        self._is_sending = self._is_mute = False
        self._unwanted = asyncio.Event()
        self._deadline: float | None = None
        self._fetching: asyncio.Future[tuple[Media, ...]] | None = None

    async def start(self, way: Way, limit: float | None = None, reuse: Reuse | None = None) -> None:
        """Begin; with a run of the past where one may be reused and there is one."""
        task = self._task = asyncio.create_task(self._conduct(way, reuse))
        self._session.runs[task] = self.run
        task.add_done_callback(self._session.runs.pop)
        task.add_done_callback(self._never_began)
        if limit is not None:
            timer = asyncio.get_running_loop().call_later(limit, self._time_is_up, limit)
            task.add_done_callback(lambda _task: timer.cancel())
        self.run._obey(self.cancel)  # noqa: SLF001 - a run is changed by its conductor alone

    def cancel(self) -> None:
        """Stop it: at the service where it may be there, else at once."""
        if self.run.is_done or self._unwanted.is_set() or self._task is None:
            return
        self._unwanted.set()
        if self._fetching is not None:
            self._fetching.cancel()
        elif self._ticket is not None:
            self._background(self._cancel_remotely())
        elif self._is_sending:
            self._background(self._lose(None))  # its id is needed to cancel it, and comes with the answer
        else:
            self._task.cancel()

    def _time_is_up(self, limit: float) -> None:
        if not self.run.is_done:
            self._deadline = limit
            self.cancel()

    def _never_began(self, _task: asyncio.Task[Any]) -> None:
        """A task that is cancelled before its first step runs none of its code."""
        if not self.run.is_done:
            error = RunCancelled(f"{self.run.endpoint} was cancelled", endpoint=self.run.endpoint)
            self.run._settle(None, self._end(error))  # noqa: SLF001

    async def past(self, reuse: Reuse) -> RunRecord | None:
        """The run of the past whose result could be taken."""
        await self._connect()
        return await reuse.find(self._origin())

    async def _conduct(self, way: Way, reuse: Reuse | None) -> None:
        run = self.run
        try:
            if reuse and (record := await self.past(reuse)):
                return retell(run, record, is_replay=False)
            await self._connect()
            reply = await way(self)
            media = await self._files_of(reply)
        except asyncio.CancelledError:
            await self._close(None, self._end(self._cancelled()))
        except Exception as error:  # noqa: BLE001 - whatever went wrong, whoever waits must hear of it
            await self._close(None, self._end(error))
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
                cost=self._cost(reply.billable_units),
                stand_in=run.stand_in,
                is_partial=reply.is_partial,
            )
            if not isinstance(run.events[-1] if run.events else None, Output):
                run._publish(Output(reply.data, final=True, raw=reply.data, media=media))  # noqa: SLF001
            await self._close(result, None)

    async def _close(self, result: Result | None, error: Exception | None) -> None:
        """Have its end written down, then tell it to whoever waits."""
        state = status_after(error, is_there=bool(self.run.id)) if error else "succeeded"
        try:
            self._warn(await self._record.ended(state, result, error))
        finally:
            self.run._settle(result, error)  # noqa: SLF001

    async def _begin(self, sent: Mapping[str, Any], way: str, draft: Draft) -> None:
        """Have it written down before it is sent, because from then on it may be billed."""
        asked = versioned(draft.data, self._workflow_id)
        self._warn(await self._record.begin(sent, way, self._origin(), draft.files, asked))

    def _warn(self, doubts: Iterable[str]) -> None:
        for doubt in doubts:
            self.run._publish(Log(doubt, level="WARNING"))  # noqa: SLF001

    def _origin(self) -> str:
        return EMBEDDED if self.line.is_embedded else origin(self.line.service.hosts.queue)

    async def _connect(self) -> None:
        self.line = await self._session.line(self.endpoint)

    async def _collect(self, output: Any, request_id: str) -> tuple[Media, ...]:
        return await self.line.collector.collect(output, request_id)

    def _cost(self, units: float | None) -> float | None:
        return self.line.prices.cost(self.endpoint, units)

    async def _ask_to_stop(self) -> None:
        if isinstance(self._ticket, Ticket):
            await self.line.service.cancel(self._ticket)

    async def _files_of(self, reply: Reply) -> tuple[Media, ...]:
        """The files of a result. Once it is here, cancelling gives up on its files and not on the result."""
        work = asyncio.ensure_future(self._collect(reply.data, reply.request_id or self.run.id))
        self._fetching = work
        await asyncio.wait({work})
        if work.cancelled():
            return tuple(replace(media, problem=_NOT_FETCHED) for media in find_media(reply.data))
        return work.result()

    def _cancelled(self) -> Exception:
        about = {"endpoint": self.run.endpoint, "request_id": self.run.id}
        if self._is_mute and self._ticket is None:
            return RunUnknown(
                f"{self.run.endpoint} was cancelled before the service answered, so whether it runs is not known",
                hint="look for it in the service's own list of requests",
                **about,
            )
        if self._resumes is not None and not self._unwanted.is_set():
            return RunUnknown(f"{self.run.endpoint} is followed no more: this program ended", **about)
        unconfirmed = "; the service did not confirm it" if self._is_mute else ""
        return RunCancelled(f"{self.run.endpoint} was cancelled{unconfirmed}", **about)

    def _end(self, error: Exception) -> Exception:
        """Tell the last event of a run that ended badly, and give the error that says it best."""
        # A service may forget a request that it cancelled.
        is_gone = isinstance(error, ServiceError) and error.status == HTTPStatus.NOT_FOUND
        if self._unwanted.is_set() and self._ticket and is_gone:
            error = self._cancelled()
        if self._deadline is not None and isinstance(error, (RunCancelled, StreamBroken)):
            unconfirmed = "; the service did not confirm it" if self._is_mute else ""
            error = RunTimeout(
                f"{self.run.endpoint} took longer than {self._deadline:g} s and was cancelled{unconfirmed}",
                endpoint=self.run.endpoint,
                request_id=self.run.id,
            )
        if self._resumes is not None and not isinstance(error, RunError):
            # Only the service's word on the run itself ends it: that nobody could be asked does not.
            error = RunUnknown(
                f"what became of {self.run.endpoint} could not be learnt: {error.args[0] if error.args else error!r}",
                endpoint=self.run.endpoint,
                request_id=self.run.id,
                hint=getattr(error, "hint", ""),
            )
        last = self.run.events[-1] if self.run.events else None
        if not isinstance(last, Failed):
            self.run._publish(end_event(error))  # noqa: SLF001
        return error

    async def queued(self, draft: Draft, options: Mapping[str, Any]) -> Reply:
        """By the queue: submit, follow, fetch."""
        sent = await self._prepare(draft, "queue")
        service = self.line.service
        headers = {**options.get("headers", {}), **name_header(service.hosts, self._record.id)}
        self._is_sending = True
        try:
            ticket = await service.submit(
                self.endpoint, sent, unwanted=self._unwanted, **{**options, "headers": headers}
            )
        finally:
            self._is_sending = False
        return await self.followed(ticket)

    async def followed(self, ticket: Ticket) -> Reply:
        """By a request that is in the queue already."""
        self._ticket = ticket
        self.run._accept(ticket.request_id, ticket.stand_in)  # noqa: SLF001
        self._record.accepted(
            ticket.request_id,
            status_url=ticket.status_url,
            response_url=ticket.response_url,
            cancel_url=ticket.cancel_url,
            stand_in=ticket.stand_in,
        )
        if self._unwanted.is_set():
            self._background(self._cancel_remotely())
        reader = StatusReader()
        async for event in self.line.service.follow(ticket, reader):
            self.run._publish(event)  # noqa: SLF001
        return await self.line.service.result(self.endpoint, ticket, reader)

    async def attached(self, request_id: str) -> Reply:
        """By a request that was submitted before, maybe by another process."""
        if self._resumes is None:
            self._record.attach(request_id, self._origin())
        else:
            check_place(self._resumes, self._origin())
        return await self.followed(self._ticket_of(request_id))

    async def remembered(self, reply: Reply) -> Reply:
        """By what the service has on record of a request that was sent before."""
        return reply

    def _ticket_of(self, request_id: str) -> Ticket:
        """How to ask after a request: at the addresses that the service gave, where it is there still."""
        hosts, record = self.line.service.hosts, self._resumes
        if record:
            given = (record.status_url, record.response_url, record.cancel_url)
            if all(hosts.may_have_key(url) for url in given):
                return Ticket(request_id, *given, None, record.stand_in)
        return Ticket.of(hosts, self.endpoint, request_id)

    async def direct(self, draft: Draft, headers: Mapping[str, str]) -> Reply:
        """By a direct call."""
        return await self.line.service.run(self.endpoint, await self._prepare(draft, "direct"), headers)

    async def streamed(self, draft: Draft, headers: Mapping[str, str]) -> Reply:
        """By a stream; what each event brings is fetched before it is told."""
        sent = await self._prepare(draft, "stream")
        about: dict[str, str] = {}
        last: Event | None = None
        async for event in self.line.service.stream(
            self.endpoint, sent, headers=headers, silence=_STREAM_SILENCE, about=about
        ):
            if not last:
                self.run._accept(about["request_id"], about["stand_in"])  # noqa: SLF001
                self._record.accepted(about["request_id"], stand_in=about["stand_in"])
            last = await self._with_files(event)
            self.run._publish(last)  # noqa: SLF001
            if isinstance(last, Failed):
                raise self._failure(last)
        if not isinstance(last, Output):
            raise StreamBroken(f"the stream of {self.run.endpoint} ended without giving anything")
        return Reply(last.data, about["request_id"], stand_in=about["stand_in"])

    async def _prepare(self, draft: Draft, way: str) -> dict[str, Any]:
        if self._session.validates:
            line = self.line
            self._warn(
                await check_input(line.schemas, self.endpoint, draft.data, is_embedded=line.is_embedded)
            )
        serves = self.line.service.hosts.serves
        sent = await draft.sent(self.line.uploader, serves, self.run._note_upload)  # noqa: SLF001
        self.run._input = sent  # noqa: SLF001
        await self._begin(sent, way, draft)
        return sent

    async def _with_files(self, event: Event) -> Event:
        if isinstance(event, StepFinished):
            media = await self._collect(event.output, self.run.id)
        elif isinstance(event, Output):
            media = await self._collect(event.data, self.run.id)
        else:
            return event
        return replace(event, media=media) if media else event

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

    async def _cancel_remotely(self) -> None:
        """Ask the service; following the run tells whether it did."""
        with contextlib.suppress(NbkitError):  # it may have ended meanwhile
            await self._ask_to_stop()
        await self._lose(self._ticket)

    async def _lose(self, ticket: Ticket | EventReader | None) -> None:
        """Give the run some time to end, or to go on, by the service's word; a service that is mute loses it."""
        await asyncio.sleep(_CANCEL_GRACE)
        if not self.run.is_done and self._task is not None and self._ticket is ticket:
            self._is_mute = True
            self._task.cancel()

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._session.tasks.add(task)
        task.add_done_callback(self._session.tasks.discard)


def check_place(record: RunRecord, place: str) -> None:
    """Make sure that a run of the history is asked after where it is. A server of this machine may have moved.

    Raises:
        InputError: It is somewhere else.
    """
    if record.origin != place and not (is_loopback(record.origin) and is_loopback(place)):
        raise InputError(
            f"it is at {record.origin}, and {record.endpoint} leads to {place} now",
            hint="resume it with a client, or a connection, that leads there",
        )
