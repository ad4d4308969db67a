"""What nbkit's client makes of each fault, and that each fault is what it says, as a plain HTTP client sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit.errors import NbkitError, RunCancelled
from nbkit.model.event import Output, StepFinished, StepStarted, Unrecognised
from nbkit.testing.faults import (
    DuplicateEvents,
    ExpiredLinks,
    FileHost,
    GatewayTimeout,
    LineSeparators,
    NoLastEvent,
    RateLimit,
    SilentHang,
    StopUnrecorded,
    StreamCut,
    UnknownEvents,
    UnorderedEvents,
)

if TYPE_CHECKING:
    import nbkit
    from nbkit.testing import DifyServer
    from nbkit.testing.faults import Fault

APP = "dify/default"
INPUT = {"prompt": "a cat", "width": 64, "height": 64, "seed": 7}
LARGE = {"prompt": "a cat in a garden with a dog and a house", "width": 2048, "height": 2048}
SHORT = 0.2  # seconds, where proxies take 60
HARMLESS: list[Fault] = [
    NoLastEvent(),
    StreamCut(SHORT),
    FileHost(),
    FileHost("http://api:5001"),
    StopUnrecorded(),
    UnknownEvents(),
    LineSeparators(),
    DuplicateEvents(),
    UnorderedEvents(),
]
FATAL: list[tuple[Fault, str, str]] = [
    (SilentHang(), "unknown", "told nothing for 1 s"),
    (SilentHang(SHORT), "unknown", "the stream ended before the run began"),
    (GatewayTimeout(SHORT), "unknown", "504 Gateway Time-out"),
    (RateLimit(), "failed", "(?s)Too many requests.*HTTP 400.*wait until some are over"),
    (RateLimit(429), "failed", "(?s)Too many requests.*HTTP 429.*wait until some are over"),
]


@pytest.mark.parametrize("fault", HARMLESS, ids=repr)
def test_a_fault_that_costs_nothing(server: DifyServer, client: nbkit.Client, fault: Fault) -> None:
    """The run is sent once, and its result is there with its file, whatever goes wrong on the way."""
    server.faults.append(fault)
    run = client.submit(APP, INPUT)
    result = run.result(20)

    assert server.run_posts == 1
    assert (run.status, result["seed"]) == ("succeeded", 7)
    assert result.image.pil().size == (64, 64)
    assert [it.final for it in run.events if isinstance(it, Output)] == [True]


@pytest.mark.parametrize(("fault", "status", "words"), FATAL, ids=[repr(case[0]) for case in FATAL])
def test_a_fault_that_costs_the_run(
    server: DifyServer, client: nbkit.Client, fault: Fault, status: str, words: str
) -> None:
    """Where no result can be had there is one clear error in bounded time, and the run was sent once."""
    server.faults.append(fault)
    run = client.submit(APP, INPUT, wait=False)
    with pytest.raises(NbkitError, match=words):
        run.result(20)

    assert server.run_posts == 1
    assert run.status == status


def test_all_at_once(server: DifyServer, client: nbkit.Client) -> None:
    """Several faults may be worn at once."""
    server.faults += [*(it for it in HARMLESS if not isinstance(it, NoLastEvent)), StreamCut(SHORT)]

    assert client.run(APP, INPUT).image.pil().size == (64, 64)
    assert server.run_posts == 1


def test_expired_links_cost_the_files_alone(server: DifyServer, client: nbkit.Client) -> None:
    """A file that is gone says why; the rest of the result is there, and nothing is run again for it."""
    server.faults.append(ExpiredLinks())
    result = client.run(APP, INPUT)

    assert result["seed"] == 7
    assert "expired" in result.media[0].problem
    assert server.run_posts == 1


def test_a_cut_at_an_old_server_costs_the_run(old_server: DifyServer, client: nbkit.Client) -> None:
    """Servers of 2024 never record the end of a run whose stream was cut, and that is said soon."""
    old_server.faults.append(StreamCut(SHORT))
    with pytest.raises(NbkitError, match="never records how a run ended"):
        client.run(APP, LARGE)

    assert old_server.run_posts == 1


def test_a_blocking_run_behind_a_proxy(server: DifyServer, client: nbkit.Client) -> None:
    """A blocking run whose proxy lost patience is not known to have ended, and not sent again."""
    server.faults.append(GatewayTimeout(SHORT))
    with pytest.raises(NbkitError, match="was not sent again"):
        client.submit(APP, INPUT, response_mode="blocking").result(20)

    assert server.run_posts == 1


def test_a_stop_that_is_not_recorded(server: DifyServer, client: nbkit.Client) -> None:
    """A run that is stopped ends by its stream's word, although its record says that it goes on."""
    server.faults.append(StopUnrecorded())
    run = client.submit(APP, LARGE)
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result(20)

    assert client.status(APP, run.id).state == "running"
    server.faults.clear()
    assert client.status(APP, run.id).state == "stopped"


def test_events_as_they_are_told(server: DifyServer, client: nbkit.Client) -> None:
    """Strange, doubled and unordered events, and titles with strange characters, reach the caller as they are."""
    server.faults += [LineSeparators(), UnorderedEvents(), DuplicateEvents(), UnknownEvents()]
    run = client.submit(APP, INPUT)
    run.result(20)
    steps = [it for it in run.events if isinstance(it, (StepStarted, StepFinished))]

    assert [type(it) for it in steps[:4]] == [StepFinished, StepFinished, StepStarted, StepStarted]
    assert steps[0].title == "Start\u2028\u2029\x85"
    assert {it.kind for it in run.events if isinstance(it, Unrecognised)} >= {"from_the_future", "not JSON"}


def ask(server: DifyServer, mode: str) -> httpx.Response:
    """Run the app as any HTTP client does."""
    body = {"inputs": INPUT, "response_mode": mode, "user": "u1"}
    return httpx.post(
        f"{server.base_url}/workflows/run", json=body, headers={"authorization": f"Bearer {server.key}"}
    )


def kinds(body: str) -> list[str]:
    """The kinds of a stream's events."""
    return [
        json.loads(it.removeprefix("data: "))["event"]
        for it in body.split("\n\n")
        if it.startswith("data: {")
    ]


@pytest.mark.parametrize("mode", ["streaming", "blocking"])
def test_no_fault(server: DifyServer, mode: str) -> None:
    """Without a fault the server answers well, and counts what it is asked."""
    answer = ask(server, mode)

    assert answer.status_code == 200
    assert (
        f'"url"{":" if mode == "streaming" else ": "}"{server.base_url.removesuffix("/v1")}/files/'
        in answer.text
    )
    assert [(it.method, it.path, it.starts_run) for it in server.calls] == [
        ("POST", "/v1/workflows/run", True)
    ]


def test_a_stream_that_lacks_its_end(server: DifyServer) -> None:
    """A stream without its last event ends well; one that is cut does not."""
    server.faults.append(NoLastEvent())
    told = kinds(ask(server, "streaming").text)

    assert (told[0], told[-1]) == ("workflow_started", "node_finished")
    server.faults[:] = [StreamCut(0)]
    with pytest.raises(httpx.RemoteProtocolError):
        ask(server, "streaming")


def test_a_hang(server: DifyServer) -> None:
    """One sign of life, and nothing else."""
    server.faults.append(SilentHang(SHORT))

    assert ask(server, "streaming").text == "event: ping\n\n"


@pytest.mark.parametrize("origin", ["", "http://api:5001"])
def test_hosts_of_files(server: DifyServer, origin: str) -> None:
    """The addresses of files begin as wished, in streams, in blocking answers and in records."""
    server.faults.append(FileHost(origin))
    blocking = ask(server, "blocking").json()
    headers = {"authorization": f"Bearer {server.key}"}
    record = httpx.get(
        f"{server.base_url}/workflows/run/{blocking['workflow_run_id']}", headers=headers
    ).json()
    stream = ask(server, "streaming").text

    for outputs in (blocking["data"]["outputs"], record["outputs"]):
        assert outputs["files"][0]["url"].startswith(f"{origin}/files/tools/")
    assert f'"url":"{origin}/files/tools/' in stream
    assert server.base_url.removesuffix("v1") not in stream


def test_doubled_events(server: DifyServer) -> None:
    """Every event comes twice."""
    server.faults.append(DuplicateEvents())
    told = kinds(ask(server, "streaming").text)

    assert told[::2] == told[1::2]


def test_separators_in_lines(server: DifyServer) -> None:
    """Who splits a stream as text, and not at line feeds alone, finds events that are no JSON."""
    server.faults.append(LineSeparators())
    text = ask(server, "streaming").text
    broken: list[Any] = []
    for line in text.splitlines():
        try:
            json.loads(line.removeprefix("data: "))
        except ValueError:
            broken.append(line)

    assert len(broken) > 6
    assert len(kinds(text)) > 8
