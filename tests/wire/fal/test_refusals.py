from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import ServiceError, ValidationFailed
from nbkit.wire.fal.refusals import read_refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["detail", "loc", "msg", "type", "error", "message", "status", "x"]), inner
        )
    ),
)


def message(body: Any, status: int = 500) -> str:
    """What is said of a JSON body."""
    return read_refusal(status, {}, json.dumps(body).encode()).message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"detail": "CUDA error"}, "CUDA error"),
        (
            {"detail": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]},
            "prompt: Field required",
        ),
        ({"detail": [{"msg": "no loc"}]}, "no loc"),
        ({"detail": ["text"]}, "text"),
        ({"detail": {"message": "inside"}}, "inside"),
        ({"error": {"type": "not_found", "message": "No such model"}}, "No such model"),
        ({"error": "flat"}, "flat"),
        ({"message": "plain"}, "plain"),
        ({"status": "ALREADY_COMPLETED"}, "already completed"),
        ({"detail": ""}, "Internal Server Error"),
        ({}, "Internal Server Error"),
        ([], "Internal Server Error"),
    ],
)
def test_each_shape_of_error_has_its_words(body: Any, expected: str) -> None:
    """All of fal's error bodies, and near misses, give a sentence."""
    assert message(body) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>", "502 Bad Gateway"),
        (b"upstream   connect\nerror", "upstream connect error"),
        (b"<html>no title</html>", "Bad Gateway"),
        (b"{broken", "Bad Gateway"),
        (b"", "Bad Gateway"),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00"),
    ],
)
def test_pages_of_proxies(content: bytes, expected: str) -> None:
    """What a proxy says is told in a line, without its markup."""
    assert read_refusal(502, {}, content).message == expected


def test_fields_are_named() -> None:
    """Each refused field has its path and the service's words."""
    detail = [
        {"loc": ["body", "images", 0, "url"], "msg": "not a URL", "type": "value_error"},
        {"loc": ["body", "seed"], "msg": "too large", "type": "less_than", "ctx": {"lt": 5}},
        {"loc": ["body", "seed"], "msg": "and odd", "type": "x"},
        {"loc": ["body"], "msg": "not an object", "type": "y"},
    ]
    refusal = read_refusal(422, {"x-fal-request-id": "r"}, json.dumps({"detail": detail}).encode())
    error = refusal.error("submitting to a/b")

    assert isinstance(error, ValidationFailed)
    assert error.field_errors == {"images.0.url": "not a URL", "seed": "too large", "": "not an object"}
    assert str(error) == (
        "submitting to a/b: images.0.url: not a URL; seed: too large; input: not an object (HTTP 422)"
    )
    assert (error.status, error.error_type, error.request_id) == (422, "value_error", "r")


@pytest.mark.parametrize(
    ("status", "word"), [(401, "FAL_KEY"), (402, "credit"), (403, "key"), (429, "fewer")]
)
def test_common_refusals_come_with_advice(status: int, word: str) -> None:
    """Who is refused for a known reason is told what to do."""
    error = read_refusal(status, {}, b'{"detail":"no"}').error("submitting")

    assert type(error) is ServiceError
    assert word in error.hint


def test_the_machines_word_is_found_where_it_stands() -> None:
    """`error_type` comes from the body, else from the header."""
    assert read_refusal(503, {"x-fal-error-type": "h"}, b'{"error_type":"b"}').error_type == "b"
    assert read_refusal(503, {"x-fal-error-type": "h"}, b"{}").error_type == "h"
    assert read_refusal(504, {"x-fal-request-timeout-type": "user"}, b"").user_timeout


@given(st.integers(400, 999), st.binary() | JSON.map(lambda body: json.dumps(body).encode()))
def test_any_answer_can_be_read(status: int, content: bytes) -> None:
    """Whatever comes back, there is one clear message of bounded length."""
    refusal = read_refusal(status, {}, content)

    assert refusal.message
    assert len(refusal.message) <= 600
    assert str(refusal.error("doing this"))


@pytest.mark.parametrize(
    "content", [b"<title" * 100_000, b"<" * 1_000_000, b"[" * 1_000_000, b"<title>" + b"x" * 10**6]
)
def test_hostile_pages_are_read_in_no_time(content: bytes) -> None:
    """A page made to be slow to read is not."""
    began = time.perf_counter()
    read_refusal(500, {}, content)

    assert time.perf_counter() - began < 1
