"""Webhooks: their bodies, what is signed, and where the signature stands. For senders and receivers alike.

Facts: fal docs, "Webhooks". Four headers carry the request's id, the user's id, the time in seconds since 1970 and an
Ed25519 signature in hexadecimal. Signed are the first three and the SHA-256 of the body in hexadecimal, one a line.
The public keys stand in a JSON Web Key Set, may be kept for a day, and any of them may verify (RFC 8037: key type
`OKP`, curve `Ed25519`, `x` in base64url without padding).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.errors import WebhookError
from nbkit.model.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REQUEST_ID_HEADER = "x-fal-webhook-request-id"
USER_ID_HEADER = "x-fal-webhook-user-id"
TIMESTAMP_HEADER = "x-fal-webhook-timestamp"
SIGNATURE_HEADER = "x-fal-webhook-signature"
JWKS_URL = "https://rest.fal.ai/.well-known/jwks.json"
TOLERANCE = 300
"""Seconds that the clocks of sender and receiver may differ, the way between them included."""

_HEADERS = (REQUEST_ID_HEADER, USER_ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}")
_TIMESTAMP = re.compile(r"[0-9]{1,15}")
_KEY_BYTES = 32
_MOST_KEYS = 50


@dataclass(frozen=True, slots=True)
class Signature:
    """What the headers of a webhook say.

    Attributes:
        request_id: The request's id.
        user_id: Whose request it was.
        timestamp: When it was signed, in seconds since 1970.
        value: The signature.
    """

    request_id: str
    user_id: str
    timestamp: int
    value: bytes

    def headers(self) -> dict[str, str]:
        """The same as header fields, for a sender."""
        values = (self.request_id, self.user_id, str(self.timestamp), self.value.hex())
        return dict(zip(_HEADERS, values, strict=True))


def signed_message(request_id: str, user_id: str, timestamp: int, body: bytes) -> bytes:
    """The bytes that the signature is made of."""
    return "\n".join((request_id, user_id, str(timestamp), hashlib.sha256(body).hexdigest())).encode()


def read_signature(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Signature:
    """Read the four headers; the case of their names does not matter.

    Raises:
        WebhookError: One is missing, twice there, or not what it should be.
    """
    pairs = headers.items() if hasattr(headers, "items") else headers
    found: dict[str, str] = {}
    for name, value in pairs:
        lower = str(name).lower()
        if lower in found and lower in _HEADERS:
            raise WebhookError(f"the webhook has more than one header {lower}")
        found[lower] = str(value)
    missing = [name for name in _HEADERS if not found.get(name)]
    if missing:
        raise WebhookError(f"the webhook is not signed: it has no {', '.join(missing)}")
    request_id, user_id, timestamp, signature = (found[name] for name in _HEADERS)
    if not _TIMESTAMP.fullmatch(timestamp):
        raise WebhookError(f"the webhook's {TIMESTAMP_HEADER} is not a time")
    if not _SIGNATURE.fullmatch(signature):
        raise WebhookError(f"the webhook's {SIGNATURE_HEADER} is not a signature")
    if "\n" in request_id + user_id:
        raise WebhookError("the webhook's ids hold line breaks")
    return Signature(request_id, user_id, int(timestamp), bytes.fromhex(signature))


def read_jwks(document: Any) -> list[bytes]:
    """The Ed25519 keys of a key set, 32 bytes each; other keys and broken ones are left out."""
    keys = document.get("keys") if isinstance(document, dict) else None
    found = (_public_key(entry) for entry in (keys[:_MOST_KEYS] if isinstance(keys, list) else ()))
    return [key for key in found if key]


def _public_key(entry: Any) -> bytes:
    if not isinstance(entry, dict) or (entry.get("kty"), entry.get("crv")) != ("OKP", "Ed25519"):
        return b""
    text = entry.get("x")
    try:
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""
    return key if len(key) == _KEY_BYTES else b""


def jwks(*keys: bytes) -> dict[str, Any]:
    """A key set of Ed25519 public keys, for a sender."""
    return {"keys": [_entry(key) for key in keys]}


def _entry(key: bytes) -> dict[str, str]:
    text = base64.urlsafe_b64encode(key).rstrip(b"=").decode("ascii")
    name = hashlib.sha256(key).hexdigest()[:16]
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": name, "x": text}


def webhook_body(
    request_id: str, payload: Any, *, error: str = "", gateway_request_id: str = "", payload_error: str = ""
) -> bytes:
    """The body that tells the end of a request, for a sender.

    Args:
        request_id: The request's id.
        payload: Its output, or its error body.
        error: Why it failed, an empty string where it did not.
        gateway_request_id: The id of the last attempt, where it is another.
        payload_error: Why the payload is missing, where it is.
    """
    body = {
        "request_id": request_id,
        "gateway_request_id": gateway_request_id or request_id,
        "status": "ERROR" if error else "OK",
        **({"error": error} if error else {}),
        "payload": payload,
        **({"payload_error": payload_error} if payload_error else {}),
    }
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def read_webhook(body: bytes) -> Webhook:
    """Read a body.

    Raises:
        WebhookError: It is not JSON, or names no request.
    """
    try:
        named = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookError("the webhook's body is not JSON") from error
    request_id = named.get("request_id") if isinstance(named, dict) else None
    if not isinstance(request_id, str) or not request_id:
        raise WebhookError("the webhook's body names no request")
    told = (named.get("error"), named.get("payload_error"))
    return Webhook(
        request_id,
        str(named.get("status") or "OK"),
        named.get("payload"),
        next((text for text in told if isinstance(text, str) and text), ""),
        _text(named.get("gateway_request_id")),
        raw=named,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
