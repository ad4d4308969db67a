from __future__ import annotations

import time

import pytest

from nbkit.model import event


def test_events_are_the_same_when_they_say_the_same() -> None:
    """When an event was noticed, and the JSON it came from, are not what it says."""
    assert event.Queued(3, raw={"a": 1}, at=1.0) == event.Queued(3)
    assert event.Queued(3) != event.Queued(2)
    assert len({event.Started(), event.Cancelled(), event.Started()}) == 2


@pytest.mark.parametrize(
    "kind",
    [
        event.Queued,
        event.Started,
        event.Log,
        event.StepStarted,
        event.StepFinished,
        event.Output,
        event.Failed,
        event.Cancelled,
        event.Unrecognised,
    ],
)
def test_every_event_knows_when(kind: type[event.Event]) -> None:
    """Each event has its time, and is shown without the raw JSON."""
    made = kind(raw={"secret": "x"})

    assert abs(made.at - time.time()) < 5
    assert "secret" not in repr(made)
    assert hash(made)
