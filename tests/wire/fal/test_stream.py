from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import StreamBroken
from nbkit.model.event import Event, Failed, Output, StepFinished, StepStarted, Unrecognised
from nbkit.wire.fal.stream import model_event, parse, workflow_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["type", "node_id", "app_id", "output", "error", "status", "message"]), inner
        )
        | st.fixed_dictionaries({"type": st.sampled_from(["submit", "completion", "output", "error"])})
    ),
)


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (
            {"type": "submit", "node_id": "n", "app_id": "a/b", "request_id": "r"},
            StepStarted("n", "a/b", "r"),
        ),
        ({"type": "completion", "node_id": "n", "output": {"x": 1}}, StepFinished("n", {"x": 1})),
        (
            {"type": "completion", "node_id": "n", "output": {"timings": {"inference": 0.5}}},
            StepFinished("n", {"timings": {"inference": 0.5}}, seconds=0.5),
        ),
        (
            {"type": "completion", "node_id": "n", "output": {"timings": {"inference": -1}}},
            StepFinished("n", {"timings": {"inference": -1}}),
        ),
        ({"type": "output", "output": {"image": "u"}}, Output({"image": "u"}, final=True)),
        (
            {"type": "error", "node_id": "n", "message": "no", "error": {"status": 422, "body": {}}},
            Failed("no", 422, node="n"),
        ),
        ({"type": "error"}, Failed("it failed")),
        ({"type": "progress", "x": 1}, Unrecognised("progress")),
        (7, Unrecognised("")),
    ],
)
def test_workflow_events(payload: Any, event: Event) -> None:
    """The four events of workflows, and what is none of them."""
    assert workflow_event(payload) == event
    assert workflow_event(payload).raw == payload


def test_model_events() -> None:
    """A model may give any JSON, and only its end tells that it was the last."""
    assert model_event({"partial": True}) == Output({"partial": True}, final=False)


@given(JSON)
def test_any_event_can_be_read(payload: Any) -> None:
    """No JSON makes reading an event fail."""
    assert isinstance(workflow_event(payload), Event)


@pytest.mark.parametrize("data", ["", "{", "[DONE]", "[" * 100_000])
def test_what_is_no_json_breaks_the_stream(data: str) -> None:
    """The message shows how it begins."""
    with pytest.raises(StreamBroken, match="not JSON"):
        parse(data)


def test_a_model_that_fails_midway_is_no_result() -> None:
    """An error that a model's stream brings is told as a failure, with its words and status."""
    payload = {"type": "error", "message": "out of memory", "error": {"status": 503, "body": {}}}

    assert model_event(payload) == Failed("out of memory", 503)
