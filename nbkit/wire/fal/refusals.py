"""What a service says when it says no: fal's four error bodies, and whatever proxies send, as one value."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.errors import ServiceError, ValidationFailed
from nbkit.wire.pages import page_words, phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 600
_BODY_MARKERS = ("body", "query", "path")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An unhappy answer.

    Attributes:
        status: HTTP status code.
        message: The service's own words, or what the status means where it has none.
        error_type: Machine-readable word, or an empty string.
        field_errors: Field path → message, for each field that was refused.
        request_id: The service's id of the request, or an empty string.
        body: The body, parsed where it was JSON.
        user_timeout: Whether the time limit was one that the caller had set.
    """

    status: int
    message: str
    error_type: str = ""
    field_errors: dict[str, str] = field(default_factory=dict)
    request_id: str = ""
    body: Any = None
    user_timeout: bool = False

    def error(self, doing: str, *, hint: str = "") -> ServiceError:
        """The error to raise for it.

        Args:
            doing: What was refused, as `submitting to fal-ai/flux/dev`.
            hint: What the reader may do, where this place knows it.
        """
        facts = {
            "status": self.status,
            "error_type": self.error_type,
            "request_id": self.request_id,
            "body": self.body,
            "hint": hint or _advice(self),
        }
        text = f"{doing}: {self.message} (HTTP {self.status})"
        if self.field_errors:
            return ValidationFailed(text, field_errors=self.field_errors, **facts)
        return ServiceError(text, **facts)


def read_refusal(status: int, headers: Mapping[str, str], content: bytes) -> Refusal:
    """Read an answer with a status of 400 or more."""
    body = _parse(content)
    named = body if isinstance(body, dict) else {}
    fields = _field_errors(named.get("detail"))
    message = _message(named, fields) or page_words(content) or phrase(status)
    return Refusal(
        status,
        message[:_LONGEST],
        error_type=_word(named.get("error_type"))
        or headers.get("x-fal-error-type", "")
        or _first_type(named),
        field_errors=fields,
        request_id=headers.get("x-fal-request-id", ""),
        body=body,
        user_timeout=headers.get("x-fal-request-timeout-type") == "user",
    )


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")[:20_000]


def _field_errors(detail: Any) -> dict[str, str]:
    """Field → message from a list of `{"loc": ["body", "prompt"], "msg": …, "type": …}`."""
    errors: dict[str, str] = {}
    for item in detail if isinstance(detail, list) else ():
        if isinstance(item, dict) and isinstance(item.get("loc"), list):
            loc = [str(part) for part in item["loc"]]
            path = ".".join(loc[1:] if loc[:1] and loc[0] in _BODY_MARKERS else loc)
            errors.setdefault(path, str(item.get("msg", "refused")))
    return errors


def _message(named: Mapping[str, Any], fields: Mapping[str, str]) -> str:
    if fields:
        return "; ".join(f"{path or 'input'}: {text}" for path, text in fields.items())
    detail = named.get("detail")
    if isinstance(detail, list) and detail:
        first = detail[0]
        return str(first.get("msg", first)) if isinstance(first, dict) else str(first)
    nested = named.get("error")
    inner = detail.get("message") or detail.get("msg") if isinstance(detail, dict) else detail
    candidates = (inner, nested.get("message") if isinstance(nested, dict) else nested, named.get("message"))
    words = next((text for text in candidates if isinstance(text, str) and text.strip()), "")
    return words or _word(named.get("status")).replace("_", " ").lower()


def _first_type(named: Mapping[str, Any]) -> str:
    detail = named.get("detail")
    first = detail[0] if isinstance(detail, list) and detail else None
    return _word(first.get("type")) if isinstance(first, dict) else ""


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _advice(refusal: Refusal) -> str:
    if refusal.field_errors:
        return ""
    return {
        401: "the key is missing or wrong: set FAL_KEY for fal; for a server at a base_url pass key=…, or --key-env",
        402: "the account has no credit left",
        403: "the key may not do this",
        429: "too many requests: wait, or run fewer at once",
    }.get(refusal.status, "")
