"""The conversation with a Dify server: one run, from its only POST to its end, whatever the line does meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConnectionFailed, RequestLost, RunUnknown, ServiceError
from nbkit.model.event import Log
from nbkit.providers.dify_patience import PATIENCE, Patience
from nbkit.transport.http import Answer, Transport
from nbkit.wire.dify.outcome import Outcome, read_outcome
from nbkit.wire.dify.refusals import Refusal, read_refusal
from nbkit.wire.dify.versions import loses_dropped_runs
from nbkit.wire.fal.queue import STAND_IN_HEADER
from nbkit.wire.sse import Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from nbkit.model.endpoint import Endpoint
    from nbkit.model.event import Event
    from nbkit.providers.dify_connection import Connection
    from nbkit.transport.http import Opened
    from nbkit.wire.dify.events import EventReader

_EVENT_STREAM = {"accept": "text/event-stream", "cache-control": "no-store"}
_REJOINED_AT_MOST = 3
_LARGEST_PAGE = 1024 * 1024
_VERSIONS_SINCE = "1.8"  # workflows are run by their version's id since then
_VERSION = re.compile(r"[\w.+-]{1,40}", re.ASCII)
_LOOK_FIRST = (
    "the run may have happened, and may be billed: it was not sent again. Look into the app's logs in Dify before "
    "you repeat it"
)
_MUTE = (
    "Dify 1.13 does so where an input is not valid, and some proxies hold streams back: for those there is "
    'response_mode="blocking"; ' + _LOOK_FIRST
)
_UNSEEN = "the stream is gone, and the server has no second one: what the steps do from here on is not known"
_FORGETFUL = (
    "Dify up to 1.8 never records how a run ended whose stream was dropped, and calls it running for ever; "
    + _LOOK_FIRST
)


class DifyService:
    """One app at one server.

    Args:
        connection: Where it is, and its key.
        user: Who asks; runs are stopped, and files found, by whoever began or sent them.
        patience: How long to wait for what.

    Attributes:
        place: Where it is.
        user: Who asks.
        transport: Its connections.
        version: What the server calls its version, an empty string until it has answered.
        stand_in: The local models that answer at nbkit's own server, an empty string for a genuine one.
    """

    def __init__(self, connection: Connection, user: str, patience: Patience | None = None) -> None:
        self.place = connection.place
        self.user = user
        self.version = ""
        self.stand_in = ""
        self._key = connection.key
        self._patience = patience or PATIENCE
        self.transport = Transport(self.authorization)

    def authorization(self, url: str) -> str | None:
        """The `Authorization` value for an address; None where the key may not go there."""
        return f"Bearer {self._key.reveal()}" if self.place.may_have_key(url) else None

    async def stream(
        self,
        endpoint: Endpoint,
        inputs: Mapping[str, Any],
        reader: EventReader,
        *,
        workflow_id: str = "",
        headers: Mapping[str, str] | None = None,
        first_within: float | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Run the workflow, and tell its events until it is over. It is sent once.

        A stream that breaks, ends too early or goes silent is not the end of the run: it is followed by its id.

        Args:
            endpoint: What to call it in messages.
            inputs: Its inputs.
            reader: Is told everything.
            workflow_id: Which published version to run; the current one where it is empty.
            headers: More header fields.
            first_within: Seconds to wait for the first event.

        Raises:
            ServiceError: The server refused it; nothing was started.
            ConnectionFailed: The server was never reached.
            RunUnknown: It was sent, and what became of it is not known.
        """
        url, body = self.place.run_version(workflow_id), self._body(inputs, "streaming")
        limit = first_within or self._patience.first_event
        why, hint = "the stream ended before the run began", _LOOK_FIRST
        try:
            async with self.transport.open(
                "POST",
                url,
                json=body,
                headers={**(headers or {}), **_EVENT_STREAM},
                read_timeout=self._patience.silence,
            ) as opened:
                self._tell_version(opened.headers, reader)
                if not _is_stream(opened):
                    # A refusal, or the whole run from a server that does not stream.
                    content = await opened.read(_LARGEST_PAGE)
                    for event in reader.conclude(
                        self._outcome(endpoint, opened.status, content, workflow_id)
                    ):
                        yield event
                    return
                async for event in self._told(opened, reader, limit):
                    yield event
        except TimeoutError:
            why, hint = f"the server took it and told nothing for {limit:g} s", _MUTE
        except RequestLost as error:
            why = str(error)
        if reader.outcome is None and not reader.run_id:
            raise RunUnknown(f"running {endpoint}: {why}", endpoint=str(endpoint), hint=hint)
        async for event in self._followed(endpoint, reader, was_dropped=True):
            yield event

    async def blocking(
        self,
        endpoint: Endpoint,
        inputs: Mapping[str, Any],
        reader: EventReader,
        *,
        workflow_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Run the workflow with a single answer, which comes at its end. It is sent once.

        Raises:
            ServiceError: The server refused it; nothing was started.
            ConnectionFailed: The server was never reached.
            RunUnknown: It was sent, and what became of it is not known: a gateway lost patience, say.
        """
        body = self._body(inputs, "blocking")
        try:
            answer = await self.transport.send(
                "POST",
                self.place.run_version(workflow_id),
                json=body,
                headers=headers,
                may_bill=True,
                attempts=1,
                read_timeout=self._patience.blocking,
            )
        except RequestLost as error:
            raise RunUnknown(
                f"running {endpoint}: {error}", endpoint=str(endpoint), hint=_LOOK_FIRST
            ) from error
        self.note(answer.headers)
        outcome = self._outcome(endpoint, answer.status, answer.content, workflow_id)
        reader.run_id, reader.task_id = outcome.run_id, outcome.task_id
        if outcome.is_over:
            for event in reader.conclude(outcome):
                yield event
        async for event in self._followed(endpoint, reader, was_dropped=False):
            yield event

    async def rejoin(self, endpoint: Endpoint, reader: EventReader) -> AsyncGenerator[Event, None]:
        """The events, from now on, of a run that was begun before; of one that is over, its end.

        Raises:
            ServiceError: The server does not know the run, or refuses to tell.
            RunUnknown: What became of it cannot be learnt.
        """
        outcome = await self.record(reader.run_id)
        if outcome.is_over:
            for event in reader.conclude(outcome):
                yield event
        async for event in self._followed(endpoint, reader, was_dropped=False):
            yield event

    async def record(self, run_id: str) -> Outcome:
        """What the server has on record of a run.

        Raises:
            ServiceError: It does not know the run, or refuses to tell.
        """
        answer = await self.transport.send("GET", self.place.detail(run_id), read_timeout=20.0)
        self.note(answer.headers)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self.refusal(answer.status, answer.content).error(f"asking for run {run_id}")
        outcome = read_outcome(_json(answer))
        if outcome is None or not outcome.run_id:  # of what it does not know, an old server tells nulls
            raise ServiceError(f"the server knows no run {run_id}", status=HTTPStatus.NOT_FOUND, body=outcome)
        return outcome

    async def stop(self, task_id: str) -> None:
        """Ask the server to stop a task. It says yes to anything: only the run's own end tells.

        Raises:
            ServiceError: It refused.
        """
        answer = await self.transport.send(
            "POST", self.place.stop(task_id), json={"user": self.user}, read_timeout=10.0, attempts=3
        )
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self.refusal(answer.status, answer.content).error(f"stopping task {task_id}")

    def refusal(self, status: int, content: bytes) -> Refusal:
        """Read an unhappy answer; a server that repeats the key does not get it shown."""
        return read_refusal(status, content.replace(self._key.reveal().encode(), b"<key>"))

    def _body(self, inputs: Mapping[str, Any], mode: str) -> dict[str, Any]:
        return {"inputs": inputs, "response_mode": mode, "user": self.user}

    def note(self, headers: Mapping[str, str]) -> None:
        """Note what an answer tells of the server itself."""
        told = headers.get("x-version", "")
        self.version = told if _VERSION.fullmatch(told) else self.version
        self.stand_in = headers.get(STAND_IN_HEADER, self.stand_in)

    def _outcome(self, endpoint: Endpoint, status: int, content: bytes, workflow_id: str) -> Outcome:
        since = _VERSIONS_SINCE if workflow_id else ""
        doing = f"running {endpoint}"
        refusal = self.refusal(status, content)
        if status >= HTTPStatus.MULTIPLE_CHOICES and not refusal.is_from_gateway:
            raise refusal.error(doing, since, self.version)
        outcome = read_outcome(refusal.body) if status < HTTPStatus.MULTIPLE_CHOICES else None
        if outcome is None or not (outcome.is_over or (outcome.status and outcome.run_id)):
            said = f"HTTP {status}: {refusal.message}"
            raise RunUnknown(
                f"{doing}: no answer from Dify, but {said}", endpoint=str(endpoint), hint=_LOOK_FIRST
            )
        return outcome

    async def _told(
        self, opened: Opened, reader: EventReader, first_within: float | None
    ) -> AsyncGenerator[Event, None]:
        """The events of a stream until the run is over, or the stream is.

        Raises:
            TimeoutError: The first event did not come in time, or none for longer than a run may take: the last one
                was lost, then. Signs of life are no events.
        """
        decoder, chunks, loop = Decoder(), opened.chunks, asyncio.get_running_loop()
        until = None if first_within is None else loop.time() + first_within
        while True:
            async with asyncio.timeout_at(until):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            for sent in decoder.feed(chunk):
                for event in reader.read(sent.data):
                    yield event
                if reader.run_id:  # what no run is named by is no sign of one
                    until = loop.time() + self._patience.followed
                if reader.outcome is not None:  # a stream may stay open after its last word
                    return

    def _tell_version(self, headers: Mapping[str, str], reader: EventReader) -> None:
        self.note(headers)
        reader.version = self.version

    async def _followed(
        self, endpoint: Endpoint, reader: EventReader, *, was_dropped: bool
    ) -> AsyncGenerator[Event, None]:
        """The rest of a run whose stream is gone: by the server's second stream where it has one, else by asking."""
        tries, has_second = _REJOINED_AT_MOST, False
        while tries and reader.outcome is None:
            tries -= 1
            with contextlib.suppress(ConnectionFailed, RequestLost, TimeoutError):
                async with self._reopened(reader) as opened:
                    if not _is_stream(opened):  # servers up to 1.13 do not know the address
                        break
                    has_second = True
                    reader.begin_again()
                    async for event in self._told(opened, reader, None):
                        tries = _REJOINED_AT_MOST
                        yield event
            if reader.outcome is None:
                await asyncio.sleep(self._patience.slowest if reader.is_paused else self._patience.quickest)
                # A person may take days, and streams do not last that long.
                if not tries and reader.is_paused and await self._is_paused(reader):
                    tries = _REJOINED_AT_MOST
        if reader.outcome is None:
            if not has_second:
                yield Log(_UNSEEN, level="WARNING")
            for event in reader.conclude(await self._asked(endpoint, reader, was_dropped=was_dropped)):
                yield event

    async def _is_paused(self, reader: EventReader) -> bool:
        with contextlib.suppress(ConnectionFailed, RequestLost, ServiceError):
            return (await self.record(reader.run_id)).status == "paused"
        return False

    @contextlib.asynccontextmanager
    async def _reopened(self, reader: EventReader) -> AsyncIterator[Opened]:
        async with self.transport.open(
            "GET",
            self.place.events(reader.run_id, self.user),
            headers=_EVENT_STREAM,
            read_timeout=self._patience.silence,
        ) as opened:
            self._tell_version(opened.headers, reader)
            yield opened

    async def _asked(self, endpoint: Endpoint, reader: EventReader, *, was_dropped: bool) -> Outcome:
        """Ask for a run's record until it is over, in bounded time."""
        patience, loop = self._patience, asyncio.get_running_loop()
        is_forgetful = was_dropped and loses_dropped_runs(self.version)
        bound = patience.forgetful if is_forgetful else patience.followed
        begun = loop.time()
        heard = patient_from = begun
        trouble, state = "", "unknown"
        while loop.time() < min(patient_from + bound, heard + patience.outage):
            try:
                outcome = await self.record(reader.run_id)
            except (ConnectionFailed, RequestLost, ServiceError) as error:
                trouble = str(error.args[0])
            else:
                if outcome.is_over:
                    return outcome
                heard, trouble, state = loop.time(), "", outcome.status
                if state == "paused":  # for as long as Dify waits for a person
                    patient_from = heard
            await asyncio.sleep(min(patience.slowest, patience.quickest + (loop.time() - begun) / 20))
        waited = f"{loop.time() - begun:.0f} s"
        still = trouble or f"the server still calls it {state}"
        again = f"it may go on there: client.attach({str(endpoint)!r}, {reader.run_id!r}) follows it again"
        raise RunUnknown(
            f"the stream of {endpoint} is gone, and after {waited} {still}",
            endpoint=str(endpoint),
            request_id=reader.run_id,
            hint=_FORGETFUL if is_forgetful and not trouble else again,
        )


def _is_stream(opened: Opened) -> bool:
    kind = opened.headers.get("content-type", "").lower()
    return opened.status < HTTPStatus.MULTIPLE_CHOICES and kind.startswith("text/event-stream")


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
