"""Receiving webhooks: whether one really comes from the service, and what it says.

    event = nbkit.webhooks.verify(request.headers, await request.body())

Verifying needs the extra `webhooks`. The service's public keys are fetched when they are first needed and kept for a
day; in asynchronous code `await asyncio.to_thread(nbkit.webhooks.verify, headers, body)` keeps the loop free meanwhile.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConfigError, ServiceError, WebhookError
from nbkit.model.webhook import Webhook
from nbkit.wire.fal.refusals import read_refusal
from nbkit.wire.fal.webhooks import (
    JWKS_URL,
    TOLERANCE,
    read_jwks,
    read_signature,
    read_webhook,
    signed_message,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbkit.wire.fal.webhooks import Signature

__all__ = ["KeySet", "Webhook", "verify"]

_KEPT = 24 * 3600.0
_REST = 60.0
_LARGEST_KEY_SET = 256 * 1024


class KeySet:
    """The public keys at an address, fetched when they are needed and kept for a day.

    Args:
        url: Where they are.
    """

    def __init__(self, url: str = JWKS_URL) -> None:
        self._url = url
        self._keys: list[bytes] = []
        self._fetched = self._doubted = float("-inf")
        self._lock = threading.Lock()

    def keys(self, *, unlike: list[bytes] | None = None) -> list[bytes]:
        """The keys, 32 bytes each.

        Args:
            unlike: Keys that did not verify. They are fetched again then, in case the service has changed them, but
                not more than once a minute: whoever sends forged webhooks must not make this machine a nuisance.

        Raises:
            ConnectionFailed: They could not be fetched, and none are kept.
            ServiceError: The same, with what the service said.
        """
        with self._lock:
            now = time.monotonic()
            doubted = unlike is not None and unlike == self._keys and now - self._doubted > _REST
            if doubted:
                self._doubted = now
            if doubted or now - self._fetched > _KEPT:
                self._keys = self._fetch()
                self._fetched = now
            return self._keys

    def _fetch(self) -> list[bytes]:
        from nbkit.transport.http import Transport
        from nbkit.transport.loop import wait

        async def fetch() -> list[bytes]:
            transport = Transport()
            try:
                async with transport.open("GET", self._url, read_timeout=15.0) as opened:
                    content = await opened.read(_LARGEST_KEY_SET)
            finally:
                await transport.close()
            if opened.status != 200:  # noqa: PLR2004
                raise read_refusal(opened.status, opened.headers, content).error(
                    "fetching the keys of webhooks"
                )
            return _keys_in(content)

        return wait(fetch())


def _keys_in(content: bytes) -> list[bytes]:
    try:
        keys = read_jwks(json.loads(content))
    except (ValueError, RecursionError):
        keys = []
    if not keys:
        raise ServiceError("the service's key set has no key for webhooks")
    return keys


_fal_keys = KeySet()


def verify(
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    body: bytes,
    *,
    now: float | None = None,
    jwks: Mapping[str, Any] | KeySet | None = None,
) -> Webhook:
    """Make sure that a webhook comes from the service, unchanged and fresh, and read it.

    The same webhook may come more than once: go by its `request_id`.

    Args:
        headers: Its header fields; the case of their names does not matter.
        body: Its body, byte for byte as it came.
        now: The time to judge its age by, in seconds since 1970; this machine's clock where it is not given.
        jwks: The key set to trust, parsed, or a `KeySet`; fal's own where it is not given.

    Raises:
        WebhookError: It is not signed, not by the service, older than five minutes or from the future, changed on
            its way, or not readable. Answer with a status of 400.
        ConnectionFailed: The keys could not be fetched, so it cannot be judged. Answer with 503: it comes again.
        ServiceError: The same, with what the service of the keys said.
        ConfigError: The extra `webhooks` is not installed.
    """
    signature = read_signature(headers)
    off = (time.time() if now is None else now) - signature.timestamp
    if abs(off) > TOLERANCE:
        where = "old" if off > 0 else "ahead of this machine's clock"
        raise WebhookError(
            f"the webhook's time is {abs(off):.0f} seconds {where}; {TOLERANCE} are allowed",
            hint="is the clock of this machine right?",
        )
    message = signed_message(signature.request_id, signature.user_id, signature.timestamp, body)
    if isinstance(jwks, KeySet) or jwks is None:
        key_set = jwks or _fal_keys
        keys = key_set.keys()
        verified = _is_signed(message, signature, keys) or (
            (newer := key_set.keys(unlike=keys)) != keys and _is_signed(message, signature, newer)
        )
    else:
        verified = _is_signed(message, signature, read_jwks(jwks))
    if not verified:
        raise WebhookError("the webhook is not signed by the service, or was changed on its way")
    return read_webhook(body)


def require_cryptography() -> None:
    """Make sure that signatures can be verified here.

    Raises:
        ConfigError: The extra `webhooks` is not installed.
    """
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "verifying webhooks needs the package cryptography",
            hint="pip install 'nbkit-media[webhooks]'",
        ) from error


def _is_signed(message: bytes, signature: Signature, keys: list[bytes]) -> bool:
    require_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature.value, message)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False
