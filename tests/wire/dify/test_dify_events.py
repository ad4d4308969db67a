from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from nbkit.model.event import (
    Failed,
    Log,
    Output,
    Paused,
    Started,
    StepFinished,
    StepStarted,
    Text,
    Unrecognised,
)
from nbkit.wire.dify.events import EventReader
from nbkit.wire.dify.outcome import read_outcome
from nbkit.wire.dify.versions import loses_dropped_runs
from tests.dify_recordings import NEW, OLD, STREAMS, read, recording

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KINDS = sorted({event["event"] for name in STREAMS for event in recording(name).events})


@pytest.mark.parametrize("name", STREAMS)
def test_every_recorded_event_is_told(name: str) -> None:
    """Each event of a recorded run becomes an event of nbkit with its JSON, in order; the run is known by its ids."""
    source = recording(name)
    reader, events = read(source)
    sent = source.events

    told = [id(event.raw) for event in events]
    assert [json.dumps(it) for it in sent] == [
        json.dumps(event.raw) for number, event in enumerate(events) if id(event.raw) not in told[:number]
    ]
    known = [it for it in sent if it["event"] != "tts_message_end"]
    strange = [event.kind for event in events if isinstance(event, Unrecognised)]
    assert set(strange) <= {"tts_message_end"}
    if known:
        assert (reader.run_id, reader.task_id) == (known[0]["workflow_run_id"], known[0]["task_id"])


@pytest.mark.parametrize("name", STREAMS)
def test_what_begins_ends(name: str) -> None:
    """Of a run that ended well, every step that began has ended, and the workflow's outputs come last."""
    source = recording(name)
    reader, events = read(source)
    if reader.outcome is None or not reader.outcome.is_well:
        return
    begun = [event.node for event in events if isinstance(event, StepStarted)]
    ended = [event.node for event in events if isinstance(event, StepFinished)]
    last = [event for event in events if isinstance(event, Output)][-1]

    assert sorted(begun) == sorted(ended)
    assert isinstance(events[0], Started)
    assert last.final
    finished = next(it for it in source.events if it["event"] == "workflow_finished")
    assert last.data == finished["data"]["outputs"] == reader.outcome.outputs


def test_a_step_is_told_with_its_title() -> None:
    """A step has the author's name for it, its kind and its own id."""
    _, events = read(recording(f"{NEW}/02-image-streaming-raw.raw"))
    steps = [event for event in events if isinstance(event, StepStarted)]

    assert [(it.node, it.title, it.endpoint) for it in steps] == [
        ("start", "Start", "start"),
        ("fetch", "Fetch image", "http-request"),
        ("end", "End", "end"),
    ]
    assert len(steps[1].request_id) == 36


@pytest.mark.parametrize(
    ("name", "node", "words"),
    [
        (f"{NEW}/10-fail-streaming.http", "boom", "Reached maximum retries"),
        (f"{OLD}/10-fail-streaming.http", "boom", "Node Broken upstream run failed"),
        (f"{NEW}/10-codefail-streaming.http", "calc", ""),
        (f"{OLD}/10-codefail-streaming.http", "calc", ""),
    ],
)
def test_a_failed_run_names_its_step(name: str, node: str, words: str) -> None:
    """A run that fails says why and in which step."""
    reader, events = read(recording(name))
    failed = next(event for event in events if isinstance(event, Failed))

    assert reader.outcome is not None
    assert (reader.outcome.status, reader.outcome.is_well) == ("failed", False)
    assert failed.node == node
    assert words in failed.message
    assert any(isinstance(event, Log) and event.level == "ERROR" for event in events)


def test_a_run_that_succeeded_in_part_warns() -> None:
    """A step that failed and was handled leaves a warning, and the run is a success."""
    reader, events = read(recording(f"{NEW}/13-partial-streaming.http"))
    warnings = [event.message for event in events if isinstance(event, Log) and event.level == "WARNING"]

    assert reader.outcome is not None
    assert reader.outcome.is_well
    assert len(warnings) == 2
    assert "1 of its steps failed" in warnings[-1]


def test_rounds_of_iterations_and_loops_are_told() -> None:
    """Each round of a repeated part is a line, and the part itself is a step."""
    for name, node in (
        (f"{NEW}/15-iteration-streaming.http", "iter"),
        (f"{NEW}/15-loop-streaming.http", "loop"),
    ):
        _, events = read(recording(name))

        assert len([event for event in events if isinstance(event, Log)]) == 3
        assert [event.node for event in events if isinstance(event, StepFinished)].count(node) == 1


def test_text_is_told_and_means_nothing_for_the_result() -> None:
    """Pieces of text are events, also with line ends that are no ends of lines; the output is told apart from them."""
    _, events = read(recording(f"{NEW}/16-text-streaming-raw.raw"))
    texts = [event for event in events if isinstance(event, Text)]

    assert len(texts) == 14
    assert "\u2028" in "".join(event.text for event in texts)
    assert {event.node for event in texts} == {"calc", "end", "tpl"}


def test_a_pause_for_a_person() -> None:
    """A run that waits for a person says for what, in which step, and how long."""
    reader, events = read(recording(f"{NEW}/61-human-stream-raw.raw"))
    question, pause = (event for event in events if isinstance(event, Paused))

    assert reader.is_paused
    assert reader.outcome is None
    assert question.node == "ask"
    assert question.until is not None
    assert "paused" in pause.message
    reader.take({"event": "workflow_started", "data": {"reason": "resumption"}})
    assert not reader.is_paused


def test_a_stopped_run() -> None:
    """A run that was stopped ended so, and is no failure."""
    for version in (OLD, NEW):
        reader, events = read(recording(f"{version}/20a-stop-same-user.raw"))

        assert reader.outcome is not None
        assert reader.outcome.status == "stopped"
        assert not [event for event in events if isinstance(event, (Failed, Output))]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            {"event": "error", "task_id": "t", "code": "invalid_param", "message": "no", "status": 400},
            Failed("no", 400, "invalid_param"),
        ),
        (
            {"event": "error", "message": "Workflow execution failed", "status": 500},
            Failed("Workflow execution failed", 500),
        ),
        ({"event": "error", "workflow_run_id": None, "message": None}, Failed("it failed")),
    ],
)
def test_an_error_event_ends_the_run(payload: dict[str, Any], expected: Failed) -> None:
    """Either form of an error is the end, whether or not the stream stays open after it."""
    reader = EventReader()

    assert reader.take(payload) == [expected]
    assert reader.outcome is not None
    assert reader.outcome.is_over


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (
            "parallel_branch_started",
            {"parallel_branch_id": "n"},
            StepStarted("branch n", "parallel branch", title="parallel branch"),
        ),
        (
            "parallel_branch_finished",
            {"parallel_branch_id": "n", "status": "succeeded"},
            StepFinished("branch n", None, "parallel branch", title="parallel branch"),
        ),
        ("agent_log", {"label": "ROUND 1", "status": "success"}, Log("ROUND 1: success", level="INFO")),
        ("agent_log", {"label": "ROUND 1", "error": "x"}, Log("ROUND 1: x", level="WARNING")),
        ("reasoning_chunk", {"reasoning": "hm", "node_id": "llm"}, Text("hm", "llm")),
        (
            "human_input_form_filled",
            {"node_title": "Ask", "action_text": "Approve"},
            Log("Ask: answered with Approve", level="INFO"),
        ),
        (
            "human_input_form_timeout",
            {"node_title": "Ask"},
            Log("Ask: nobody answered in time", level="WARNING"),
        ),
        ("text_replace", {"text": "x"}, Unrecognised("text_replace")),
        ("something_new", {"x": 1}, Unrecognised("something_new")),
    ],
)
def test_events_of_other_versions(kind: str, data: dict[str, Any], expected: object) -> None:
    """What only some versions send is understood, and what none did so far is kept."""
    assert EventReader().take({"event": kind, "data": data}) == [expected]


@pytest.mark.parametrize("text", ["", "nonsense", "[1]", "null", "[" * 100_000])
def test_nonsense_is_kept(text: str) -> None:
    """What is no event is kept, and breaks nothing."""
    (event,) = EventReader().read(text)

    assert isinstance(event, Unrecognised)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from([*KINDS, "node_retry", "agent_log", "error", "x"]), data=JSON, more=JSON)
def test_no_event_is_fatal(kind: str, data: Any, more: Any) -> None:
    """Whatever stands in an event, it becomes one or more events."""
    payload = (more if isinstance(more, dict) else {}) | {"event": kind, "data": data}

    assert all(event.raw == payload for event in EventReader().take(payload))


@settings(max_examples=200, deadline=None)
@given(JSON, st.dictionaries(st.sampled_from(["id", "status", "outputs", "error", "data", "task_id"]), JSON))
def test_any_json_may_claim_to_be_an_outcome(strange: Any, near: dict[str, Any]) -> None:
    """What ends a run is read without trouble, whatever it is."""
    for body in (strange, near):
        outcome = read_outcome(body)

        assert outcome is None or outcome.as_status().raw == body


@pytest.mark.parametrize("version", [OLD, NEW])
def test_the_three_places_that_tell_an_end_agree(version: str) -> None:
    """A blocking answer and a run's record say the same, whether outputs are JSON or text that holds JSON."""
    blocking = read_outcome(recording(f"{version}/01-image-blocking.http").json)
    record = read_outcome(recording(f"{version}/04-run-detail.http").json)
    failed = read_outcome(recording(f"{version}/10-fail-detail.http").json)

    assert blocking is not None
    assert record is not None
    assert failed is not None
    assert blocking.run_id == record.run_id
    assert blocking.outputs.keys() == record.outputs.keys()
    assert blocking.task_id
    assert blocking.as_status().state == record.as_status().state == "completed"
    assert (failed.as_status().state, failed.outputs) == ("failed", {})
    assert failed.as_status().error.endswith("http://127.0.0.1:9/nothing")
    assert record.metrics["total_steps"] == 3


def test_a_run_that_is_not_known() -> None:
    """An old server answers for a run it does not know with nulls, and that is no outcome."""
    outcome = read_outcome(recording(f"{OLD}/04c-run-detail-unknown.http").json)

    assert outcome is not None
    assert not outcome.run_id
    assert not outcome.is_over
    assert outcome.as_status().state == "unknown"


@pytest.mark.parametrize(
    ("version", "loses"),
    [
        ("0.6.16", True),
        ("0.15.3", True),
        ("1.8.1", True),
        ("1.9.0", False),
        ("1.13.2", False),
        ("2.0", False),
        ("", False),
        ("main", False),
    ],
)
def test_servers_that_forget_how_a_dropped_run_ended(version: str, loses: bool) -> None:  # noqa: FBT001
    """Servers up to 1.8 never record the end of a run whose stream was dropped."""
    assert loses_dropped_runs(version) is loses


@pytest.mark.parametrize(
    "strange", ["..", "a/b", "a\r\nx: y", "?a=b", "\ud800", "x" * 300, "", 5, None, ["a"]]
)
def test_what_is_no_id_is_not_taken_for_one(strange: Any) -> None:
    """An id becomes part of an address, so only what may be an id is kept as one."""
    reader = EventReader()
    reader.take({"event": "workflow_started", "workflow_run_id": strange, "task_id": strange, "data": {}})
    outcome = read_outcome({"task_id": strange, "data": {"id": strange, "status": "succeeded"}})

    assert (reader.run_id, reader.task_id) == ("", "")
    assert outcome is not None
    assert (outcome.run_id, outcome.task_id) == ("", "")
