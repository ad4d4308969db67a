"""Takes a run of a Dify workflow from its input to its result: streamed, whichever way it was called."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from nbkit.client.checked import check_input
from nbkit.client.conduct import Conductor, check_place
from nbkit.errors import InputError, RunCancelled, RunFailed
from nbkit.history.record import EMBEDDED
from nbkit.model.event import Event, Failed, StepFinished
from nbkit.providers.reply import Reply
from nbkit.wire.dify.events import EventReader
from nbkit.wire.fal.queue import submit_headers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from nbkit.client.dify_line import DifyLine
    from nbkit.client.session import Session
    from nbkit.model.endpoint import Endpoint
    from nbkit.model.media import Media
    from nbkit.model.status import Status
    from nbkit.providers.inputs import Draft

_OPTIONS = frozenset({"response_mode", "workflow_id", "headers", "start_timeout"})
_MODES = ("streaming", "blocking")
_MOST_TASKS = 1000


class DifyConductor(Conductor):
    """Drives one run of a Dify workflow."""

    app: DifyLine
    _collected: tuple[Any, tuple[Media, ...]] | None = None

    async def queued(self, draft: Draft, options: Mapping[str, Any]) -> Reply:
        """By the only way there is; a submit's options that Dify has no word for are refused."""
        strange = sorted(options.keys() - _OPTIONS)
        if strange:
            raise InputError(
                f"{strange[0]} is an option of fal's queue, and Dify has no such", field=strange[0]
            )
        mode = options.get("response_mode", _MODES[0])
        if mode not in _MODES:
            raise InputError(
                f"response_mode is {' or '.join(map(repr, _MODES))}, not {mode!r}", field="response_mode"
            )
        headers = submit_headers(headers=options.get("headers"))
        self._workflow_id = str(options.get("workflow_id", ""))
        return await self._run(draft, headers, mode, options.get("start_timeout"))

    async def direct(self, draft: Draft, headers: Mapping[str, str]) -> Reply:
        """By the only way there is."""
        return await self._run(draft, headers)

    async def streamed(self, draft: Draft, headers: Mapping[str, str]) -> Reply:
        """By the only way there is."""
        return await self._run(draft, headers)

    async def attached(self, request_id: str) -> Reply:
        """By a run that was begun before."""
        task_id = self.app.tasks.get(request_id, "")
        if self._resumes is None:
            self._record.attach(request_id, self._origin())
        else:
            check_place(self._resumes, self._origin())
            task_id = self._resumes.task_id
        reader = EventReader(request_id, task_id)
        return await self._tell(self.app.service.rejoin(self.endpoint, reader), reader)

    def _origin(self) -> str:
        return EMBEDDED if self.app.is_embedded else self.app.service.place.origin

    async def _connect(self) -> None:
        self.app = await self._session.dify(self.endpoint)

    async def _run(
        self,
        draft: Draft,
        headers: Mapping[str, str],
        mode: str = _MODES[0],
        first_within: float | None = None,
    ) -> Reply:
        inputs = await self._prepare(draft, "stream")
        service, reader = self.app.service, EventReader()
        own = {name: value for name, value in headers.items() if not name.startswith("x-fal-")}
        version = self._workflow_id
        if mode == "blocking":
            events = service.blocking(self.endpoint, inputs, reader, workflow_id=version, headers=own)
        else:
            events = service.stream(
                self.endpoint, inputs, reader, workflow_id=version, headers=own, first_within=first_within
            )
        self._is_sending = True
        try:
            return await self._tell(events, reader)
        finally:
            self._is_sending = False

    async def _tell(self, events: AsyncGenerator[Event, None], reader: EventReader) -> Reply:
        """Tell the events of a run, with their files, and give what it gave."""
        failed: Failed | None = None
        async with contextlib.aclosing(events):
            async for event in events:
                self._know(reader)
                told = await self._with_files(event)
                self.run._publish(told)  # noqa: SLF001 - a run is changed by its conductor alone
                failed = told if isinstance(told, Failed) else failed
        self._know(reader)
        outcome = reader.outcome
        assert outcome is not None, "the service tells events until a run is over"  # noqa: S101
        if outcome.is_well:
            return Reply(
                outcome.outputs, reader.run_id, metrics=outcome.metrics, is_partial=outcome.is_partial
            )
        about = {"endpoint": self.run.endpoint, "request_id": reader.run_id}
        if failed is None:
            raise RunCancelled(
                f"{self.run.endpoint} was stopped: {outcome.error or 'Dify does not say why'}", **about
            )
        raise self._run_failed(failed, reader)

    def _know(self, reader: EventReader) -> None:
        """Note the run's ids as soon as they are told; a wish to stop it may have waited for them."""
        if not reader.run_id or self._ticket is not None:
            return
        self._ticket, self._is_sending = reader, False
        if len(self.app.tasks) >= _MOST_TASKS:
            del self.app.tasks[next(iter(self.app.tasks))]
        if reader.task_id:
            self.app.tasks[reader.run_id] = reader.task_id
        self.run._accept(reader.run_id, self.app.service.stand_in)  # noqa: SLF001
        self.run._answerer = self.answer  # noqa: SLF001
        self._record.accepted(reader.run_id, task_id=reader.task_id)
        if self._unwanted.is_set():
            self._background(self._cancel_remotely())

    async def answer(self, action: str, given: Mapping[str, Any]) -> None:
        """Answer what the run asks a person."""
        forms = self._ticket.forms if isinstance(self._ticket, EventReader) else {}
        if self.run.is_done or not forms:
            raise InputError(f"{self.run.endpoint} asks nobody anything just now")
        name, form = next(iter(forms.items()))
        await self.app.app.answer(form, action, given)
        forms.pop(name, None)

    def _run_failed(self, event: Failed, reader: EventReader) -> RunFailed:
        step = f"step {reader.title or reader.node} ({reader.node}) of " if reader.node else ""
        number = f" (HTTP {event.status})" if event.status else ""
        ids = (("run", reader.run_id), ("task", reader.task_id))
        return RunFailed(
            f"{step}{self.run.endpoint} failed: {event.message}{number}",
            endpoint=self.run.endpoint,
            request_id=reader.run_id,
            status=event.status,
            error_type=event.error_type,
            node=reader.node,
            body=event.raw,
            hint=", ".join(f"{word} {value}" for word, value in ids if value),
        )

    async def _prepare(self, draft: Draft, way: str) -> dict[str, Any]:
        if self._session.validates:
            try:
                doubts = await self._checked(draft.data)
            except InputError as error:
                doubts = [self._doubted(error)]
            self._warn(doubts)
        form = await self.app.forms.form()
        sent = await draft.sent(self.app.uploader, lambda _url: False, self.run._note_upload)  # noqa: SLF001
        try:
            sent = form.shaped(sent)
        except InputError as error:
            self._warn([self._doubted(error)])
        self.run._input = sent  # noqa: SLF001
        await self._begin(sent, way, draft)
        return sent

    def _doubted(self, error: InputError) -> str:
        """An error of an input, as a doubt where another version runs than the one that Dify describes."""
        if not self._workflow_id:
            raise error
        return f"the app's current version would refuse this, and it is sent to {self._workflow_id}: {error.args[0]}"

    async def _checked(self, given: Mapping[str, Any]) -> list[str]:
        """What is doubtful about an input. A form that was kept may be old: it is not believed when it refuses."""
        forms = self.app.forms
        was_kept = forms.is_old
        try:
            return await check_input(forms, self.endpoint, (await forms.form()).to_check(given))
        except InputError:
            if not was_kept:
                raise
            forms.forget()
            return await check_input(forms, self.endpoint, (await forms.form()).to_check(given))

    async def _with_files(self, event: Event) -> Event:
        """A step's files are fetched when it ends; the start gives back only what was sent."""
        is_echo = isinstance(event, StepFinished) and event.endpoint == "start"
        return event if is_echo else await super()._with_files(event)

    async def _collect(self, output: Any, request_id: str) -> tuple[Media, ...]:
        # The result is the last event's output: what could not be fetched a moment ago is not tried again.
        if self._collected is None or self._collected[0] is not output:
            self._collected = output, await self.app.collector.collect(output, request_id)
        return self._collected[1]

    def _cost(self, _units: float | None) -> float | None:
        return None

    async def _ask_to_stop(self) -> None:
        if isinstance(self._ticket, EventReader) and self._ticket.task_id:
            await self.app.service.stop(self._ticket.task_id)


async def status_of(session: Session, endpoint: Endpoint, run_id: str) -> Status:
    """The state of a run, from its record."""
    return (await (await session.dify(endpoint)).service.record(run_id)).as_status()


async def stop_run(session: Session, endpoint: Endpoint, run_id: str) -> str:
    """Ask the server to stop a run.

    Raises:
        InputError: It was begun elsewhere: its task id, by which it is stopped, is told only to whoever begins it.
    """
    line = await session.dify(endpoint)
    task_id = line.tasks.get(run_id)
    if not task_id:
        raise InputError(
            f"run {run_id} was not begun by this client, and Dify tells the id to stop it by only to whoever begins it",
            field="request_id",
        )
    await asyncio.shield(line.service.stop(task_id))
    return "CANCELLATION_REQUESTED"
