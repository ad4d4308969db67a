from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from nbkit.model.event import StepFinished, StepStarted
from nbkit.wire.dify.events import EventReader
from nbkit.wire.dify.repeats import Repeats
from tests.dify_recordings import STREAMS, recording

if TYPE_CHECKING:
    from nbkit.model.event import Event

KINDS = [
    "node_started",
    "node_finished",
    "iteration_next",
    "workflow_started",
    "workflow_paused",
    "text_chunk",
]
FACTS = st.dictionaries(
    st.sampled_from(
        ["id", "node_id", "index", "created_at", "reason", "reasons", "node_type", "retry_index"]
    ),
    st.sampled_from(["a", "b", "iteration"])
    | st.integers(0, 1)
    | st.none()
    | st.lists(st.integers(), max_size=1),
)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("dropped_after", [1, 3, 7, 1000])
def test_a_recorded_run_that_is_repeated_is_told_once(name: str, dropped_after: int) -> None:
    """Wherever a stream breaks, a second one that repeats everything adds each step that is missing, once."""
    sent = recording(name).events
    whole, broken = EventReader(), EventReader()
    expected = [it for payload in sent for it in whole.take(payload)]
    told = [it for payload in sent[:dropped_after] for it in broken.take(payload)]
    broken.begin_again()
    told += [it for payload in sent for it in broken.take(payload)]

    assert steps(told) == steps(expected)


def steps(events: list[Event]) -> list[tuple[str, Any]]:
    """What began and ended, in order."""
    return [
        (type(it).__name__, it.raw["data"].get("id") or it.raw["data"].get("parallel_branch_id"))
        for it in events
        if isinstance(it, (StepStarted, StepFinished)) and "branch" not in it.raw["event"]
    ]


@given(st.lists(st.tuples(st.sampled_from(KINDS), FACTS), max_size=12))
def test_one_stream_repeats_nothing(events: list[tuple[str, dict[str, Any]]]) -> None:
    """Events of one stream are all told, however alike they are."""
    repeats = Repeats()

    assert not any(repeats.is_known(kind, data) for kind, data in events)


def test_an_iteration_is_known_among_the_steps() -> None:
    """A state that is repeated has an iteration as a step; it is the one whose own events were told."""
    live = {"id": "iter", "node_id": "iter", "node_type": "iteration", "created_at": 7}
    state = live | {"id": "5ae0b0b8-0000-4000-8000-00000000000a", "index": 2}
    repeats = Repeats()
    repeats.is_known("iteration_started", live)
    repeats.begin_again()

    assert repeats.is_known("node_started", state)
    assert not repeats.is_known("node_started", state | {"created_at": 8})
    assert not repeats.is_known("node_finished", state)
