"""The embedded server: what it answers in a second, and how soon while it is busy. P11 and P12."""

from __future__ import annotations

import json
import os
import statistics
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.processes import ROOT, Child, Place
from tests.bench.report import Check, Row
from tests.postgres import Postgres, programs

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUEUED, _STREAMS = 500, 100


def rates(place: Place, *, full: bool) -> Iterator[Row]:
    """Status and submit requests per second and CPU for each, against starlette alone.

    The submitted requests are computed, on the same cores; CPU is that of the process that answers.
    """
    with served("nbkit", place) as nbkit, served("bare", place) as bare, Child("load") as load:
        servers = {"nbkit": nbkit, "starlette": bare}
        homes = {name: server.finish() for name, server in servers.items()}
        tickets = {name: _submit(f"{home}/bench/noop") for name, home in homes.items()}
        time.sleep(1)
        for what, method in (("status", "GET"), ("submit", "POST")):
            rate: dict[str, list[float]] = {name: [] for name in servers}
            cpu: dict[str, list[float]] = {name: [] for name in servers}
            for _turn in range(5 if full else 3):
                for name, server in servers.items():
                    url = tickets[name]["status_url"] if method == "GET" else f"{homes[name]}/bench/noop"
                    before = _cpu(server.pid)
                    body = "{}" if method == "POST" else ""
                    told = load.ask(method=method, url=url, body=body, seconds=1.5, connections=8)
                    rate[name].append(told["rate"])
                    cpu[name].append((_cpu(server.pid) - before) / told["answers"] * 1e6)
            yield Row("P11", f"{what} requests", "/s", rate, (Check("nbkit", 0.5, "starlette", least=True),))
            yield Row(
                "P11", f"{what} request: CPU of the server", "µs", cpu, (Check("nbkit", 2, "starlette"),)
            )


def busy(place: Place, *, full: bool) -> Iterator[Row]:
    """Status answers while 500 requests are queued, two compute, and 100 status streams are open."""
    with served("nbkit", place) as server, Child("load") as load:
        home = server.finish()
        tickets = [_submit(f"{home}/bench/wait", seconds=0.3) for _ in range(_QUEUED)]
        urls = [ticket["status_url"] for ticket in tickets]
        streams = [f"{url}/stream" for url in urls[-_STREAMS:]]
        asked = urls * (3 if full else 1)
        times = sorted(load.ask(urls=asked, streams=streams, pause=0.005))
    p95 = times[int(len(times) * 0.95)] * 1e3
    samples = {"median": [statistics.median(times) * 1e3], "p95": [p95], "slowest": [times[-1] * 1e3]}
    what = f"status answer, {_QUEUED} queued and {_STREAMS} streams open"
    yield Row("P12", what, "ms", samples, (Check("p95", 50),))


def database(place: Place, *, full: bool) -> Iterator[Row]:
    """Submits per second and CPU for each, with a database against the file of the server's own."""
    if programs() is None:
        return
    postgres = Postgres()
    try:
        postgres.start()
        shared = {"NBKIT_DATABASE_URL": postgres.new()}
        with (
            served("nbkit", place) as alone,
            served("nbkit", replace(place, home=f"{place.home}/shared"), **shared) as one,
            Child("load") as load,
        ):
            servers = {"database": one, "file": alone}
            urls = {name: f"{server.finish()}/bench/noop" for name, server in servers.items()}
            rate: dict[str, list[float]] = {name: [] for name in servers}
            cpu: dict[str, list[float]] = {name: [] for name in servers}
            for _turn in range(5 if full else 3):
                for name, server in servers.items():
                    before = _cpu(server.pid)
                    told = load.ask(method="POST", url=urls[name], body="{}", seconds=1.5, connections=8)
                    rate[name].append(told["rate"])
                    cpu[name].append((_cpu(server.pid) - before) / told["answers"] * 1e6)
    finally:
        postgres.remove()
    yield Row("P11", "submits with a database", "/s", rate, (Check("database", 0.3, "file", least=True),))
    yield Row("P11", "the same: CPU of the server", "µs", cpu, (Check("database", 3, "file"),))


def served(kind: str, place: Place, **environment: str) -> Child:
    """A server to measure, as `tests.bench.served` starts it."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return Child(
        "served", kind, NBKIT_HOME=place.home, PYTHONPATH=path, **environment
    )  # its workers find their models by it


def _submit(url: str, **given: Any) -> dict[str, Any]:
    sent = urllib.request.Request(url, json.dumps(given).encode(), method="POST")  # noqa: S310 - our own address
    with urllib.request.urlopen(sent) as answer:  # noqa: S310
        ticket: dict[str, Any] = json.load(answer)
    return ticket


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process used so far; only Linux tells."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return float("nan")
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
