"""What callers wish for a request beside its input: fal's platform headers, and its queue's two query fields.

Facts: fal docs, "Common parameters" and "Queue API". Headers that ask for less than this server does anyway are taken
and need nothing: it never repeats a request by itself (`X-Fal-No-Retry`, `X-Fal-Retry-Config`), has no fallback
models (`x-app-fal-disable-fallback`) and no other machines (`X-Fal-Runner-Hint`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbkit.server.replies import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_MIN_START_TIMEOUT = 0.1  # seconds; the least that fal takes
_LIFECYCLE = "x-fal-object-lifecycle"


def wishes(request: Request) -> dict[str, Any]:
    """What `Service.begin` is told of a request's headers.

    Raises:
        BadRequest: A header says what cannot be.
    """
    headers = request.headers
    return {
        "start_timeout": start_timeout(headers),
        "file_seconds": file_seconds(headers),
        "keeps_input": headers.get("x-fal-store-io", "").strip() != "0",
    }


def start_timeout(headers: Mapping[str, str]) -> float | None:
    """The seconds within which a request has to start, None where its caller does not say.

    Raises:
        BadRequest: They are no number, or fewer than 0.1.
    """
    text = headers.get("x-fal-request-start-timeout") or headers.get("x-fal-request-timeout")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _MIN_START_TIMEOUT <= seconds < float("inf"):
        raise BadRequest(
            400, f"X-Fal-Request-Timeout is {text[:40]!r}; it takes seconds, at least {_MIN_START_TIMEOUT}."
        )
    return seconds


def file_seconds(headers: Mapping[str, str]) -> float | None:
    """How long files are to be kept, None for ever.

    Who may read them is not judged (`initial_acl`): only those who were given a file's address can.

    Raises:
        BadRequest: The lifecycle cannot be read. Files that were to be gone would otherwise stay.
    """
    text = headers.get(f"{_LIFECYCLE}-preference") or headers.get(_LIFECYCLE)
    if not text:
        return None
    try:
        lifecycle = json.loads(text)
        seconds = lifecycle.get("expiration_duration_seconds")
        known = seconds is None or (not isinstance(seconds, bool) and 0 < float(seconds) < float("inf"))
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        seconds, known = None, False
    if not known:
        raise BadRequest(
            400, 'X-Fal-Object-Lifecycle-Preference takes JSON: {"expiration_duration_seconds": 3600}.'
        )
    return None if seconds is None else float(seconds)
