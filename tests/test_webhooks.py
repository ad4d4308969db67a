from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import nbkit
from nbkit.errors import ConfigError, ConnectionFailed, ServiceError, WebhookError
from nbkit.wire.fal.webhooks import Signature, jwks, signed_message, webhook_body
from tests.scripted_server import answer

if TYPE_CHECKING:
    from tests.scripted_server import ScriptedServer

OLD, NEW = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
BODY = webhook_body("r1", {"seed": 1})
NOW = 1_700_000_000


def key_set(*keys: Ed25519PrivateKey) -> dict[str, Any]:
    """The public halves of some keys."""
    return jwks(*(key.public_key().public_bytes_raw() for key in keys))


def signed(body: bytes = BODY, *, key: Ed25519PrivateKey = OLD, at: int = NOW) -> dict[str, str]:
    """The headers that a sender would send along."""
    return Signature("r1", "u1", at, key.sign(signed_message("r1", "u1", at, body))).headers()


def test_a_genuine_webhook_is_read() -> None:
    """What the service signed is what `verify` gives."""
    event = nbkit.webhooks.verify(signed(), BODY, now=NOW + 10, jwks=key_set(OLD))

    assert (event.request_id, event.payload, event.ok) == ("r1", {"seed": 1}, True)


def test_any_key_of_the_set_may_have_signed() -> None:
    """A service that is changing its keys signs with the old or the new one."""
    assert nbkit.webhooks.verify(signed(key=NEW), BODY, now=NOW, jwks=key_set(OLD, NEW)).ok


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(), BODY.replace(b"1}", b"2}")),
        (signed(), BODY + b" "),
        (signed(key=NEW), BODY),
        ({**signed(), "x-fal-webhook-user-id": "u2"}, BODY),
        ({**signed(), "x-fal-webhook-request-id": "r2"}, BODY),
        ({**signed(), "x-fal-webhook-timestamp": str(NOW + 1)}, BODY),
        ({**signed(), "x-fal-webhook-signature": "00" * 64}, BODY),
    ],
)
def test_what_was_changed_on_its_way_is_refused(headers: dict[str, str], body: bytes) -> None:
    """One byte, one header or another key is enough."""
    with pytest.raises(WebhookError, match="not signed by the service"):
        nbkit.webhooks.verify(headers, body, now=NOW, jwks=key_set(OLD))


@pytest.mark.parametrize(("now", "fits"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_a_webhook_is_good_for_five_minutes(now: int, fits: bool) -> None:  # noqa: FBT001
    """An old one may be a replay; one from the future means that a clock is wrong."""
    if fits:
        assert nbkit.webhooks.verify(signed(), BODY, now=NOW + now, jwks=key_set(OLD)).ok
    else:
        with pytest.raises(WebhookError, match=r"is 301 seconds"):
            nbkit.webhooks.verify(signed(), BODY, now=NOW + now, jwks=key_set(OLD))


def test_keys_are_fetched_once_and_again_when_they_change(scripted: ScriptedServer) -> None:
    """A day's webhooks need one request, and new keys are found at the first webhook that needs them."""
    scripted.on("GET", "/jwks", answer(key_set(OLD)), answer(key_set(NEW)))
    keys = nbkit.webhooks.KeySet(f"{scripted.origin}/jwks")
    at = int(time.time())

    assert nbkit.webhooks.verify(signed(at=at), BODY, jwks=keys).ok
    assert nbkit.webhooks.verify(signed(at=at), BODY, jwks=keys).ok
    assert scripted.count("GET") == 1
    assert nbkit.webhooks.verify(signed(at=at, key=NEW), BODY, jwks=keys).ok
    assert scripted.count("GET") == 2


def test_forged_webhooks_do_not_make_this_machine_a_nuisance(scripted: ScriptedServer) -> None:
    """However many forged ones come, the keys are fetched again at most once a minute."""
    scripted.on("GET", "/jwks", answer(key_set(OLD)))
    keys = nbkit.webhooks.KeySet(f"{scripted.origin}/jwks")
    for _ in range(5):
        with pytest.raises(WebhookError):
            nbkit.webhooks.verify(signed(key=NEW), BODY, now=NOW, jwks=keys)

    assert scripted.count("GET") == 2


def test_keys_are_kept_for_a_day(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After that they are asked for again, even if they still verify."""
    scripted.on("GET", "/jwks", answer(key_set(OLD)))
    keys = nbkit.webhooks.KeySet(f"{scripted.origin}/jwks")
    keys.keys()
    later = time.monotonic() + 24 * 3600 + 1
    monkeypatch.setattr("nbkit.webhooks.time.monotonic", lambda: later)
    keys.keys()

    assert scripted.count("GET") == 2


@pytest.mark.parametrize("act", [answer({}, 500), answer({"keys": []}), answer(body=b"<html>")])
def test_keys_that_cannot_be_had_are_not_a_forgery(scripted: ScriptedServer, act: Any) -> None:
    """A webhook that cannot be judged is to come again, so it is another error."""
    scripted.on("GET", "/jwks", act)

    with pytest.raises(ServiceError):
        nbkit.webhooks.verify(signed(), BODY, now=NOW, jwks=nbkit.webhooks.KeySet(f"{scripted.origin}/jwks"))
    with pytest.raises(ConnectionFailed):
        nbkit.webhooks.verify(signed(), BODY, now=NOW, jwks=nbkit.webhooks.KeySet("http://127.0.0.1:9/jwks"))


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ConfigError, match=r"nbkit-media\[webhooks\]"):
        nbkit.webhooks.verify(signed(), BODY, now=NOW, jwks=key_set(OLD))
