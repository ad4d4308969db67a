"""How many requests are under way at once, and what an interrupt leaves."""

from __future__ import annotations

import _thread
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit import history
from nbkit.experiments.gate import FIRST, Gate
from nbkit.model.event import Queued, Started
from tests.experiments.queue_service import ENDPOINT, WELL, Fate, QueueService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.server.host import Host

QUEUED, STARTED = Queued(position=2), Started()


def test_the_gate_lets_one_wait() -> None:
    """From places in the queue it learns how many are worked on, and lets one more wait there."""
    gate = Gate()
    gate.look([STARTED, STARTED, Queued(position=0), QUEUED])

    assert gate.limit == 3
    gate.succeeded([STARTED, QUEUED])
    assert gate.limit == 3  # one waits already
    gate.succeeded([STARTED, STARTED])
    assert gate.limit == 4


def test_a_gate_that_is_set_stays_so() -> None:
    """Who says how many at once gets as many, until the service refuses some."""
    gate = Gate(2)
    gate.look([STARTED, QUEUED, QUEUED])
    gate.succeeded([STARTED])

    assert (gate.has_room(1), gate.has_room(2)) == (True, False)
    gate.refused()
    assert gate.limit == 1


def sweep_of(client: nbkit.Client, count: int, **choice: Any) -> nbkit.Sweep:
    """A sweep over seeds alone."""
    return nbkit.Sweep(ENDPOINT, {}, seeds=count, client=client, **choice)


def under_way(service: QueueService) -> int:
    """How many requests wait at a service that finishes none by itself."""
    return len(service.inputs) - len(service.finished)


def test_no_more_are_sent_than_wanted(client: nbkit.Client, service: QueueService) -> None:
    """`concurrency` is the most that are under way at once."""
    most = 0

    def decide(number: int, _given: Mapping[str, Any]) -> Fate:
        nonlocal most
        most = max(most, under_way(service) + 1)
        threading.Timer(0.02, service.finish, [number]).start()
        return Fate(position=0)

    service.decide = decide
    sweep = sweep_of(client, 12, concurrency=3).run()

    assert sweep.counts == {"succeeded": 12}
    assert most == 3


def test_two_sweeps_of_an_account_take_turns(lab: Host) -> None:
    """With two workers and two sweeps, neither waits until the other is over."""
    ends: list[str] = []

    def run(seconds: str) -> None:
        with nbkit.Client(base_url=lab.url) as client:
            sweep = nbkit.Sweep("lab/wait", {}, {"seconds": seconds}, client=client).run()
            assert sweep.counts == {"succeeded": 12}
        ends.append(seconds)

    threads = [threading.Thread(target=run, args=(it,)) for it in ("0.1-0.111 [12]", "0.12-0.131 [12]")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    order = [it.input["seconds"] for it in sorted(history.search(limit=None), key=lambda it: it.ended or 0)]

    assert len(ends) == 2
    assert 3 <= sum(seconds < 0.115 for seconds in order[:12]) <= 9


def test_it_learns_how_many_a_service_works_on(lab: Host) -> None:
    """Of two workers it learns from the places in the queue, and keeps few more requests under way."""
    with nbkit.Client(base_url=lab.url) as client:
        sweep = nbkit.Sweep("lab/wait", {}, {"seconds": "0.1-0.115 [16]"}, client=client)
        most, seen = 0, threading.Event()

        def watch() -> None:
            nonlocal most
            while not seen.wait(0.02):
                most = max(most, sweep.counts["running"])

        watcher = threading.Thread(target=watch)
        watcher.start()
        sweep.run()
        seen.set()
        watcher.join()

    assert sweep.counts == {"succeeded": 16}
    assert 2 < most <= FIRST + 2


def test_an_interrupt_keeps_what_came(client: nbkit.Client, service: QueueService) -> None:
    """What is under way is cancelled at the service, the rest is never sent; running again does all of it."""

    def decide(number: int, _given: Mapping[str, Any]) -> Fate:
        if number == 6:
            threading.Timer(0.1, _thread.interrupt_main).start()
        return WELL if number <= 4 else Fate(position=0)

    service.decide = decide
    sweep = sweep_of(client, 12, concurrency=2)
    with pytest.raises(KeyboardInterrupt):
        sweep.run()

    assert sweep.counts == {"succeeded": 4, "cancelled": 2, "waiting": 6}
    assert sorted(service.cancelled) == [5, 6]
    assert service.posts == 6
    service.decide = lambda _number, _given: WELL
    assert sweep.run().counts == {"succeeded": 12}
    assert service.posts == 14


def test_no_run_is_kept(client: nbkit.Client) -> None:
    """What is kept of a cell is what came of it, not its run with every event."""
    sweep = sweep_of(client, 60).run()
    gc.collect()
    kept = {it.id for it in gc.get_objects() if isinstance(it, nbkit.Run)}

    assert sweep.counts == {"succeeded": 60}
    assert len(kept & {outcome.request_id for outcome in sweep.outcomes.values()}) < 10
