from __future__ import annotations

from typing import Any

import pytest

from nbkit.model.event import Event, Log, Output, StepFinished, StepStarted
from nbkit.wire.dify.events import EventReader
from tests.dify_recordings import NEW, OLD, read, recording


def take(*events: dict[str, Any]) -> list[Event]:
    """What a reader makes of some events."""
    reader = EventReader()
    return [event for payload in events for event in reader.take(payload)]


def finished(**data: Any) -> StepFinished:
    """A step's end, read."""
    (event,) = take({"event": "node_finished", "data": {"node_id": "n", "status": "succeeded", **data}})
    assert isinstance(event, StepFinished)
    return event


@pytest.mark.parametrize("version", [OLD, NEW])
def test_the_rounds_of_an_iteration_are_its_parts(version: str) -> None:
    """Each step inside an iteration names it and its round, and the iteration itself names nothing."""
    _, events = read(recording(f"{version}/15-iteration-streaming.http"))
    ended = [event for event in events if isinstance(event, StepFinished)]

    assert [(it.parent, it.index) for it in ended if it.node == "ifetch"] == [
        ("iter", 0),
        ("iter", 1),
        ("iter", 2),
    ]
    assert {it.parent for it in ended if it.node != "ifetch"} == {""}


def test_the_rounds_of_a_loop_are_counted_from_nought() -> None:
    """A loop tells its rounds after each, counted from one; its steps begin in round 0."""
    _, events = read(recording(f"{NEW}/15-loop-streaming.http"))
    begun = [event for event in events if isinstance(event, StepStarted) and event.node == "inc"]

    assert [(it.parent, it.index) for it in begun] == [("loop", 0), ("loop", 1), ("loop", 2)]


def test_a_step_takes_as_long_as_dify_says() -> None:
    """The seconds of a step are those that Dify measured; its end has the id of its beginning."""
    _, events = read(recording(f"{NEW}/02-image-streaming-raw.raw"))
    begun = [event for event in events if isinstance(event, StepStarted)]
    ended = [event for event in events if isinstance(event, StepFinished)]

    assert [it.request_id for it in begun] == [it.request_id for it in ended]
    assert all(it.seconds is not None and 0 < it.seconds < 10 for it in ended)
    assert [it.since for it in begun] == [0.0, 0.0, 0.0]
    assert all(it.since is not None and 0 <= it.since <= 1 for it in ended)


def test_tokens_and_price_of_a_step() -> None:
    """A language model's step says how many tokens it used and what that cost."""
    step = finished(execution_metadata={"total_tokens": 120, "total_price": "0.0024", "currency": "USD"})

    assert (step.tokens, step.price, step.currency) == (120, 0.0024, "USD")


@pytest.mark.parametrize(
    "told", ["NaN", "Infinity", "-1", "1e400", "", "free", True, [], {}, -3, 10**400, "9" * 10_000]
)
def test_numbers_that_are_none_are_unknown(told: Any) -> None:
    """What cannot be counted with counts as not told."""
    step = finished(elapsed_time=told, execution_metadata={"total_tokens": told, "total_price": told})

    assert (step.seconds, step.tokens, step.price) == (None, None, None)


def test_a_failed_step_ends() -> None:
    """A step that fails ends as such and says why, also where the run goes on without it."""
    _, events = read(recording(f"{NEW}/10-fail-streaming.http"))
    (failed,) = (it for it in events if isinstance(it, StepFinished) and it.status == "failed")
    assert failed.node == "boom"
    assert "Reached maximum retries" in failed.message

    _, events = read(recording(f"{NEW}/13-partial-streaming.http"))
    (handled,) = (it for it in events if isinstance(it, StepFinished) and it.status == "exception")
    assert handled.node == "boom"
    assert [it.partial for it in events if isinstance(it, Output)] == [True]


def test_a_retry_begins_the_step_again() -> None:
    """A step that is tried again says which try it is, under the id of the first."""
    about = {"id": "x", "node_id": "n", "title": "Get"}
    _, log, again = take(
        {"event": "node_started", "data": about},
        {"event": "node_retry", "data": {**about, "error": "502", "retry_index": 1}},
    )

    assert log == Log("step Get failed and is tried again (1): 502", level="WARNING")
    assert again == StepStarted("n", "", "x", "Get", attempt=2)


def test_a_branch_that_failed() -> None:
    """A parallel branch that failed ends so, with a warning."""
    payload = {
        "event": "parallel_branch_finished",
        "data": {"parallel_branch_id": "n", "status": "failed", "error": "x"},
    }

    assert take(payload) == [
        Log("a parallel branch failed: x", level="WARNING"),
        StepFinished(
            "branch n", None, "parallel branch", title="parallel branch", status="failed", message="x"
        ),
    ]


def test_steps_of_a_branch_are_its_parts() -> None:
    """A step of a parallel branch names the branch, where it was told to begin."""
    inside = {"event": "node_started", "data": {"node_id": "m", "parallel_start_node_id": "n"}}
    branch = {"event": "parallel_branch_started", "data": {"parallel_branch_id": "n"}}

    assert [it.parent for it in take(branch, inside) if isinstance(it, StepStarted)] == ["", "branch n"]
    assert [it.parent for it in take(inside) if isinstance(it, StepStarted)] == [""]
