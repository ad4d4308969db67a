"""What came back: an endpoint's output, or why there is none."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConnectionFailed, RequestLost, RunCancelled, RunFailed, RunTimeout, RunUnknown
from nbkit.model.event import Cancelled, Event, Failed
from nbkit.wire.fal.queue import STAND_IN_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.model.endpoint import Endpoint
    from nbkit.transport.http import Answer
    from nbkit.wire.fal.queue import StatusReader, Ticket
    from nbkit.wire.fal.refusals import Refusal

_CLIENT_CANCELLED = 499


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint gave.

    Attributes:
        data: The output JSON.
        request_id: The service's id, or an empty string.
        billable_units: What the service says it will bill, None where it does not say.
        stand_in: The local model that answered, or an empty string.
        metrics: What the service measured.
        is_partial: Whether steps failed and the workflow went on without them.
    """

    data: Any
    request_id: str = ""
    billable_units: float | None = None
    stand_in: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    is_partial: bool = False


def run_error(
    endpoint: Endpoint, ticket: Ticket, refusal: Refusal, reader: StatusReader
) -> RunFailed | RunCancelled:
    """The error of a request that is completed and whose result is a refusal."""
    about = {"endpoint": str(endpoint), "request_id": ticket.request_id}
    if refusal.status == _CLIENT_CANCELLED or refusal.error_type == "client_cancelled":
        return RunCancelled(f"{endpoint} was cancelled (request {ticket.request_id})", **about)
    message = refusal.message or reader.error
    if refusal.user_timeout:
        message = f"it did not start within the start_timeout: {message}"
    return RunFailed(
        f"{endpoint} failed: {message}",
        status=refusal.status,
        error_type=refusal.error_type or reader.error_type,
        field_errors=refusal.field_errors,
        body=refusal.body,
        hint=f"request {ticket.request_id}",
        **about,
    )


def end_event(error: BaseException) -> Event:
    """The last event of a run that ended with an error."""
    if isinstance(error, (RunCancelled, asyncio.CancelledError)):
        return Cancelled()
    first_line = str(error).partition("\n")[0]
    return Failed(
        first_line,
        getattr(error, "status", 0),
        getattr(error, "error_type", ""),
        getattr(error, "node", ""),
        raw=getattr(error, "body", None),
    )


def status_after(error: BaseException, *, is_there: bool) -> str:
    """The status of a run that ended with an error.

    Args:
        error: The error.
        is_there: Whether the service had given it an id.
    """
    if isinstance(error, (RunUnknown, RequestLost)) or (is_there and isinstance(error, ConnectionFailed)):
        return "unknown"
    return "cancelled" if isinstance(error, (RunCancelled, RunTimeout)) else "failed"


def is_page(answer: Answer) -> bool:
    """Whether somebody on the way answered with a page for people, as the login page of a network does."""
    return answer.status < 300 and answer.headers.get("content-type", "").lower().startswith("text/html")  # noqa: PLR2004


def parsed(answer: Answer) -> Any:
    """The JSON of an answer; None where it is none."""
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None


def reply_of(answer: Answer, metrics: Mapping[str, Any] | None = None, ticket: Ticket | None = None) -> Reply:
    """A good answer as what its endpoint gave; text that is no JSON stays text."""
    headers = answer.headers
    units = headers.get("x-fal-billable-units", "")
    try:
        billable = float(units) if units else None
    except ValueError:
        billable = None
    data = parsed(answer)
    if data is None and answer.content.strip() != b"null":
        data = answer.content.decode("utf-8", "replace")
    return Reply(
        data,
        (ticket.request_id if ticket else "") or headers.get("x-fal-request-id", ""),
        billable,
        headers.get(STAND_IN_HEADER, "") or (ticket.stand_in if ticket else ""),
        metrics or {},
    )
