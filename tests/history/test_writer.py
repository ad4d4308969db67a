from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from nbkit import history
from nbkit.history.database import history_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.history.conftest import Record

PROGRAM = """
import asyncio, os, sys
from nbkit.history.recorder import Recorder
from nbkit.model.endpoint import Endpoint
from nbkit.model.result import Result

async def one(number, ends=True, prompt="a cat"):
    recorder = Recorder(Endpoint.parse("acme/imgen"))
    told = await recorder.begin({"prompt": prompt, "seed": number}, "queue", "https://queue.example")
    recorder.accepted(f"r{os.getpid()}-{number}")
    if ends:
        told += await recorder.ended("succeeded", Result({"seed": number}, request_id=f"r{os.getpid()}-{number}"))
    return told
"""


@contextlib.contextmanager
def program(text: str) -> Iterator[subprocess.Popen[str]]:
    """Another kernel."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM + text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(text: str) -> list[str]:
    """What another kernel prints, which ends well."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + text], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that a program prints."""
    assert process.stdout
    return process.stdout.readline().strip()


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that comes."""
    for _ in range(400):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def is_whole() -> bool:
    """Whether the file and its index are as they should be."""
    with contextlib.closing(sqlite3.connect(history_path())) as connection:
        connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")
def test_what_was_begun_outlives_a_kill() -> None:
    """A kernel that dies in the middle of a call leaves the row of every request that it may have sent, and its id."""
    text = """
async def many():
    for number in range(10**6):
        assert not await one(number, ends=False)
        if number:
            print(number - 1, flush=True)  # accepted before the row of the next one was safe
asyncio.run(many())
"""
    with program(text) as process:
        last = [int(line_of(process)) for _ in range(150)][-1]
        process.send_signal(signal.SIGKILL)
        process.wait()

    found = {record.seed: record for record in history.search(limit=None)}
    assert set(range(last + 2)) <= set(found)
    assert [found[number].request_id for number in range(last + 1)] == [
        f"r{process.pid}-{number}" for number in range(last + 1)
    ]
    assert found[0].is_orphan
    assert is_whole()


def test_what_is_known_when_a_program_ends_is_written() -> None:
    """A script that ends at once after its run loses nothing of it."""
    said("asyncio.run(one(7, ends=False))")

    assert [(record.seed, record.state) for record in history.search()] == [(7, "accepted")]


def test_several_kernels_write_at_once() -> None:
    """Two kernels write as fast as they can: nothing is lost, and none waits so long that its user is told."""
    text = """
async def many():
    told = []
    for number in range(25):
        told += sum(await asyncio.gather(*(one(number * 20 + it) for it in range(20))), [])
    print(told)
input()
asyncio.run(many())
"""
    with program(text) as first, program(text) as second:
        for process in (first, second):
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        assert [line_of(first), line_of(second)] == ["[]", "[]"]
        pids = (first.pid, second.pid)

    found = [record.request_id for record in history.search(limit=None, status="succeeded")]
    assert sorted(found) == sorted(f"r{pid}-{number}" for pid in pids for number in range(500))
    assert is_whole()


def test_a_lock_delays_a_run_once_and_loses_nothing() -> None:
    """While another program holds the file, runs go on after a moment, one is told, and all is written later."""
    said("asyncio.run(one(0))")
    text = """
async def many():
    print(await one(1), await one(2), await one(3), flush=True)
    input()
asyncio.run(many())
"""
    with (
        contextlib.closing(sqlite3.connect(history_path(), isolation_level=None)) as other,
        program(text) as process,
    ):
        other.execute("BEGIN IMMEDIATE")
        told = line_of(process)
        assert len(history.search()) == 1
        other.execute("COMMIT")
        until(lambda: len(history.search(status="succeeded")) == 4)

    assert told.count("could not be written within 1 s") == 1
    assert told.endswith("[] []")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_a_full_disk_stops_no_run() -> None:
    """Where nothing more fits, runs go on, one is told what to do, and what is owed is written once there is room."""
    text = """
import resource, time
from nbkit.history.database import history_path
from nbkit.history.writer import flush

async def many():
    assert await one(0) == []
    under_way = Recorder(Endpoint.parse("acme/imgen"))
    assert await under_way.begin({"prompt": "a cat", "seed": 30}, "queue", "https://queue.example") == []
    size = max(path.stat().st_size for path in history_path().parent.iterdir() if path.is_file())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    print([await one(number, prompt="words " * 5000) for number in range(1, 30)])
    await under_way.ended("succeeded", Result({}, request_id="r30"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
asyncio.run(many())
time.sleep(1.2)
flush()
"""
    (told,) = said(text)

    assert told.count("cannot be used") == 1
    assert "NBKIT_HOME" in told
    assert sorted(record.seed or 0 for record in history.search(limit=None, status="succeeded")) == list(
        range(31)
    )
    assert is_whole()


@pytest.mark.parametrize(
    "obstacle", ["a file where the folder should be", "a folder where the file should be"]
)
def test_a_place_that_cannot_be_written_stops_no_run(
    obstacle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the history cannot be at all, runs work, and their user is told once."""
    home = tmp_path / "blocked"
    home.write_text("") if "folder should" in obstacle else (home / "history.sqlite").mkdir(parents=True)
    monkeypatch.setenv("NBKIT_HOME", str(home))
    (told,) = said("print([asyncio.run(one(number)) for number in range(3)])")

    assert told.count(f"{home}") >= 1
    assert told.count("cannot be used") == 1
    assert told.endswith("[], []]")


def test_a_history_that_was_deleted_is_begun_anew(record: Record) -> None:
    """Who deletes the file while a kernel runs gets a new one with the next run."""
    record()
    for path in history_path().parent.glob("history.sqlite*"):
        path.unlink()

    assert [found.id for found in history.search()] == []
    new = record()
    assert [found.id for found in history.search()] == [new.id]


def test_a_run_under_way_outlives_its_file() -> None:
    """A run whose row was deleted with the file has a row again when it ends, and takes nobody else's."""
    said("""
from nbkit import history
from nbkit.history.database import history_path

async def run():
    recorder = Recorder(Endpoint.parse("acme/imgen"))
    await recorder.begin({"prompt": "first", "seed": 1}, "queue", "")
    for path in history_path().parent.glob("history.sqlite*"):
        path.unlink()
    await one(2)
    recorder.accepted("r1")
    assert await recorder.ended("succeeded", Result({}, request_id="r1")) == []

asyncio.run(run())
""")

    assert [(found.seed, found.state, found.request_id[:2]) for found in history.search()] == [
        (1, "succeeded", "r1"),
        (2, "succeeded", history.search()[1].request_id[:2]),
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_process_writes_its_own_runs() -> None:
    """A process that forks after its first run goes on, and so does its child."""
    text = """
asyncio.run(one(1))
child = os.fork()
assert asyncio.run(one(2)) == []
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    said(text)

    assert sorted(record.seed or 0 for record in history.search()) == [1, 2, 2]


def test_a_clock_that_goes_backwards_changes_no_order(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs stand in the order in which they were made, and last as long as they did, whatever the clock says."""
    first = record()
    monkeypatch.setattr("nbkit.history.recorder.time.time", lambda: first.created - 1000)
    second = record()

    assert [found.id for found in history.search()] == [second.id, first.id]
    assert second.when < first.when
    assert second.seconds is not None
    assert second.seconds >= 0
