"""`/api/fal/proxy`: one address for everything that fal's JavaScript client sends.

Facts: the client's `proxyUrl` option and fal docs, "Server-side integration". Every request comes here with its own
method and body, and with the address that it was meant for in `x-fal-target-url`. Nothing is sent on to anywhere:
what was meant for one of fal's hosts is answered by this server's own routes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from starlette.requests import Request

from nbkit.server.replies import BadRequest

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PATH = "/api/fal/proxy"
TARGET_HEADER = "x-fal-target-url"
_HOSTS = {
    "fal.run": "/run",
    "queue.fal.run": "/queue",
    "rest.fal.ai": "/rest",
    "rest.alpha.fal.ai": "/rest",
    "v3.fal.media": "/cdn",
}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_WITH_BODY = ("POST", "PUT", "PATCH")
_PRINTABLE = re.compile(r"[!-~]{1,4096}")


class Proxy:
    """Hands requests to the routes that their targets name; answers 400, 405, 412 and 415 as fal's own proxies do."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        if request.method not in _METHODS:
            raise BadRequest(405, f"The proxy takes {', '.join(_METHODS)}.")
        path, query = _place(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if (
            request.method in _WITH_BODY
            and not path.startswith("/cdn/")
            and kind not in ("", "application/json")
        ):
            raise BadRequest(415, f"The proxy takes JSON, not {kind[:80]!r}.")
        inner = {
            **scope,
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
        }
        await scope["app"].router(inner, receive, send)


def _place(request: Request) -> tuple[str, str]:
    """Path and query of what a request was meant for, on this server."""
    target = request.headers.get(TARGET_HEADER, "")
    try:
        parts = urlsplit(target)
        host = parts.netloc.lower()
    except ValueError:
        parts, host = urlsplit(""), ""
    if not _PRINTABLE.fullmatch(target) or parts.scheme not in ("http", "https") or not host:
        raise BadRequest(400, f"The header {TARGET_HEADER} says no address.")
    if host != request.headers["host"].lower() and host not in _HOSTS:
        allowed = ", ".join(_HOSTS)
        raise BadRequest(412, f"Only what is meant for {allowed} is answered here, not {host[:100]!r}.")
    path = _HOSTS.get(host, "") + parts.path
    if unquote(path).rstrip("/") == PATH:
        raise BadRequest(400, "The proxy is not meant for itself.")
    return path, parts.query
