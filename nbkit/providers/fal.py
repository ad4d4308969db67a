"""The conversation with fal, or with a server that speaks its protocol."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from nbkit.errors import (
    ConnectionFailed,
    NbkitError,
    RequestLost,
    RunUnknown,
    ServiceError,
    StreamBroken,
)
from nbkit.model.address import is_loopback, shown
from nbkit.model.event import Event, Failed
from nbkit.providers.reply import is_page, parsed, reply_of, run_error
from nbkit.transport.http import Answer, Transport
from nbkit.wire.fal.queue import STAND_IN_HEADER, StatusReader, Ticket, read_ticket, submit_headers
from nbkit.wire.fal.refusals import Refusal, read_refusal
from nbkit.wire.fal.stream import model_event, parse, workflow_event
from nbkit.wire.sse import Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from nbkit.credentials import Key
    from nbkit.model.endpoint import Endpoint
    from nbkit.providers.reply import Reply
    from nbkit.wire.fal.addresses import Hosts

_FIRST_STATUS_WITHIN = 3.0
_LAST_WORD_WITHIN = 0.01
_STATUS_SILENCE = 45.0
_QUICKEST_POLL, _SLOWEST_POLL = 0.15, 5.0
_OUTAGE, _OUTAGE_NEAR = 120.0, 5.0  # near: the local server needs about half a second to start again
_STREAM_ATTEMPTS = 4
_LOOK_FIRST = (
    "it was not sent again, because it may run and be billed: look for it in the service's own list of requests "
    "before you repeat it"
)
_PAGE = "a web page came instead of an answer; something between here and the service answers in its place"
_EVENT_STREAM = {"accept": "text/event-stream", "cache-control": "no-store"}


class FalService:
    """One service at its addresses, with a key.

    Args:
        hosts: Where it is.
        key: The key; None where it wants none.
        unknown_hint: What to advise when it does not know an endpoint.
    """

    def __init__(self, hosts: Hosts, key: Key | None = None, *, unknown_hint: str = "") -> None:
        self.hosts = hosts
        self._key = key
        self._unknown_hint = unknown_hint
        self.transport = Transport(self.authorization, dict(hosts.backups))

    def authorization(self, url: str) -> str | None:
        """The `Authorization` value for an address; None where there is no key, or it may not go there."""
        return f"Key {self._key.reveal()}" if self._key and self.hosts.may_have_key(url) else None

    async def submit(
        self,
        endpoint: Endpoint,
        payload: Mapping[str, Any],
        *,
        webhook_url: str | None = None,
        max_queue_length: int | None = None,
        unwanted: asyncio.Event | None = None,
        **options: Any,
    ) -> Ticket:
        """Put a request into the queue. It is sent once, unless it certainly did not arrive.

        Args:
            endpoint: What to call.
            payload: Its input.
            webhook_url: Where the service posts the result.
            max_queue_length: Refuse it where more requests than this are ahead.
            unwanted: Once it is set, the request is not sent again.
            **options: As `submit_headers` takes them.

        Raises:
            ServiceError: The service refused it; nothing was started.
            ConnectionFailed: The service was never reached.
            RunUnknown: It was sent, and whether it runs is not known.
        """
        url = self.hosts.submit(endpoint, webhook_url=webhook_url or "", max_queue_length=max_queue_length)
        doing = f"submitting to {endpoint}"
        headers = submit_headers(**options)
        answer = await self._post(endpoint, url, payload, doing, headers=headers, unwanted=unwanted)
        return read_ticket(parsed(answer), answer.headers, self.hosts, endpoint)

    async def run(
        self, endpoint: Endpoint, payload: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Call an endpoint directly and wait for its output; closing the connection cancels it.

        Args:
            endpoint: What to call.
            payload: Its input.
            headers: Options, as `submit_headers` gives them.

        Raises:
            ServiceError: The service or the model refused it.
            ConnectionFailed: The service was never reached.
            RunUnknown: It was sent, and what became of it is not known.
        """
        url = self.hosts.direct(endpoint)
        answer = await self._post(
            endpoint, url, payload, f"running {endpoint}", headers=headers, read_timeout=None
        )
        if is_page(answer):
            raise RunUnknown(f"running {endpoint}: {_PAGE}", endpoint=str(endpoint), hint=_LOOK_FIRST)
        return reply_of(answer)

    async def _post(
        self,
        endpoint: Endpoint,
        url: str,
        payload: Mapping[str, Any],
        doing: str,
        *,
        headers: Mapping[str, str] | None = None,
        read_timeout: float | None = 120.0,
        unwanted: asyncio.Event | None = None,
    ) -> Answer:
        try:
            answer = await self.transport.send(
                "POST",
                url,
                json=payload,
                headers=headers,
                may_bill=True,
                read_timeout=read_timeout,
                unwanted=unwanted,
            )
        except RequestLost as error:
            raise RunUnknown(f"{doing}: {error}", endpoint=str(endpoint), hint=_LOOK_FIRST) from error
        if answer.status < 300:  # noqa: PLR2004
            return answer
        raise self._refused(doing, endpoint, self.refusal(answer.status, answer.headers, answer.content))

    def _refused(self, doing: str, endpoint: Endpoint, refusal: Refusal) -> ServiceError | RunUnknown:
        """The error for a refused request that may bill."""
        if refusal.status >= 500 and not refusal.request_id:  # noqa: PLR2004 - a proxy speaks: the service may be at work
            return RunUnknown(
                f"{doing}: {refusal.message} (HTTP {refusal.status})",
                endpoint=str(endpoint),
                hint=_LOOK_FIRST,
            )
        return refusal.error(doing, hint=self._unknown_hint if refusal.status == HTTPStatus.NOT_FOUND else "")

    def refusal(self, status: int, headers: Mapping[str, str], content: bytes) -> Refusal:
        """Read an unhappy answer; a service that repeats the key does not get it shown."""
        secret = self._key.reveal().encode() if self._key else b""
        return read_refusal(status, headers, content.replace(secret, b"<key>") if secret else content)

    async def follow(self, ticket: Ticket, reader: StatusReader) -> AsyncIterator[Event]:
        """The events of a request until the service says that it is completed.

        Status events are pushed. Where the service has no such stream, where it breaks, or where something on the
        way holds it back, the status is asked for instead, quickly at first and slower as the run grows old.

        Raises:
            ServiceError: The service does not know the request, or refuses to tell.
        """
        for _attempt in range(_STREAM_ATTEMPTS):
            told = False
            try:
                async for event in self._pushed(ticket, reader):
                    told = True
                    yield event
            except (ConnectionFailed, RequestLost, StreamBroken):
                pass
            if not reader.completed:
                for event in await self._asked(ticket, reader):
                    yield event
            if reader.completed or not told:
                break
        async for event in self._polled(ticket, reader):
            yield event

    async def _pushed(self, ticket: Ticket, reader: StatusReader) -> AsyncIterator[Event]:
        url = ticket.asking(pushed=True)
        async with self.transport.open(
            "GET", url, headers=_EVENT_STREAM, read_timeout=_STATUS_SILENCE
        ) as opened:
            if opened.status != 200 or not _is_event_stream(opened.headers):  # noqa: PLR2004
                return
            decoder, chunks = Decoder(), opened.chunks
            limit: float | None = _FIRST_STATUS_WITHIN
            while not reader.completed:
                try:
                    async with asyncio.timeout(limit):
                        chunk = await anext(chunks)
                except (StopAsyncIteration, TimeoutError):
                    return
                limit = None
                for sent in decoder.feed(chunk):
                    for event in reader.read(parse(sent.data)):
                        yield event
            # Its end follows at once, and a connection that was read to its end can fetch the result.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD_WITHIN):
                    await anext(chunks, None)

    async def _polled(self, ticket: Ticket, reader: StatusReader) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not reader.completed:
            age = loop.time() - begun
            await asyncio.sleep(min(_SLOWEST_POLL, _QUICKEST_POLL + age / 20))
            for event in await self._asked(ticket, reader):
                yield event

    async def _asked(self, ticket: Ticket, reader: StatusReader) -> list[Event]:
        """Ask for the status, through an outage of some seconds: the request is at the service, come what may."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + (_OUTAGE_NEAR if is_loopback(ticket.status_url) else _OUTAGE)
        while True:
            trouble: NbkitError
            try:
                body = await self.status(ticket, logs=True)
                if isinstance(body, dict) and isinstance(body.get("status"), str):
                    return reader.read(body)
                trouble = ServiceError(f"what {shown(ticket.status_url)} answers is no status", status=200)
            except (ConnectionFailed, RequestLost, ServiceError) as error:
                if isinstance(error, ServiceError) and error.status < 500:  # noqa: PLR2004
                    raise
                trouble = error
            if loop.time() > give_up:
                trouble.hint = (
                    f"request {ticket.request_id} may go on there: client.attach(…) follows it again"
                )
                raise trouble
            await asyncio.sleep(_SLOWEST_POLL / 5)

    async def status(self, ticket: Ticket, *, logs: bool = False) -> Any:
        """The status answer as the service gives it.

        Raises:
            ServiceError: The service does not know the request, or refuses to tell.
        """
        answer = await self.transport.send("GET", ticket.asking(logs=logs))
        if answer.status >= 300:  # noqa: PLR2004
            raise self.refusal(answer.status, answer.headers, answer.content).error(
                f"asking for request {ticket.request_id}"
            )
        return parsed(answer)

    async def result(self, endpoint: Endpoint, ticket: Ticket, reader: StatusReader | None = None) -> Reply:
        """The output of a completed request.

        Raises:
            RunFailed: The model failed, or refused its input.
            RunCancelled: It was cancelled.
            ServiceError: It is not completed, or the service does not know it.
        """
        answer = await self.transport.send("GET", ticket.response_url, read_timeout=120.0)
        if is_page(answer):
            raise RunUnknown(
                f"reading request {ticket.request_id}: {_PAGE}",
                endpoint=str(endpoint),
                request_id=ticket.request_id,
                hint=f"try again with client.result({str(endpoint)!r}, {ticket.request_id!r})",
            )
        if answer.status < 300:  # noqa: PLR2004
            return reply_of(answer, reader.metrics if reader else {}, ticket)
        refusal = self.refusal(answer.status, answer.headers, answer.content)
        if reader is None or not reader.completed:
            raise refusal.error(f"reading request {ticket.request_id}")
        if refusal.status >= 500 and not refusal.request_id and not reader.error:  # noqa: PLR2004 - a proxy speaks
            raise RunUnknown(
                f"{endpoint} is over, but its result cannot be fetched: {refusal.message} (HTTP {refusal.status})",
                endpoint=str(endpoint),
                request_id=ticket.request_id,
                hint=f"try again with client.result({str(endpoint)!r}, {ticket.request_id!r})",
            )
        raise run_error(endpoint, ticket, refusal, reader)

    async def cancel(self, ticket: Ticket) -> str:
        """Ask the service to cancel a request, and return its word for what it did.

        Raises:
            ServiceError: The service does not know the request, or refuses.
        """
        answer = await self.transport.send("PUT", ticket.cancel_url, read_timeout=10.0, attempts=3)
        body = parsed(answer)
        status = body.get("status") if isinstance(body, dict) else None
        if answer.status >= 300 and status != "ALREADY_COMPLETED":  # noqa: PLR2004
            raise self.refusal(answer.status, answer.headers, answer.content).error(
                f"cancelling request {ticket.request_id}"
            )
        return str(status or "OK")

    async def stream(
        self,
        endpoint: Endpoint,
        payload: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        silence: float,
        about: dict[str, str],
    ) -> AsyncIterator[Event]:
        """The events of a streamed call, sent once. Closing the connection cancels it.

        Args:
            endpoint: What to call.
            payload: Its input.
            headers: Options, as `submit_headers` gives them.
            silence: Seconds without a byte after which the stream counts as broken; comments are bytes.
            about: Is told `request_id` and `stand_in` as soon as they are known.

        Raises:
            ServiceError: The service or the model refused it.
            ConnectionFailed: The service was never reached.
            StreamBroken: It ended before its end, or went silent.
        """
        read = workflow_event if endpoint.is_workflow else model_event
        url = self.hosts.stream(endpoint)
        ended = False
        try:
            async with self.transport.open(
                "POST", url, json=payload, headers={**(headers or {}), **_EVENT_STREAM}, read_timeout=silence
            ) as opened:
                if opened.status >= 300 or not _is_event_stream(opened.headers):  # noqa: PLR2004
                    content = await opened.read()
                    raise self._not_a_stream(opened.status, opened.headers, content, endpoint)
                about["request_id"] = opened.headers.get("x-fal-request-id", "")
                about["stand_in"] = opened.headers.get(STAND_IN_HEADER, "")
                decoder = Decoder()
                async for chunk in opened.chunks:
                    for sent in decoder.feed(chunk):
                        if not sent.data.strip():  # a sign of life, as some servers send it
                            continue
                        event = read(parse(sent.data))
                        yield event
                        ended = isinstance(event, Failed) or getattr(event, "final", False)
                        if ended:  # a connection that stays open has nothing more to say
                            return
        except RequestLost as error:
            raise StreamBroken(
                f"the stream of {endpoint} broke: {error}", hint="it may have run to its end and be billed"
            ) from error
        if decoder.unfinished or (endpoint.is_workflow and not ended):
            raise StreamBroken(
                f"the stream of {endpoint} stopped before its end", hint="it may have run and be billed"
            )

    def _not_a_stream(
        self, status: int, headers: Mapping[str, str], content: bytes, endpoint: Endpoint
    ) -> ServiceError | RunUnknown:
        doing = f"streaming {endpoint}"
        if status >= 300:  # noqa: PLR2004
            return self._refused(doing, endpoint, self.refusal(status, headers, content))
        kind = headers.get("content-type", "no type")
        return ServiceError(
            f"{doing}: the service answered {kind} instead of a stream", status=status, body=content[:2000]
        )


def _is_event_stream(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("text/event-stream")
