"""Jobs in a queue: how soon a result is here, and what it costs. P1 to P4."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tests.bench.processes import Place, clients, in_turns
from tests.bench.report import Check, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALL = ("nbkit", "nbkit-async", "fal", "fal-async", "httpx", "httpx-async", "raw")
# httpx's own asynchronous connections cost the square of what is in flight: half a minute here.
UNDER_LOAD = ("nbkit", "nbkit-async", "fal", "fal-async", "httpx", "raw")
_STAGGER = 0.4


def latency(place: Place, *, full: bool) -> Iterator[Row]:
    """From completion at the server to the result in the caller's hands."""
    more = 3 if full else 1
    soon = (Check("nbkit", 0.06, "fal"), Check("nbkit-async", 0.06, "fal"))
    with clients(place, ALL) as children:
        for seconds, times in ((0.05, 15), (0.5, 6), (1, 3), (5, 2)):
            stagger = _STAGGER if seconds > 1 else 0
            answers = in_turns(
                children, times * more, stagger, do="jobs", seconds=seconds, count=1, at_once=1
            )
            samples = {name: [it["latencies"][0] * 1e3 for it in many] for name, many in answers.items()}
            yield Row(
                "P1", f"{seconds:g} s job, completion to result", "ms", samples, soon if seconds > 0.1 else ()
            )
            if seconds == 1:
                cpu = {name: [it["cpu"] * 1e3 for it in many] for name, many in answers.items()}
                yield Row("P3", "CPU for one job of 1 s", "ms", cpu, (Check("nbkit", 0.3, "fal"),))


def far_latency(place: Place, *, full: bool) -> Iterator[Row]:
    """The same with 60 ms of round trip; jobs of 5 s show what becomes of connections that idle."""
    more = 3 if full else 1
    soon = (Check("nbkit", 0.6, "fal"), Check("nbkit-async", 0.6, "fal"))
    with clients(place, ALL, far=True) as children:
        for seconds, times in ((0.5, 4), (5, 2)):
            answers = in_turns(
                children, times * more, _STAGGER, do="jobs", seconds=seconds, count=1, at_once=1
            )
            samples = {name: [it["latencies"][0] * 1e3 for it in many] for name, many in answers.items()}
            yield Row(
                "P1", f"{seconds:g} s job, 60 ms of round trip, completion to result", "ms", samples, soon
            )


def requests(place: Place, *, full: bool) -> Iterator[Row]:
    """Requests and bytes for each finished job, counted at the server."""
    del full
    exactly = (Check("nbkit", 3), Check("nbkit", 3, least=True))
    with clients(place, ALL) as children:
        for seconds in (1, 5):
            before = place.facts()
            in_turns(children, 1, 0.01, do="jobs", seconds=seconds, count=1, at_once=1)
            after = place.facts()
            counted = {
                kind: {name: [float(after[kind][name] - before[kind][name])] for name in ALL}
                for kind in ("requests", "bytes")
            }
            yield Row("P2", f"{seconds} s job, requests", "requests", counted["requests"], exactly)
            yield Row(
                "P2", f"{seconds} s job, to and fro", "bytes", counted["bytes"], (Check("nbkit", 0.3, "fal"),)
            )


def load(place: Place, *, full: bool) -> Iterator[Row]:
    """Many jobs of 1 s at once, each client in a fresh process."""
    times = 3 if full else 1
    cpu_at: dict[int, dict[str, list[float]]] = {}
    for at_once, fewer in ((32, 64), (256, 500), (500, 500)):
        count = 500 if full else fewer
        wall, cpu, memory = (_empty(UNDER_LOAD) for _ in range(3))
        for _turn in range(times):
            for name in UNDER_LOAD:
                with place.client(name) as child:
                    child.ask(do="jobs", seconds=0.01, count=2, at_once=1)
                    answer = child.ask(do="jobs", seconds=1, count=count, at_once=at_once)
                wall[name].append(answer["wall"])
                cpu[name].append(answer["cpu"] / count * 1e3)
                memory[name].append(answer["memory"])
        cpu_at[at_once] = cpu
        what = f"{count} jobs of 1 s, {at_once} at once"
        quick = (Check("nbkit", 1.5, "raw"), Check("nbkit-async", 1.5, "raw"))
        yield Row("P4", f"{what}: wall", "s", wall, quick if at_once == 256 else ())
        cheap = (Check("nbkit", 0.15, "fal-async"), Check("nbkit-async", 0.15, "fal-async"))
        yield Row("P4", f"{what}: CPU for each", "ms", cpu, cheap if at_once == 256 else ())
        small = (Check("nbkit", 0.8, "fal"), Check("nbkit-async", 0.8, "fal"))
        yield Row("P3", f"{what}: peak memory", "MB", memory, small if at_once == 500 else ())
    growth = {
        name: [statistics.median(cpu_at[500][name]) / statistics.median(cpu_at[32][name])]
        for name in UNDER_LOAD
    }
    yield Row(
        "P4",
        "CPU for each, 500 at once against 32",
        "×",
        growth,
        (Check("nbkit", 1.1), Check("nbkit-async", 1.1)),
    )


def _empty(names: Sequence[str]) -> dict[str, list[float]]:
    return {name: [] for name in names}
