"""Realtime sessions: addresses, tokens, and the frames of their WebSocket. For clients and servers alike.

Facts: fal docs, "Real-time"; fal's Python and JavaScript clients. Inputs and outputs are binary frames of msgpack.
Text frames are JSON and say something about the session: `x-fal-message` may be passed over, `x-fal-error` is an
error, whose word `TIMEOUT` only means that the session ended because nothing was sent. Any other JSON is an output.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from nbkit.errors import ConfigError, InputError, ServiceError, StreamBroken

if TYPE_CHECKING:
    from nbkit.model.endpoint import Endpoint
    from nbkit.wire.fal.addresses import Hosts

TIMEOUT = "TIMEOUT"
MOST_BUFFERED = 60
LARGEST_FRAME = 64 * 2**20
"""Bytes; pictures in frames are some megabytes."""

_ENDING = "/realtime"
_UNAUTHORISED = 401


@dataclass(frozen=True, slots=True)
class Control:
    """A frame about the session.

    Attributes:
        error: The service's word for what is wrong, an empty string for a message.
        reason: The same in a sentence, where the service gives one.
    """

    error: str = ""
    reason: str = ""

    @property
    def is_end(self) -> bool:
        """Whether the session ended because nothing was sent."""
        return self.error == TIMEOUT

    def raised(self, endpoint: str) -> ServiceError:
        """The error to raise for it."""
        words = f"{self.error}: {self.reason}" if self.reason else self.error
        status = _UNAUTHORISED if self.error == "Unauthorized" else 0
        return ServiceError(
            f"the realtime session of {endpoint}: {words}", status=status, error_type=self.error
        )


def realtime_url(
    hosts: Hosts, endpoint: Endpoint, *, token: str = "", max_buffering: int | None = None
) -> str:
    """The address of a session.

    Raises:
        InputError: `max_buffering` is not one that the service takes.
    """
    if max_buffering is not None and not 1 <= max_buffering <= MOST_BUFFERED:
        raise InputError(f"max_buffering is a number from 1 to {MOST_BUFFERED}", field="max_buffering")
    parts = urlsplit(hosts.direct(endpoint))
    query = {"fal_jwt_token": token} if token else {}
    if max_buffering is not None:
        query["max_buffering"] = str(max_buffering)
    path = parts.path if parts.path.endswith(_ENDING) else parts.path + _ENDING
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, path, urlencode(query), ""))


def token_request(hosts: Hosts, endpoint: Endpoint, seconds: int) -> tuple[str, dict[str, Any]]:
    """Where to ask for a token, and with what body. It is good for one app, named by its alias alone."""
    return f"{hosts.rest}/tokens/", {"allowed_apps": [endpoint.alias], "token_expiration": seconds}


def read_token(body: Any) -> str:
    """The token in an answer: the whole of it, or under `token` or `detail`.

    Raises:
        ServiceError: There is none.
    """
    named = body if isinstance(body, dict) else {"token": body}
    for name in ("token", "detail"):
        if isinstance(text := named.get(name), str) and text and text.isascii() and text.isprintable():
            return text
    raise ServiceError("the service gave no token for a realtime session")


def pack(value: Any) -> bytes:
    """A value as a binary frame.

    Raises:
        InputError: It holds something that msgpack cannot write.
        ConfigError: The extra `realtime` is not installed.
    """
    try:
        packed: bytes = _msgpack().packb(value, use_bin_type=True)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"the input cannot be sent: {error}", field="input") from error
    return packed


def unpack(frame: bytes) -> Any:
    """The value in a binary frame.

    Raises:
        StreamBroken: It is not msgpack.
        ConfigError: The extra `realtime` is not installed.
    """
    msgpack = _msgpack()
    try:
        return msgpack.unpackb(frame, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise StreamBroken(f"a frame of the session cannot be read: {type(error).__name__}") from error


def read_frame(frame: bytes | str) -> Any:
    """What the service sent: an output, or a `Control`.

    Raises:
        StreamBroken: It cannot be read.
    """
    if isinstance(frame, bytes):
        return unpack(frame)
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise StreamBroken(f"a frame of the session is not JSON: {frame[:80]!r}") from error
    named = value if isinstance(value, dict) else {}
    kind = named.get("type")
    if kind == "x-fal-message":
        return Control()
    if kind == "x-fal-error" or (named.get("status") == "error" and "error" in named):
        return Control(_text(named.get("error")) or "error", _text(named.get("reason")))
    return value


def error_frame(error: str, reason: str = "") -> str:
    """What a server says when something is wrong."""
    return json.dumps({"type": "x-fal-error", "error": error, "reason": reason})


def _text(value: Any) -> str:
    return value[:600] if isinstance(value, str) else ""


def _msgpack() -> Any:
    try:
        import msgpack
    except ImportError as error:
        raise ConfigError(
            "realtime sessions need the package msgpack", hint="pip install 'nbkit-media[realtime]'"
        ) from error
    return msgpack
