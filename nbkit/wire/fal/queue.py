"""The queue: the ticket that a submit gives, and status answers as events.

Facts: fal's "Queue API" reference. Failed and cancelled requests are `COMPLETED` on the wire, with an
`error`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from nbkit.errors import InputError, RunUnknown
from nbkit.model.address import origin
from nbkit.model.event import Event, Log, Queued, Started, Unrecognised
from nbkit.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbkit.model.endpoint import Endpoint
    from nbkit.wire.fal.addresses import Hosts

STAND_IN_HEADER = "x-nbkit-stand-in"
_SHORTEST_START_TIMEOUT = 0.1


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a submit gives: the id of the request and the addresses to ask.

    Attributes:
        request_id: The service's id.
        status_url: Where its status is.
        response_url: Where its result will be.
        cancel_url: Where to cancel it.
        position: How many were ahead of it, None where the service does not say.
        stand_in: The local model that will answer in place of the endpoint, or an empty string.
    """

    request_id: str
    status_url: str
    response_url: str
    cancel_url: str
    position: int | None = None
    stand_in: str = ""

    @classmethod
    def of(cls, hosts: Hosts, endpoint: Endpoint, request_id: str) -> Ticket:
        """The ticket of a request that was submitted before."""
        url = hosts.request(endpoint, request_id)
        return cls(request_id, f"{url}/status", url, f"{url}/cancel")

    def asking(self, *, pushed: bool = False, logs: bool = True) -> str:
        """Where to ask for its status, or where status events are pushed."""
        parts = urlsplit(self.status_url)
        path = parts.path.rstrip("/") + ("/stream" if pushed else "")
        query = "&".join(filter(None, (parts.query, f"logs={int(logs)}")))
        return urlunsplit(parts._replace(path=path, query=query, fragment=""))


def read_ticket(body: Any, headers: Mapping[str, str], hosts: Hosts, endpoint: Endpoint) -> Ticket:
    """Read the answer to a submit; addresses that it does not give are made from its id.

    Raises:
        RunUnknown: It has no request id.
    """
    named = body if isinstance(body, dict) else {}
    request_id = named.get("request_id")
    if not isinstance(request_id, str) or not request_id:
        raise RunUnknown(
            f"{endpoint} took the request but gave no request id, so it cannot be followed",
            endpoint=str(endpoint),
            hint="it may run and be billed: look for it in the service's own list of requests",
        )
    made = Ticket.of(hosts, endpoint, request_id)
    return Ticket(
        request_id,
        _address(named.get("status_url")) or made.status_url,
        _address(named.get("response_url")) or made.response_url,
        _address(named.get("cancel_url")) or made.cancel_url,
        position=_position(named),
        stand_in=headers.get(STAND_IN_HEADER, ""),
    )


def submit_headers(
    *,
    priority: str | None = None,
    hint: str | None = None,
    start_timeout: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The options of a submit as header fields (fal docs: "Platform headers").

    Raises:
        InputError: An option has a value that the service does not take.
    """
    if priority not in (None, "normal", "low"):
        raise InputError(f"priority is 'normal' or 'low', not {priority!r}", field="priority")
    if start_timeout is not None and not start_timeout > _SHORTEST_START_TIMEOUT:
        raise InputError(
            f"start_timeout is more than {_SHORTEST_START_TIMEOUT} seconds", field="start_timeout"
        )
    sent = {name.lower(): str(value) for name, value in (headers or {}).items()}
    if "authorization" in sent:
        raise InputError("headers may not hold a key", field="headers", hint="pass it as key=… to the client")
    if priority:
        sent["x-fal-queue-priority"] = priority
    if hint:
        sent["x-fal-runner-hint"] = str(hint)
    if start_timeout is not None:
        sent["x-fal-request-timeout"] = str(float(start_timeout))
    for name, value in sent.items():
        if not value.isascii() or (value and not value.isprintable()):
            raise InputError(f"{name} is not text that a header can hold: {value!r:.60}", field=name)
    return sent


@dataclass(slots=True)
class StatusReader:
    """Turns the status answers of one request, pushed or polled, into events, each told once.

    Polled logs are a moving window and pushed ones only what is new, so a line is known by its time and text.

    Attributes:
        completed: Whether the service said `COMPLETED`: ended well, failed or cancelled.
        error: The service's words for a failure, or an empty string.
        error_type: Its machine-readable word, or an empty string.
        metrics: What it measured.
    """

    completed: bool = False
    error: str = ""
    error_type: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    _last: tuple[Any, ...] = ()
    _logged: set[tuple[str, str]] = field(default_factory=set)

    def read(self, body: Any) -> list[Event]:
        """Take one status answer and return what is new in it."""
        named = body if isinstance(body, dict) else {}
        status = named.get("status")
        events = list(self._transition(named, status, body))
        events.extend(self._logs(named.get("logs")))
        if status == "COMPLETED":
            self.completed = True
            self.error = _text(named.get("error"))
            self.error_type = _text(named.get("error_type"))
            metrics = named.get("metrics")
            self.metrics = metrics if isinstance(metrics, dict) else {}
        return events

    def _transition(self, named: Mapping[str, Any], status: Any, body: Any) -> Iterator[Event]:
        now = (status, _position(named)) if status == "IN_QUEUE" else (status,)
        if now == self._last:
            return
        self._last = now
        if status == "IN_QUEUE":
            yield Queued(_position(named), raw=body)
        elif status == "IN_PROGRESS":
            yield Started(raw=body)
        elif status != "COMPLETED":
            yield Unrecognised(str(status)[:80], raw=body)

    def _logs(self, logs: Any) -> Iterator[Event]:
        for entry in logs if isinstance(logs, list) else ():
            if not isinstance(entry, dict):
                continue
            message, timestamp = _log_text(_text(entry.get("message"))), _text(entry.get("timestamp"))
            if (timestamp, message) not in self._logged:
                self._logged.add((timestamp, message))
                yield Log(message, timestamp, _text(entry.get("level")), raw=entry)


def _log_text(message: str) -> str:
    """A log line; an uncaught exception of a model comes as JSON with its traceback."""
    if message.startswith('{"traceback"'):
        try:
            return _text(json.loads(message)["traceback"]).rstrip()
        except (ValueError, TypeError, KeyError, RecursionError):
            return message
    return message


_STATES = {"IN_QUEUE": "queued", "IN_PROGRESS": "running", "COMPLETED": "completed"}


def read_status(body: Any, *, logs: bool) -> Status:
    """One status answer as a value."""
    named = body if isinstance(body, dict) else {}
    reader = StatusReader()
    events = reader.read(body)
    word = _text(named.get("status"))
    return Status(
        "failed" if reader.error else _STATES.get(word, word or "unknown"),
        _position(named),
        tuple(event.message for event in events if isinstance(event, Log)) if logs else None,
        reader.metrics,
        reader.error,
        reader.error_type,
        raw=body,
    )


def _position(named: Mapping[str, Any]) -> int | None:
    position = named.get("queue_position")
    return position if isinstance(position, int) and not isinstance(position, bool) else None


def _address(value: Any) -> str:
    return value if isinstance(value, str) and origin(value).startswith(("http://", "https://")) else ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value)
