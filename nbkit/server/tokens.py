"""Short-lived tokens: they open sessions and streams of some apps, and nothing else.

They are made for pages and other places where the key itself must not go. They hold until they expire, their user has
no key any more or the server ends; those of servers that share a database hold at all of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.model.endpoint import Endpoint
from nbkit.server.replies import BadRequest, read_json, reply, service_of
from nbkit.server.secret import kept_secret

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from nbkit.server.settings import Settings

_PREFIX = "/run/"
_LONGEST_LIFE = 24 * 3600
_MOST_APPS = 50


async def token(request: Request) -> Response:
    """Give a token as a JSON string (`POST /rest/tokens/`), as fal's clients ask for it."""
    given = await read_json(request)
    return reply(_issued(request, given, given.get("token_expiration", 120)))


async def realtime_token(request: Request) -> Response:
    """Give a token as `{"token": …}` (`POST /rest/tokens/realtime`), as fal's documentation asks for it."""
    given = await read_json(request)
    return reply({"token": _issued(request, given, given.get("duration", 120))})


def _issued(request: Request, given: dict[str, Any], seconds: Any) -> str:
    apps = given.get("allowed_apps")
    listed = (
        isinstance(apps, list) and 0 < len(apps) <= _MOST_APPS and all(isinstance(it, str) for it in apps)
    )
    if not isinstance(apps, list) or not listed:
        raise BadRequest(422, "allowed_apps is a list of apps that the token is good for.")
    if not isinstance(seconds, (int, float)) or not 0 < seconds <= _LONGEST_LIFE:
        raise BadRequest(422, f"A token lives for a number of seconds up to {_LONGEST_LIFE}.")
    return issue(service_of(request).token_key, request.user, apps, time.time() + seconds)


def signing_key(settings: Settings) -> bytes:
    """What a server signs tokens with: random, so that they end with it; servers of one database have the same."""
    secret = kept_secret(settings.data_dir / "token-key") if settings.database else secrets.token_bytes(32)
    return secret + settings.key.encode()


def issue(key: bytes, user: str, apps: list[str], expires: float) -> str:
    """A token.

    Args:
        key: What the server signs tokens with.
        user: Whose it is.
        apps: What it opens: aliases (`imgen`), or paths (`acme/imgen/realtime`).
        expires: Until when, in seconds since 1970.
    """
    content = base64.urlsafe_b64encode(json.dumps([apps, expires, user]).encode()).decode("ascii")
    return f"{content}.{_signature(key, content)}"


def user_of(key: bytes, text: str, path: str, now: float) -> str | None:
    """Whose a token is, None where it does not open an address of this server.

    Args:
        key: What the server signs tokens with.
        text: The token.
        path: The path of the address.
        now: The time, in seconds since 1970.
    """
    content, _, signature = text.partition(".")
    if not path.startswith(_PREFIX) or not hmac.compare_digest(
        signature.encode(), _signature(key, content).encode()
    ):
        return None
    apps, expires, user = json.loads(base64.urlsafe_b64decode(content))
    called = path.removeprefix(_PREFIX).strip("/")
    try:
        alias = Endpoint.parse(called).alias
    except InputError:
        return None
    opens = any(app == alias or f"{called}/".startswith(f"{app.strip('/')}/") for app in apps)
    return str(user) if expires > now and opens else None


def _signature(key: bytes, content: str) -> str:
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()
