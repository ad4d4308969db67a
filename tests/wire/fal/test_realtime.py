from __future__ import annotations

import contextlib
import sys
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import ConfigError, InputError, ServiceError, StreamBroken
from nbkit.model.endpoint import Endpoint
from nbkit.wire.fal.addresses import Hosts
from nbkit.wire.fal.realtime import (
    Control,
    error_frame,
    pack,
    read_frame,
    read_token,
    realtime_url,
    token_request,
    unpack,
)

FAL = Hosts.of_fal({})
ENDPOINT = Endpoint.parse("acme/imgen/fast")


def test_the_address_of_a_session() -> None:
    """It ends with `/realtime`, once, and carries the token and the wish for buffering."""
    near = Hosts.of_origin("http://127.0.0.1:8188")

    assert realtime_url(FAL, ENDPOINT) == "wss://fal.run/acme/imgen/fast/realtime"
    assert realtime_url(near, Endpoint.parse("a/b/realtime")) == "ws://127.0.0.1:8188/run/a/b/realtime"
    assert realtime_url(FAL, ENDPOINT, token="t+", max_buffering=1) == (
        "wss://fal.run/acme/imgen/fast/realtime?fal_jwt_token=t%2B&max_buffering=1"
    )


@pytest.mark.parametrize("number", [0, 61])
def test_buffering_has_limits(number: int) -> None:
    """A number that the service refuses is refused here."""
    with pytest.raises(InputError, match="from 1 to 60"):
        realtime_url(FAL, ENDPOINT, max_buffering=number)


def test_a_token_is_asked_for_one_app() -> None:
    """It names the alias alone, as fal's own client does."""
    assert token_request(FAL, ENDPOINT, 60) == (
        "https://rest.fal.ai/tokens/",
        {"allowed_apps": ["imgen"], "token_expiration": 60},
    )


@pytest.mark.parametrize("body", ["t", {"token": "t"}, {"detail": "t"}])
def test_a_token_is_read_in_each_of_its_forms(body: Any) -> None:
    """The service has written it in three ways."""
    assert read_token(body) == "t"


@pytest.mark.parametrize("body", [None, "", {}, {"token": 3}, [], "a\nb", "ü"])
def test_an_answer_without_a_token_is_told(body: Any) -> None:
    """Nothing else is taken for a token."""
    with pytest.raises(ServiceError, match="no token"):
        read_token(body)


def test_frames_about_the_session() -> None:
    """Messages are passed over, errors raised, and `TIMEOUT` is only the end."""
    assert read_frame('{"type":"x-fal-message","action":"timings"}') == Control()
    assert read_frame(error_frame("TIMEOUT")).is_end
    error = read_frame(error_frame("INTERNAL_ERROR", "out of memory")).raised("acme/imgen")
    locked = read_frame('{"status":"error","error":"Unauthorized"}').raised("acme/imgen")

    assert str(error) == "the realtime session of acme/imgen: INTERNAL_ERROR: out of memory"
    assert error.error_type == "INTERNAL_ERROR"
    assert locked.status == 401
    assert read_frame('{"status":"ok","seed":1}') == {"status": "ok", "seed": 1}


def test_frames_that_cannot_be_read_are_told() -> None:
    """Broken frames are errors of the session, not of Python."""
    for frame in ("{", "[" * 100_000, b"\xc1", b"", b"\x81", b"\x91" * 100_000, b"\x81\x90\x01"):
        with pytest.raises(StreamBroken, match="frame"):
            read_frame(frame)


def test_an_input_that_cannot_be_packed_is_told() -> None:
    """What msgpack has no form for is an error of the input."""
    for value in (object(), {"a": 2**70}, {"a": {1, 2}}):
        with pytest.raises(InputError, match="cannot be sent"):
            pack(value)


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    monkeypatch.setitem(sys.modules, "msgpack", None)

    with pytest.raises(ConfigError, match=r"nbkit-media\[realtime\]"):
        pack({})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_packed_is_unpacked(value: Any) -> None:
    """Inputs and answers arrive as they were sent, bytes too."""
    assert unpack(pack(value)) == value


@given(st.binary() | st.text())
def test_no_frame_breaks_the_reader(frame: bytes | str) -> None:
    """Whatever comes is an answer, a word about the session, or an error of it."""
    with contextlib.suppress(StreamBroken):
        read_frame(frame)
