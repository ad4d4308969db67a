"""Finding a request again whose id never came back.

fal lists an account's requests (`GET /v1/models/requests/by-endpoint` of its platform API), so that one is found by
its time and its input. An nbkit server knows each by the name that its sender gave it (`X-Nbkit-Run`), and its word is
final: what it does not know never arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from nbkit.wire.fal.openapi import is_fal
from nbkit.wire.fal.pricing import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.wire.fal.addresses import Hosts

NAME_HEADER = "x-nbkit-run"
"""The header by which a sender gives its request a name."""
_EARLIER, _LATER = 120.0, 900.0  # seconds; two clocks differ, and a request may take its time to arrive
_MOST = 100
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Listed:
    """A request as a list tells it.

    Attributes:
        request_id: The service's id.
        sent: When it was sent, as the service writes it.
        status: HTTP status of its result, 0 while there is none.
        given: Its input.
        output: Its output, None while there is none.
    """

    request_id: str
    sent: str
    status: int
    given: Any
    output: Any


def name_header(hosts: Hosts, name: str) -> dict[str, str]:
    """The header that names a request; fal has no use for it, so none goes there."""
    return {NAME_HEADER: name} if name and not is_fal(hosts) else {}


def search_url(hosts: Hosts, endpoint: str, name: str, sent: float, request_id: str = "") -> str:
    """Where to look for a request.

    Args:
        hosts: The service.
        endpoint: What was called.
        name: What its sender called it.
        sent: When, in seconds since 1970.
        request_id: The service's id, where it is known.
    """
    if not is_fal(hosts):
        return f"{hosts.rest.removesuffix('/rest')}/api/v1/requests?name={quote(name, safe='')}"
    query = {
        "endpoint_id": endpoint,
        "start": _moment(sent - _EARLIER),
        "end": _moment(sent + _LATER),
        "expand": "payloads",
        "limit": str(_MOST),
    }
    if request_id:
        query["request_id"] = request_id
    return f"{PLATFORM}/models/requests/by-endpoint?{urlencode(query)}"


def read_requests(body: Any) -> list[Listed] | None:
    """The requests in an answer; None where it is no list of requests, or only a part of one."""
    named: Mapping[str, Any] = body if isinstance(body, dict) else {}
    items = named.get("items", named.get("requests"))
    if not isinstance(items, list) or named.get("has_more"):
        return None
    return [_listed(item) for item in items if isinstance(item, dict) and _is_id(item.get("request_id"))]


def _listed(item: Mapping[str, Any]) -> Listed:
    status = item.get("status_code")
    return Listed(
        item["request_id"],
        str(item.get("sent_at") or item.get("started_at") or "")[:40],
        status if isinstance(status, int) else 0,
        item.get("json_input"),
        item.get("json_output"),
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(max(0.0, seconds), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
