"""What a Dify server says when it says no: the error bodies of all its versions, and proxies' pages, as one value.

There are three (seen from 0.6.16 to 1.13.2): `{"code", "message", "status"}`, the same with `params` in place of
`status`, and `{"errors": {field: message}, "message"}` without a code.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from nbkit.errors import ServiceError
from nbkit.wire.pages import page_words, phrase

_LONGEST = 600
_GATEWAY = frozenset({408, 502, 503, 504})
_FIRST_OWN_STATUS = 520  # what Cloudflare answers where the server behind it does not
_NOISE = re.compile(r"\s*\[type=[^\n]*\]|\s*For further information visit \S+")
_ADVICE_BY_CODE = {
    "not_workflow_app": "the key belongs to another kind of app: take the key of a workflow app",
    "app_unavailable": "is the app published?",
    "file_too_large": "the server takes smaller files only",
    "human_input_form_submitted": "somebody has answered it already, and the run goes on",
    "human_input_form_expired": "its time is over",
    "too_many_requests": "too many runs at once: wait until some are over",
}
_MOVED = "the server is somewhere else: correct the base URL"
_ADVICE = {
    **dict.fromkeys((301, 302, 307, 308), _MOVED),
    401: "the key of this connection is missing or wrong",
    403: "the app's API may be switched off, or the key may not do this",
    404: "is the base URL right? It ends in /v1",
    413: "the server, or the proxy before it, takes smaller files only",
    429: _ADVICE_BY_CODE["too_many_requests"],
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An unhappy answer.

    Attributes:
        status: HTTP status code.
        message: The server's own words, or what the status means where it has none.
        code: Its machine-readable word, or an empty string.
        body: The body, parsed where it was JSON.
    """

    status: int
    message: str
    code: str = ""
    body: Any = None

    @property
    def is_from_gateway(self) -> bool:
        """Whether a proxy lost patience or the server, so that what was asked for may go on all the same."""
        is_strange = self.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(self.body, dict)
        return self.status in _GATEWAY or self.status >= _FIRST_OWN_STATUS or is_strange

    @property
    def is_no_route(self) -> bool:
        """Whether the server has nothing at the address: what Dify itself does not find, it says in JSON."""
        return self.status == HTTPStatus.NOT_FOUND and not isinstance(self.body, dict)

    def error(self, doing: str, since: str = "", version: str = "") -> ServiceError:
        """The error to raise for it.

        Args:
            doing: What was refused, as `running dify/cat`.
            since: The version of Dify that brought the address, where not every one has it.
            version: What the server calls its version, where it says.
        """
        if since and self.is_no_route:
            older = f"this server may be older; if it is not, {_ADVICE[404]}"
            here = f"this server is {version}" if version else older
            return ServiceError(
                f"{doing}: the server has no such address (HTTP 404)",
                status=self.status,
                body=self.body,
                hint=f"it came with Dify {since}, and {here}",
            )
        code = "too_many_requests" if "too many requests" in self.message.lower() else self.code
        word = f", {self.code}" if self.code else ""
        is_elsewhere = self.is_no_route or self.status != HTTPStatus.NOT_FOUND
        advice = _ADVICE.get(self.status, "") if is_elsewhere else ""
        return ServiceError(
            f"{doing}: {self.message} (HTTP {self.status}{word})",
            status=self.status,
            error_type=self.code,
            body=self.body,
            hint=_ADVICE_BY_CODE.get(code) or advice,
        )


def read_refusal(status: int, content: bytes) -> Refusal:
    """Read an answer that is not what was asked for."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = content.decode("utf-8", "replace")[:20_000]
    named = body if isinstance(body, dict) else {}
    message = _message(named) or page_words(content) or phrase(status)
    code = named.get("code")
    return Refusal(status, message[:_LONGEST], code if isinstance(code, str) else "", body)


def _message(named: dict[str, Any]) -> str:
    given = named.get("message")
    fields = named.get("errors")
    if isinstance(fields, dict) and fields:
        return "; ".join(f"{name}: {text}" for name, text in fields.items())
    if isinstance(given, dict):  # the parser of old versions names each field
        return "; ".join(f"{name}: {text}" for name, text in given.items())
    return " ".join(_NOISE.sub("", given).split()) if isinstance(given, str) else ""
