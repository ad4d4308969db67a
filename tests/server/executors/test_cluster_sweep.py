"""The whole way: a sweep, a server as a process, a Dask scheduler and two workers, one of which dies."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

import nbkit
from nbkit.model.event import Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.executors.conftest import DaskProcesses

SERVER = Path(__file__).parent.parent / "lab_server.py"


def test_a_sweep_survives_the_death_of_a_worker(dask: Callable[[], DaskProcesses], tmp_path: Path) -> None:
    """100 requests on two workers, one is killed in the middle: 100 results, none twice anywhere, and the logs tell."""
    cluster = dask()
    _, doomed = cluster.worker(threads=2), cluster.worker(threads=2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = json.dumps({"executor": cluster.url, "workers": None})
    server = subprocess.Popen(
        [sys.executable, str(SERVER), str(tmp_path / "data"), str(port), settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    assert server.stdout.readline() == f"nbkit server listening on http://127.0.0.1:{port}\n"
    marks = tmp_path / "marks"
    sweep = nbkit.Sweep(
        "lab/mark",
        {"file": str(marks), "seconds": 0.1, "tell": True},
        {"name": list(range(100))},
        client=nbkit.Client(base_url=f"http://127.0.0.1:{port}"),
    )

    def kill_in_the_middle() -> None:
        deadline = time.monotonic() + 60
        while not marks.exists() or marks.read_text().count("done") < 40:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        seen = len(marks.read_text())
        own = {str(child.pid) for child in psutil.Process(doomed.pid).children()}
        while not own & {line.rpartition(" by ")[2] for line in marks.read_text()[seen:].splitlines()}:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        cluster.kill(doomed)

    killing = threading.Thread(target=kill_in_the_middle)
    killing.start()
    sweep.run(show=False)
    killing.join()
    server.send_signal(signal.SIGINT)
    _, errors = server.communicate(timeout=20)

    assert (server.returncode, errors) == (0, "")
    assert sweep.counts == {"succeeded": 100}
    # The client's history has each request once.
    runs = list(nbkit.history.search(limit=1000))
    assert Counter(run.state for run in runs) == {"succeeded": 100}
    assert len({run.request_id for run in runs}) == 100
    assert sorted(run.result.data["name"] for run in runs if run.result) == list(range(100))
    # So has the server's journal, and each was ended once.
    with sqlite3.connect(tmp_path / "data" / "journal.sqlite") as journal:
        rows = journal.execute("SELECT id, status, starts, logs FROM requests").fetchall()
    assert {row[0] for row in rows} == {run.request_id for run in runs}
    assert {row[1:3] for row in rows} == {(200, 1)}
    assert len(rows) == 100
    # What was under way on the worker that died was begun again, and nothing else; it may just have been done.
    done = Counter(line for line in marks.read_text().splitlines() if line.endswith("done"))
    begun = Counter(line.split()[0] for line in marks.read_text().splitlines() if " begun" in line)
    again = [name for name, times in begun.items() if times == 2]
    assert len(done) == 100
    assert {line.split()[0] for line, times in done.items() if times > 1} <= set(again)
    lost = [row for row in rows if "was lost; this is computed again" in (row[3] or "")]
    assert 1 <= len(again) <= len(lost) <= 2
    told = [run for run in runs if any(isinstance(it, Log) and "was lost" in it.message for it in run.events)]
    assert {run.request_id for run in told} == {row[0] for row in lost}
