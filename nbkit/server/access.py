"""Who may call the server: hosts, keys and origins, checked before any route.

A page in a browser can make the browser call loopback, and can let a name of its own point there. So the server
answers only to names of this machine, and shows its answers only to pages of this machine, or to those that know
the key.
"""

from __future__ import annotations

import functools
import re
import time
import uuid
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response

from nbkit.model.address import is_loopback
from nbkit.server import tokens
from nbkit.server.keys import NOBODY
from nbkit.wire.dify.addresses import SERVED
from nbkit.wire.fal.answers import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from nbkit.server.service import Service

_HOST = re.compile(rb"[A-Za-z0-9._~-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_KEY_SETS = ("/.well-known/jwks.json", "/rest/.well-known/jwks.json")  # public by their nature
_OPEN_PATHS = ("/health", "/ready", *_KEY_SETS)
_SIGNED = re.compile(r"/cdn/(files|uploads)/[0-9a-f]{32}/")
_EXPOSED = (  # named one by one, because `*` is no joker where credentials are sent
    "*, etag, x-fal-request-id, x-fal-error-type, x-fal-request-timeout-type, x-fal-billable-units, "
    "x-fal-needs-retry, x-nbkit-stand-in"
)
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


class Access:
    """Lets requests through to an app, or answers them itself."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._check_host = service.settings.on_loopback
        self._hosts = frozenset(service.settings.allowed_hosts)
        self._origins = frozenset(service.settings.allowed_origins)
        self._keys = service.keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        may_read = bool(origin) and self._lets_in(origin)
        is_dify = scope["path"].startswith(SERVED)

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                marked = MutableHeaders(scope=message)
                if REQUEST_ID_HEADER not in marked and not is_dify:
                    marked.append(REQUEST_ID_HEADER, str(uuid.uuid4()))
                if may_read:  # other pages do not even learn what they were refused
                    marked["access-control-allow-origin"] = origin
                    marked.setdefault("access-control-expose-headers", _EXPOSED)
                    marked.add_vary_header("Origin")
            await send(message)

        refusal = self._refusal(scope, headers, origin)
        if refusal is not None:
            await refusal(scope, receive, send_marked)
        else:
            await self._app(scope, receive, send_marked)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes], origin: str) -> Response | None:
        host = headers.get(b"host", b"")
        names = [name for name, _ in scope["headers"]]
        if names.count(b"host") > 1 or names.count(b"origin") > 1 or not _HOST.fullmatch(host):
            return _sentence(400, "The Host header is missing or not a host name, or it is not the only one.")
        if self._check_host and not _is_ours(host, self._hosts):
            name = host.decode()
            return _sentence(
                421,
                f"This server listens on loopback and answers to names of this machine only, not to {name!r}. "
                f"Use http://127.0.0.1, or start it with --allow-host {name}.",
            )
        if origin and not self._lets_in(origin):
            return _sentence(
                403,
                f"Pages of {origin[:100]!r} may not call this server; start it with --key, or with --allow-origin.",
            )
        # Dify's keys and preflights are of another kind: its routes see to them.
        return None if scope["path"].startswith(SERVED) else self._fal_refusal(scope, headers)

    def _fal_refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> Response | None:
        if scope.get("method") == "OPTIONS" and b"access-control-request-method" in headers:
            return Response(status_code=204, headers=_preflight(headers))
        user = self._user_of(scope, headers)
        if user is None:
            return _sentence(401, "This server needs a key: send `Authorization: Key …`.")
        scope["user"] = user
        return None

    def _lets_in(self, origin: str) -> bool:
        """Whether pages of an origin may call: those that have to know the key, and those of this machine."""
        return self._keys.are_needed or is_loopback(origin) or origin in self._origins

    def _user_of(self, scope: Scope, headers: dict[bytes, bytes]) -> str | None:
        """Who calls, None for one who shows no key where one is needed."""
        path = scope["path"]
        _, _, shown = headers.get(b"authorization", b"").partition(b" ")
        user = self._keys.user_of(shown.strip())
        if user is not None:
            return user
        if path in _OPEN_PATHS or _SIGNED.match(path):
            return NOBODY  # a file's address carries its own signature, which its route checks
        if path.startswith("/cdn/") and self._service.files.allows_token(
            shown.decode("latin-1"), time.time()
        ):
            return NOBODY
        token = parse_qs(scope["query_string"]).get(b"fal_jwt_token", [b""])[0]
        user = self._keys.user_of(token)
        if user is None:
            user = tokens.user_of(self._service.token_key, token.decode("latin-1"), path, time.time())
        return user if user is not None and self._keys.know(user) else None


@functools.lru_cache(maxsize=256)
def _is_ours(host: bytes, allowed: frozenset[str]) -> bool:
    """Whether a Host header names this machine, or what was allowed besides."""
    address = f"http://{host.decode()}"
    return urlsplit(address).hostname in allowed or is_loopback(address)


def _preflight(headers: dict[bytes, bytes]) -> dict[str, str]:
    asked = headers.get(b"access-control-request-headers", b"").decode("latin-1")
    # Browsers ask for this before a page of the internet may call a machine of one's own.
    near = b"access-control-request-private-network" in headers
    return {
        **({"access-control-allow-private-network": "true"} if near else {}),
        "access-control-allow-methods": _METHODS,
        "access-control-allow-headers": asked,
        "access-control-max-age": "600",
    }


def _sentence(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)
