from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from nbkit.client.run import Run
from nbkit.errors import RunFailed, RunTimeout, RunUnknown
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Event, Failed, Log, Queued, Started
from nbkit.model.result import Result
from nbkit.transport.loop import wait
from tests.scripted_server import answer

if TYPE_CHECKING:
    import nbkit
    from tests.scripted_server import ScriptedServer

APP = "acme/imgen"


@pytest.fixture
def run() -> Run:
    """A run that a test drives by hand."""
    return Run(Endpoint.parse(APP), {"a": 1})


def test_a_run_tells_its_state(run: Run) -> None:
    """The state follows the events."""
    states = [run.status]
    for event in (Log("early"), Queued(1), Started(), Log("a line")):
        run._publish(event)
        states.append(run.status)
    run._settle(Result({}))

    assert states == ["submitting", "submitting", "queued", "running", "running"]
    assert (run.status, run.is_done, run.error, run.logs) == ("succeeded", True, None, ("early", "a line"))
    assert "acme/imgen: succeeded" in repr(run)


def test_time_stops_at_the_end(run: Run) -> None:
    """A run that is over took as long as it took."""
    run._settle(Result({}))
    seconds = run.seconds
    time.sleep(0.02)

    assert run.seconds == seconds


def test_waiting_has_a_limit_of_its_own(run: Run) -> None:
    """Who stops waiting leaves the run as it is."""
    for timeout in (0, 0.05):
        with pytest.raises(RunTimeout, match="it goes on"):
            run.result(timeout)
    assert run.status == "submitting"


def test_events_come_as_they_happen_and_each_once(run: Run) -> None:
    """Whoever goes through a run, early or late, sees all events in their order, and then its error."""
    sent: list[Event] = [Log(str(number)) for number in range(200)]
    seen: list[list[Event]] = [[], [], []]

    def iterate(into: list[Event]) -> None:
        with pytest.raises(RunFailed, match="bad end"):
            into.extend(event for event in _also(run, into))

    async def iterate_async(into: list[Event]) -> None:
        with pytest.raises(RunFailed, match="bad end"):
            await _also_async(run, into)

    threads = [
        threading.Thread(target=iterate, args=(seen[0],)),
        threading.Thread(target=lambda: asyncio.run(iterate_async(seen[1]))),
    ]
    for thread in threads:
        thread.start()
    for event in sent:
        run._publish(event)
    run._settle(None, RunFailed("bad end"))
    iterate(seen[2])
    for thread in threads:
        thread.join(5)

    assert seen == [sent, sent, sent]


async def _also_async(run: Run, into: list[Event]) -> None:
    async for event in run:
        into.append(event)  # noqa: PERF401 - it raises at its end


def _also(run: Run, into: list[Event]) -> list[Event]:
    for event in run:
        into.append(event)  # noqa: PERF402 - it raises at its end
    return []


def test_listeners_hear_the_end_and_their_mistakes_stay_theirs(run: Run) -> None:
    """A listener that fails does not stop the run, one that left hears no more, one that is late hears the end."""
    heard: list[Event | None] = []

    def fail(_event: Event | None) -> None:
        raise KeyError

    run.listen(fail)
    stop = run.listen(heard.append)
    run._publish(Started())
    stop()
    stop()
    run._publish(Log("x"))
    run._settle(Result({}))
    assert heard == [Started()]

    run.listen(heard.append)
    assert heard == [Started(), None]


def test_a_run_can_be_awaited_from_several_loops(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """One run, many who wait: blocking, in a loop, in a loop of another thread."""
    scripted.queue(statuses=[{"status": "IN_QUEUE", "queue_position": 0}] * 5 + [{"status": "COMPLETED"}])
    run = client.submit(APP, {})
    results: list[Result] = []

    async def twice() -> None:
        results.extend(await asyncio.gather(run._awaited(), run._awaited()))

    threads = [threading.Thread(target=lambda: asyncio.run(twice())) for _ in range(2)]
    for thread in threads:
        thread.start()
    results.append(run.result(10))
    for thread in threads:
        thread.join(10)

    assert results == [run.result()] * 5
    assert scripted.count("POST") == 1


def test_waiting_on_the_network_thread_is_refused(run: Run) -> None:
    """It would wait for itself for ever."""

    async def deadlock() -> None:
        run.result()

    with pytest.raises(RuntimeError, match="await it instead"):
        wait(deadlock())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_after_a_fork(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A child process may use its parent's client, but not wait for its parent's runs; the parent goes on."""
    scripted.queue(statuses=[{"status": "IN_PROGRESS", "logs": []}])
    run = client.submit(APP, {})
    child = os.fork()
    if child == 0:
        code = 1
        try:
            scripted_place = client.status(APP, "r1").state
            try:
                run.result(5)
            except RunUnknown as error:
                code = (
                    0
                    if scripted_place == "running" and "client.attach('acme/imgen', 'r1')" in error.hint
                    else 2
                )
            client.close()
        finally:
            os._exit(code)
    give_up = time.monotonic() + 20
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < give_up:
        time.sleep(0.02)
    scripted.on("GET", f"/queue/{APP}/requests/r1/status", answer({"status": "COMPLETED", "logs": []}))

    assert done == (child, 0)
    assert run.result(10).data == {"ok": True}
    assert scripted.count("PUT") == 0


def test_the_last_event_of_a_bad_end(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """How a run failed stands in its events, too."""
    place = scripted.queue()
    scripted.on("GET", place, answer({"detail": "CUDA"}, 500, headers={"x-fal-request-id": "r1"}))
    run = client.submit(APP, {})
    with pytest.raises(RunFailed):
        list(run)

    assert isinstance(run.events[-1], Failed)
    assert (run.events[-1].message, run.events[-1].status) == ("acme/imgen failed: CUDA", 500)
