from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.wire.fal import answers
from nbkit.wire.fal.answers import RequestUrls, error_summary, field_error, shortened

URLS = RequestUrls.of("http://h/queue", "fal-ai/flux", "R")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


def test_addresses_hold_the_app_and_the_id() -> None:
    """As the official clients make them by themselves from an id."""
    base = "http://h/queue/fal-ai/flux/requests/R"

    assert (URLS.response, URLS.status, URLS.cancel) == (base, f"{base}/status", f"{base}/cancel")


def test_a_submit_has_what_every_client_reads() -> None:
    """All six keys."""
    assert answers.submitted("R", URLS, 3) == {
        "status": "IN_QUEUE",
        "request_id": "R",
        "queue_position": 3,
        "response_url": URLS.response,
        "status_url": URLS.status,
        "cancel_url": URLS.cancel,
    }


@pytest.mark.parametrize("state", [answers.IN_QUEUE, answers.IN_PROGRESS, answers.COMPLETED])
def test_a_status_has_the_keys_that_clients_index(state: str) -> None:
    """`logs` is there even when it is null; the position only while it waits."""
    body = answers.status(state, "R", URLS, position=2, seconds=1.5 if state == answers.COMPLETED else None)

    assert body["logs"] is None
    assert body.get("queue_position") == (2 if state == answers.IN_QUEUE else None)
    assert body["metrics"] == ({"inference_time": 1.5} if state == answers.COMPLETED else {})
    assert "error" not in body


def test_a_failed_status_says_why() -> None:
    """For people and for programs."""
    body = answers.status(answers.COMPLETED, "R", URLS, seconds=0, error="no", error_type="bad_request")

    assert (body["error"], body["error_type"]) == ("no", "bad_request")


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        ({"detail": "no", "error_type": "x"}, ("no", "x")),
        (
            {"detail": [field_error("too big", "less_than_equal", "n", value=9)]},
            ("n: too big", "less_than_equal"),
        ),
        ({"detail": [field_error("no", "value_error")]}, ("no", "value_error")),
        ({"detail": []}, ("", "")),
        ("text", ("text", "")),
    ],
)
def test_an_error_body_is_summed_up(body: Any, summary: tuple[str, str]) -> None:
    """In the words that the status tells."""
    assert error_summary(body) == summary


@given(JSON)
def test_what_was_sent_is_echoed_short(value: Any) -> None:
    """However large it was, and always as JSON."""
    assert len(json.dumps(shortened([value, "x" * 10_000]))) < 40_000_000
    assert shortened(shortened(value)) == shortened(value)
