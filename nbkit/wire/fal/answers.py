"""What a server of fal's protocol answers: submits, statuses, cancels and errors, as JSON values.

Facts: fal docs, "Queue API" and "Errors". Only three status strings exist; failed and cancelled requests are
`COMPLETED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

IN_QUEUE = "IN_QUEUE"
IN_PROGRESS = "IN_PROGRESS"
COMPLETED = "COMPLETED"

REQUEST_ID_HEADER = "x-fal-request-id"
ERROR_TYPE_HEADER = "x-fal-error-type"

CANCELLED_IN_QUEUE = {"status": "OK"}
CANCELLATION_REQUESTED = {"status": "CANCELLATION_REQUESTED"}
ALREADY_COMPLETED = {"status": "ALREADY_COMPLETED"}
NOT_FOUND = {"status": "NOT_FOUND"}
STILL_IN_PROGRESS = {"detail": "Request is still in progress"}
CANCELLED = {"detail": "Request cancelled by the client.", "error_type": "client_cancelled"}


@dataclass(frozen=True, slots=True)
class RequestUrls:
    """The three addresses of one queued request. They hold the app's id without its sub-path.

    Attributes:
        response: Where its result will be.
        status: Where its status is.
        cancel: Where to cancel it.
    """

    response: str
    status: str
    cancel: str

    @classmethod
    def of(cls, queue: str, app: str, request_id: str) -> RequestUrls:
        """Build them.

        Args:
            queue: Address of the queue, without a slash at its end.
            app: `[namespace/]owner/alias`.
            request_id: The request's id.
        """
        response = f"{queue}/{app}/requests/{request_id}"
        return cls(response, f"{response}/status", f"{response}/cancel")


def submitted(request_id: str, urls: RequestUrls, position: int) -> dict[str, Any]:
    """The answer to a submit.

    Args:
        request_id: The new request's id.
        urls: Its addresses.
        position: How many requests are ahead of it.
    """
    return {
        "status": IN_QUEUE,
        "request_id": request_id,
        "queue_position": position,
        "response_url": urls.response,
        "status_url": urls.status,
        "cancel_url": urls.cancel,
    }


def status(
    state: str,
    request_id: str,
    urls: RequestUrls,
    *,
    position: int = 0,
    logs: list[dict[str, Any]] | None = None,
    seconds: float | None = None,
    error: str = "",
    error_type: str = "",
) -> dict[str, Any]:
    """One status answer, or one event of a status stream.

    Args:
        state: `IN_QUEUE`, `IN_PROGRESS` or `COMPLETED`.
        request_id: The request's id.
        urls: Its addresses.
        position: How many requests are ahead of it, while it is queued.
        logs: Its log entries, None where they were not asked for.
        seconds: How long it was worked on, once it is over.
        error: What went wrong, for people.
        error_type: What went wrong, in one word.
    """
    body: dict[str, Any] = {
        "status": state,
        "request_id": request_id,
        "response_url": urls.response,
        "status_url": urls.status,
        "cancel_url": urls.cancel,
        "logs": logs,
        "metrics": {} if seconds is None else {"inference_time": round(seconds, 6)},
    }
    if state == IN_QUEUE:
        body["queue_position"] = position
    if error:
        body |= {"error": error, "error_type": error_type}
    return body


def field_error(
    message: str, kind: str, *loc: str | int, context: dict[str, Any] | None = None, value: Any = None
) -> dict[str, Any]:
    """One entry of a validation answer's `detail`.

    Args:
        message: What is wrong, for people.
        kind: The same as one word (`missing`, `less_than_equal`, `image_load_error`, …).
        *loc: Where in the body, outermost first.
        context: The limit that was passed (`{"le": 4}`).
        value: What was sent there; long texts are cut.
    """
    entry: dict[str, Any] = {"loc": ["body", *loc], "msg": message, "type": kind}
    if context:
        entry["ctx"] = context
    entry["input"] = shortened(value)
    return entry


def shortened(value: Any, *, longest: int = 500, depth: int = 3) -> Any:
    """Copy a value for an error body, its long texts cut and its deep insides left out."""
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest]}…"
    if isinstance(value, (dict, list)) and depth == 0:
        return "…"
    if isinstance(value, dict):
        items = list(value.items())[:20]
        return {key[:longest]: shortened(inner, longest=longest, depth=depth - 1) for key, inner in items}
    if isinstance(value, list):
        return [shortened(inner, longest=longest, depth=depth - 1) for inner in value[:20]]
    return value


def error_summary(body: Any) -> tuple[str, str]:
    """Message and type of an error body, as the status of a failed request tells them."""
    named = body if isinstance(body, dict) else {}
    detail, kind = named.get("detail"), named.get("error_type") or ""
    if not isinstance(detail, list):
        return str(detail or body), kind
    lines = []
    for entry in detail:
        place = ".".join(str(part) for part in entry["loc"][1:])
        lines.append(f"{place}: {entry['msg']}" if place else entry["msg"])
    return "; ".join(lines), kind or (detail[0]["type"] if detail else "")
