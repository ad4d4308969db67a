from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import WebhookError
from nbkit.wire.fal.webhooks import (
    Signature,
    jwks,
    read_jwks,
    read_signature,
    read_webhook,
    signed_message,
    webhook_body,
)

SIGNATURE = Signature("r1", "u1", 1_700_000_000, bytes(range(64)))


def test_what_is_signed_is_four_lines() -> None:
    """Ids and time as they stand in the headers, and the hash of the body as it came."""
    digest = hashlib.sha256(b"{}").hexdigest()

    assert signed_message("r1", "u1", 1_700_000_000, b"{}") == f"r1\nu1\n1700000000\n{digest}".encode()


def test_headers_are_read_as_they_are_written() -> None:
    """The case of the names does not matter, nor whether they come as pairs."""
    written = SIGNATURE.headers()

    assert read_signature(written) == SIGNATURE
    assert read_signature([(name.title(), value) for name, value in written.items()]) == SIGNATURE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x-fal-webhook-signature": ""}, "not signed: it has no x-fal-webhook-signature"),
        ({"x-fal-webhook-signature": "zz"}, "is not a signature"),
        ({"x-fal-webhook-signature": "00" * 63}, "is not a signature"),
        ({"x-fal-webhook-timestamp": "soon"}, "is not a time"),
        ({"x-fal-webhook-timestamp": "-1"}, "is not a time"),
        ({"x-fal-webhook-timestamp": "\u0661"}, "is not a time"),
        ({"x-fal-webhook-user-id": "u\n1"}, "line breaks"),
        ({"X-FAL-WEBHOOK-USER-ID": "u2"}, "more than one"),
    ],
)
def test_headers_that_are_wrong_are_told(change: dict[str, str], says: str) -> None:
    """Each error says which header is wrong."""
    with pytest.raises(WebhookError, match=says):
        read_signature({**SIGNATURE.headers(), **change})


def test_a_key_set_gives_its_ed25519_keys() -> None:
    """Keys are written without padding and read with or without it; others are passed over."""
    key = bytes(range(32))
    written = jwks(key)
    padded: dict[str, Any] = {**written["keys"][0], "x": base64.urlsafe_b64encode(key).decode()}
    others: list[Any] = [
        {"kty": "RSA"},
        {**padded, "crv": "X25519"},
        {**padded, "x": "AAA"},
        {**padded, "x": 3},
        None,
        [],
    ]

    assert "=" not in written["keys"][0]["x"]
    assert read_jwks({"keys": [*others, padded, *written["keys"]]}) == [key, key]
    assert read_jwks(None) == read_jwks({"keys": 3}) == []


def test_a_body_is_read_as_it_is_written() -> None:
    """What a sender says of a request is what the receiver reads."""
    good = read_webhook(webhook_body("r1", {"seed": 1}, gateway_request_id="g1"))
    bad = read_webhook(webhook_body("r1", {"detail": []}, error="Invalid status code: 422"))

    assert (good.request_id, good.status, good.payload, good.ok) == ("r1", "OK", {"seed": 1}, True)
    assert good.gateway_request_id == "g1"
    assert (bad.status, bad.error, bad.ok) == ("ERROR", "Invalid status code: 422", False)


def test_an_output_that_is_missing_is_told() -> None:
    """A request that ended well, but whose output could not be sent, is not taken for an empty one."""
    event = read_webhook(b'{"request_id":"r","status":"OK","payload":null,"payload_error":"not JSON"}')

    assert (event.ok, event.error) == (False, "not JSON")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"request_id": 3}', b"\xff", b"[" * 100_000])
def test_a_body_that_names_no_request_is_refused(body: bytes) -> None:
    """Anything else than a request's end is told as such."""
    with pytest.raises(WebhookError, match="the webhook's body"):
        read_webhook(body)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
NAMES = st.sampled_from(
    ["request_id", "status", "payload", "error", "payload_error", "keys", "x", "kty", "crv"]
)


@given(st.dictionaries(NAMES, ANY, max_size=6))
def test_no_body_and_no_key_set_breaks_the_reader(named: dict[str, Any]) -> None:
    """Whatever is posted is an event or a refusal."""
    assert all(len(key) == 32 for key in read_jwks(named))
    try:
        event = read_webhook(json.dumps(named).encode())
    except WebhookError:
        return
    assert event.request_id == named["request_id"]
    assert isinstance(event.error, str)
