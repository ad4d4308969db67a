from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import InputError, RunUnknown
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Event, Log, Queued, Started, Unrecognised
from nbkit.wire.fal.addresses import Hosts
from nbkit.wire.fal.queue import (
    STAND_IN_HEADER,
    StatusReader,
    Ticket,
    read_status,
    read_ticket,
    submit_headers,
)

HOSTS = Hosts.of_origin("http://h")
APP = Endpoint.parse("acme/imgen/v2")
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["status", "logs", "queue_position", "metrics", "error", "message", "timestamp", "x"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


def test_a_ticket_is_what_the_service_gave() -> None:
    """The addresses of the answer are used as they are."""
    body = {
        "request_id": "r",
        "status_url": "http://s/st",
        "response_url": "http://s/re",
        "cancel_url": "http://s/ca",
        "queue_position": 3,
    }
    ticket = read_ticket(body, {STAND_IN_HEADER: "collage"}, HOSTS, APP)

    assert ticket == Ticket("r", "http://s/st", "http://s/re", "http://s/ca", 3, "collage")


@pytest.mark.parametrize(
    "bad", [None, "", 7, "/relative", "file:///etc/passwd", "javascript:x", "http://[broken", "http://"]
)
def test_addresses_that_are_none_are_made_from_the_id(bad: object) -> None:
    """A ticket without usable addresses can still be followed."""
    body = {"request_id": "r", "status_url": bad, "response_url": bad, "cancel_url": bad}

    assert read_ticket(body, {}, HOSTS, APP) == Ticket.of(HOSTS, APP, "r")
    assert Ticket.of(HOSTS, APP, "r").cancel_url == "http://h/queue/acme/imgen/requests/r/cancel"


@pytest.mark.parametrize("body", [None, [], "x", {}, {"request_id": ""}, {"request_id": 7}])
def test_without_an_id_the_fate_is_unknown(body: object) -> None:
    """A submit that was taken but cannot be followed is not sent again; a person looks."""
    with pytest.raises(RunUnknown, match="no request id"):
        read_ticket(body, {}, HOSTS, APP)


def test_where_to_ask() -> None:
    """A query that the service put into an address stays there."""
    ticket = Ticket("r", "http://s/status/?sig=a", "", "")

    assert ticket.asking() == "http://s/status?sig=a&logs=1"
    assert ticket.asking(pushed=True) == "http://s/status/stream?sig=a&logs=1"
    assert ticket.asking(logs=False).endswith("&logs=0")


def test_options_as_headers() -> None:
    """The options of a submit become the header fields that fal names for them."""
    sent = submit_headers(priority="low", hint="h", start_timeout=5, headers={"X-Fal-No-Retry": "1"})

    assert sent == {
        "x-fal-queue-priority": "low",
        "x-fal-runner-hint": "h",
        "x-fal-request-timeout": "5.0",
        "x-fal-no-retry": "1",
    }
    assert submit_headers() == {}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"priority": "high"}, "priority"),
        ({"start_timeout": 0.1}, "start_timeout"),
        ({"start_timeout": -1}, "start_timeout"),
        ({"start_timeout": float("nan")}, "start_timeout"),
        ({"headers": {"Authorization": "Key x"}}, "headers"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "x-a"),
        ({"hint": "größer"}, "x-fal-runner-hint"),
        ({"hint": "a\nb"}, "x-fal-runner-hint"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], field: str) -> None:
    """An option the service would not take is refused before anything is sent."""
    with pytest.raises(InputError) as caught:
        submit_headers(**options)
    assert caught.value.field == field


def test_headers_of_the_caller_stay_as_they_are() -> None:
    """A dictionary that is passed is not written to."""
    mine = {"X-A": "b"}
    submit_headers(hint="h", headers=mine)

    assert mine == {"X-A": "b"}


def told(*bodies: Any) -> list[Event]:
    """Read status answers one after the other."""
    reader = StatusReader()
    return [event for body in bodies for event in reader.read(body)]


def test_each_change_is_told_once() -> None:
    """Repeated answers say nothing new; a new position does."""
    assert told(
        {"status": "IN_QUEUE", "queue_position": 2},
        {"status": "IN_QUEUE", "queue_position": 2},
        {"status": "IN_QUEUE", "queue_position": 1},
        {"status": "IN_PROGRESS", "logs": None},
        {"status": "IN_PROGRESS", "logs": []},
        {"status": "COMPLETED", "logs": []},
    ) == [Queued(2), Queued(1), Started()]


def test_logs_that_move_are_told_once() -> None:
    """Polled logs are a moving window, pushed ones only what is new: both give each line once."""
    a, b, c = ({"timestamp": f"t{n}", "message": f"m{n}", "level": "INFO"} for n in range(3))
    lines = [Log(f"m{n}", f"t{n}", "INFO") for n in range(3)]

    for windows in ([[a], [a, b], [b, c], [c]], [[a], [b], [c]]):
        events = told(*({"status": "IN_PROGRESS", "logs": window} for window in windows))
        assert [event for event in events if isinstance(event, Log)] == lines


def test_completed_keeps_what_came_with_it() -> None:
    """Failure and measurements are at hand when it is over."""
    reader = StatusReader()
    reader.read({"status": "COMPLETED", "error": "no", "error_type": "t", "metrics": {"inference_time": 1}})

    assert (reader.completed, reader.error, reader.error_type) == (True, "no", "t")
    assert reader.metrics == {"inference_time": 1}


def test_unknown_states_are_kept_and_not_fatal() -> None:
    """A state of tomorrow is shown as the service calls it."""
    assert told({"status": "PAUSED"}, {"status": "PAUSED"}, None, "x") == [
        Unrecognised("PAUSED"),
        Unrecognised("None"),
    ]


@given(st.lists(JSON, max_size=4))
def test_any_answers_can_be_read(bodies: list[Any]) -> None:
    """No JSON makes reading a status fail."""
    told(*bodies)
    for body in bodies:
        assert isinstance(read_status(body, logs=True).state, str)


def test_a_status_as_a_value() -> None:
    """Asked once, the state is in plain words."""
    logs = [{"timestamp": "t", "message": "m"}]

    assert read_status({"status": "IN_QUEUE", "queue_position": 1}, logs=False).position == 1
    assert read_status({"status": "IN_PROGRESS", "logs": logs}, logs=True).logs == ("m",)
    assert read_status({"status": "IN_PROGRESS", "logs": logs}, logs=False).logs is None
    assert read_status({"status": "COMPLETED", "error": "e"}, logs=False).state == "failed"
    assert read_status({}, logs=False).state == "unknown"


def test_a_models_traceback_reads_like_one() -> None:
    """An uncaught exception, which the service logs as JSON, is shown as the text that Python would print."""
    entry = {"timestamp": "t", "message": json.dumps({"traceback": "Traceback:\n  boom\n"})}
    (_, log) = StatusReader().read({"status": "IN_PROGRESS", "logs": [entry]})

    assert isinstance(log, Log)
    assert log.message == "Traceback:\n  boom"
