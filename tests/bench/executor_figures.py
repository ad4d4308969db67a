"""Requests by each executor, beside calling the function directly. P14."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.bench.processes import Child, Place
from tests.bench.report import Row
from tests.bench.served_models import noop
from tests.bench.server_figures import served

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = {
    "this machine": "nbkit",
    "ThreadPool": "threads",
    "ProcessPool": "processes",
    "Dask": "dask",
    "ipyparallel": "ipyparallel",
}
_CALLS = 100_000


def requests(place: Place, *, full: bool) -> Iterator[Row]:
    """Direct calls of a function that does nothing: how long one takes alone, and how many two places answer."""
    alone: dict[str, list[float]] = {"the function": []}
    rate: dict[str, list[float]] = {"the function": []}
    with Child("load") as load:
        for name, kind in _KINDS.items():
            with served(kind, place) as server:
                url = server.finish().removesuffix("/queue") + "/run/bench/noop"
                ask = {"method": "POST", "url": url, "body": "{}", "seconds": 2}
                load.ask(**ask, connections=2)  # workers start, and load the function
                for _turn in range(5 if full else 3):
                    alone.setdefault(name, []).append(1e3 / load.ask(**ask, connections=1)["rate"])
                    rate.setdefault(name, []).append(load.ask(**ask, connections=2)["rate"])
                    alone["the function"].append(_directly() * 1e3)
                    rate["the function"].append(1 / _directly())
    yield Row("P14", "a request alone, by executor", "ms", alone)
    yield Row("P14", "requests of two callers, by executor", "/s", rate)


def _directly() -> float:
    began = time.perf_counter()
    for _ in range(_CALLS):
        noop({}, None)
    return (time.perf_counter() - began) / _CALLS
