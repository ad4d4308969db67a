"""What both clients do: start runs, and ask after requests. Everything here happens on the network thread."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nbkit.client.conduct import Conductor
from nbkit.client.dify import DifyConductor, status_of, stop_run
from nbkit.client.dify_app import AppQuestions
from nbkit.client.realtime import Opening
from nbkit.client.replay import ReplayConductor, address_of, kept_schema, record_of, status_of_record
from nbkit.client.reuse import CANNOT_ASK, Reuse, confirmed, mode_for
from nbkit.client.run import Run, Stream
from nbkit.config import is_replay
from nbkit.errors import InputError
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Log
from nbkit.providers.files import as_upload
from nbkit.providers.inputs import Draft
from nbkit.transport.loop import hand_over, wait
from nbkit.wire.fal.queue import Ticket, read_status, submit_headers
from nbkit.wire.fal.storage import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from nbkit.client.session import Session
    from nbkit.history import RunRecord
    from nbkit.model.price import Price
    from nbkit.model.schema import Schema
    from nbkit.model.status import Status
    from nbkit.providers.fal import FalService
    from nbkit.providers.reply import Reply
    from nbkit.providers.uploads import OnProgress

AnyRun = TypeVar("AnyRun", bound=Run)


class Calls:
    """The calls of one client."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def submit(
        self,
        endpoint: str,
        payload: Mapping[str, Any],
        options: Mapping[str, Any],
        timeout: float | None = None,
        reuse: str | None = None,
    ) -> Run:
        """Start a run by the queue.

        Raises:
            InputError: The endpoint or an option is not one.
        """
        webhook = options.get("webhook_url")
        given = {name: value for name, value in options.items() if value is not None}
        for name in sorted(_OF_DIFY & given.keys()):
            if Endpoint.parse(endpoint).provider != "dify":
                raise InputError(f"{name} is an option of Dify's workflows", field=name)
        if "workflow_id" in given:
            given["workflow_id"] = clean_id(given["workflow_id"], "workflow_id")
        submit_headers(**{name: given[name] for name in given.keys() - _NO_HEADERS})
        call = _Call("queue", lambda way, draft: way.queued(draft, given), str(given.get("workflow_id", "")))
        # Whoever wants to be told of the end by the service wants the service to do it.
        return self._start(Run, endpoint, payload, call, timeout=timeout, reuse="never" if webhook else reuse)

    def direct(
        self,
        endpoint: str,
        payload: Mapping[str, Any],
        timeout: float | None,
        options: Mapping[str, Any] | None = None,
        reuse: str | None = None,
    ) -> Run:
        """Start a direct call.

        Raises:
            InputError: The endpoint or an option is not one.
        """
        headers = submit_headers(**(options or {}))
        call = _Call("direct", lambda way, draft: way.direct(draft, headers))
        return self._start(Run, endpoint, payload, call, timeout=timeout, reuse=reuse)

    def stream(
        self,
        endpoint: str,
        payload: Mapping[str, Any],
        headers: Mapping[str, str] | None,
        timeout: float | None,
        reuse: str | None = None,
    ) -> Stream:
        """Start a streamed call.

        Raises:
            InputError: The endpoint or a header is not one.
        """
        sent = submit_headers(headers=headers)
        call = _Call("stream", lambda way, draft: way.streamed(draft, sent))
        return self._start(Stream, endpoint, payload, call, timeout=timeout, reuse=reuse)

    def attach(self, endpoint: str, request_id: str) -> Run:
        """Follow a request that was submitted before."""
        known = clean_id(request_id)
        call = _Call("attach", lambda way, _draft: way.attached(known))
        run = self._start(Run, endpoint, {}, call, reuse="never")
        run._attached(known)  # noqa: SLF001
        return run

    def resume(self, record: RunRecord, reply: Reply | None = None) -> Run:
        """Go on with a run of the history that this process has claimed.

        Args:
            record: The run.
            reply: What the service has on record of it, where it cannot be followed.
        """
        known = clean_id(record.request_id)

        def way(conductor: Conductor, _draft: Draft) -> Coroutine[Any, Any, Reply]:
            return conductor.remembered(reply) if reply else conductor.attached(known)

        run = self._start(Run, record.endpoint, {}, _Call("attach", way), reuse="never", resumes=record)
        run._attached(known)  # noqa: SLF001
        return run

    async def status(self, endpoint: str, request_id: str, *, logs: bool) -> Status:
        """Ask for the state of a request."""
        app = Endpoint.parse(endpoint)
        if is_replay():
            record = await asyncio.to_thread(record_of, app, clean_id(request_id))
            return await asyncio.to_thread(status_of_record, record, logs=logs)
        if app.provider == "dify":
            return await status_of(self.session, app, clean_id(request_id))
        service, ticket = await self._ticket(endpoint, request_id)
        return read_status(await service.status(ticket, logs=logs), logs=logs)

    async def cancel(self, endpoint: str, request_id: str) -> str:
        """Ask the service to cancel a request."""
        if (app := Endpoint.parse(endpoint)).provider == "dify":
            return await stop_run(self.session, app, clean_id(request_id))
        service, ticket = await self._ticket(endpoint, request_id)
        return await service.cancel(ticket)

    async def upload(
        self,
        data: Any,
        content_type: str | None,
        file_name: str | None,
        lifecycle: Lifecycle,
        *,
        endpoint: str | None,
        on_progress: OnProgress | None,
    ) -> Any:
        """Upload one file; here a text can only be a path."""
        app = Endpoint.parse(endpoint) if endpoint else None
        named = Path(data) if isinstance(data, str) else data
        file = await asyncio.to_thread(as_upload, named, content_type=content_type, file_name=file_name)
        if file is None:
            raise InputError(
                f"{data!r:.60} ({type(data).__name__}) is not a file",
                field="data",
                hint="give a pathlib.Path, bytes, an open file or a PIL image",
            )
        if is_replay():
            return await asyncio.to_thread(address_of, file)
        if app and app.provider == "dify":
            if lifecycle != Lifecycle.of(None, None):
                raise InputError(
                    "expires_in and acl are for fal's files: Dify decides for itself", field="expires_in"
                )
            return await (await self.session.dify(app)).uploader.upload(file, on_progress=on_progress)
        line = await self.session.line(app)
        return await line.uploader.upload(file, lifecycle, on_progress)

    async def schema(self, endpoint: str) -> Schema:
        """Ask what an endpoint takes and gives."""
        app = Endpoint.parse(endpoint)
        if is_replay():
            return await asyncio.to_thread(kept_schema, app)
        if app.provider == "dify":
            return await (await self.session.dify(app)).forms.get(app)
        return await (await self.session.line(app)).schemas.get(app)

    async def price(self, endpoint: str) -> Price | None:
        """Ask what a unit of an endpoint's work costs."""
        app = Endpoint.parse(endpoint)
        if app.provider == "dify" or is_replay():
            return None  # Dify has no prices, and the history knows what each run cost
        return await (await self.session.line(app)).prices.get(app)

    def dify(self, name: str) -> AppQuestions:
        """The questions to a Dify app, by the name of its connection."""
        return AppQuestions(self.session, Endpoint.parse(f"dify/{name.removeprefix('dify/')}"))

    def realtime(
        self,
        endpoint: str,
        use_token: bool,  # noqa: FBT001
        token_expiration: int,
        max_buffering: int | None,
    ) -> Opening:
        """A realtime session that is to be opened."""
        return Opening(
            self.session,
            endpoint,
            use_token=use_token,
            token_expiration=token_expiration,
            max_buffering=max_buffering,
        )

    async def _ticket(self, endpoint: str, request_id: str) -> tuple[FalService, Ticket]:
        app = Endpoint.parse(endpoint)
        service = (await self.session.line(app)).service
        return service, Ticket.of(service.hosts, app, clean_id(request_id))

    def _start(
        self,
        kind: type[AnyRun],
        endpoint: str,
        payload: Mapping[str, Any],
        call: _Call,
        *,
        timeout: float | None = None,
        reuse: str | None = None,
        resumes: RunRecord | None = None,
    ) -> AnyRun:
        if timeout is not None and not timeout > 0:
            raise InputError("timeout is a number of seconds above 0", field="timeout")
        app, draft = Endpoint.parse(endpoint), Draft.of(payload)
        run = kind(app, draft.data)
        mode = mode_for(app, reuse)
        if is_replay():
            hand_over(ReplayConductor(run, app).start(lambda conductor: call.way(conductor, draft)))
            return run
        conductor = (DifyConductor if app.provider == "dify" else Conductor)(run, app, self.session, resumes)
        chosen = None if mode == "never" else Reuse(app, draft, call.name, call.version)
        if mode == "ask" and chosen:
            chosen = _asked(conductor, chosen)
        hand_over(conductor.start(lambda conductor: call.way(conductor, draft), timeout, chosen))
        return run


@dataclass(frozen=True, slots=True)
class _Call:
    """One way to call an endpoint.

    Attributes:
        name: What it is called in the history.
        way: What a conductor does.
        version: Which published version is called, an empty string for the current one.
    """

    name: str
    way: Callable[[Any, Draft], Coroutine[Any, Any, Any]]
    version: str = ""


def _asked(conductor: Conductor, reuse: Reuse) -> Reuse | None:
    """Ask in the caller's thread, where a kernel or terminal can; None for no."""
    record = wait(conductor.past(reuse))
    answer = confirmed(record) if record else False
    if answer is None:
        conductor.run._publish(Log(CANNOT_ASK, level="WARNING"))  # noqa: SLF001 - nothing else changes it yet
    return replace(reuse, chosen=record) if answer else None


_OF_DIFY = frozenset({"response_mode", "workflow_id"})
_NO_HEADERS = _OF_DIFY | {"webhook_url", "max_queue_length"}


def clean_id(text: str, field: str = "request_id") -> str:
    """An id that is safe to put into an address."""
    clean = str(text).strip()
    if not clean or not all(char.isalnum() or char in "-_." for char in clean) or clean.strip(".") == "":
        raise InputError(f"{text!r:.60} is not a {field.replace('_', ' ')}", field=field)
    return clean
