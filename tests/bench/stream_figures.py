"""Streams: what an event costs. P5."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tests.bench.processes import Place, clients, in_turns
from tests.bench.report import Check, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

_STREAMING = ("nbkit", "nbkit-async", "fal", "fal-async", "httpx", "httpx-async")
_EVENTS = 10_000
_MB = 1_000_000


def small_events(place: Place, *, full: bool) -> Iterator[Row]:
    """Ten thousand events of fifty bytes."""
    times = 9 if full else 4
    with clients(place, _STREAMING) as children:
        in_turns(children, 1, do="stream", count=100, size=20)
        answers = in_turns(children, times, do="stream", count=_EVENTS, size=20)
    cpu = {name: [it["cpu"] / it["events"] * 1e6 for it in many] for name, many in answers.items()}
    limit = (Check("nbkit", 1.2, "httpx"), Check("nbkit-async", 1.2, "httpx-async"))
    yield Row("P5", "stream of 10,000 small events: CPU for each", "µs", cpu, limit)


def large_events(place: Place, *, full: bool) -> Iterator[Row]:
    """One event of 5 MB and one of 20 MB: four times the work, not sixteen times."""
    times = 5 if full else 3
    cpu = {}
    with clients(place, _STREAMING) as children:
        for size in (5 * _MB, 20 * _MB):
            answers = in_turns(children, times, do="stream", count=1, size=size)
            cpu[size] = {name: [it["cpu"] * 1e3 for it in many] for name, many in answers.items()}
            limit = (Check("nbkit", 1.2, "httpx"), Check("nbkit-async", 1.2, "httpx-async"))
            yield Row("P5", f"one event of {size // _MB} MB: CPU", "ms", cpu[size], limit)
    small, large = cpu.values()
    growth = {name: [statistics.median(large[name]) / statistics.median(small[name])] for name in _STREAMING}
    yield Row("P5", "20 MB against 5 MB", "×", growth, (Check("nbkit", 5), Check("nbkit-async", 5)))
