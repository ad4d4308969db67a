"""A sweep whose kernel dies, on the embedded server as a process of its own."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import nbkit
from nbkit import history
from tests.server.conftest import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SWEEP = """
import nbkit

def sweep(address, seeds=30):
    size = {"width": 64, "height": 64}
    axes = {"prompt": ["a cat", "a dog"], "format": ["png", "jpeg"], "negative_prompt": ["", "sea"]}
    client = nbkit.Client(base_url=address)
    return nbkit.Sweep("local/collage", {"image_size": size}, axes, seeds=seeds, client=client, concurrency=4)
"""
_KERNEL = "\nimport sys\nsweep(sys.argv[1]).run()\n"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server, which keeps its requests in a folder."""
    command = CommandLine("--port", "0", "--workers", "2", "--data-dir", str(folder))
    try:
        yield command.url()
    finally:
        command.end()


def requests(folder: Path) -> int:
    """How many requests a server took in its life, by its own books; it must have ended."""
    (journal,) = folder.glob("journal.sqlite")
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        count: int = connection.execute("SELECT count(*) FROM requests").fetchone()[0]
        return count


def sweep(address: str, seeds: int = 30) -> nbkit.Sweep:
    """The same sweep as the kernel's."""
    names: dict[str, nbkit.Sweep] = {}
    exec(f"{_SWEEP}\nmade = sweep({address!r}, {seeds})", names)  # noqa: S102 - the kernel runs the same text
    return names["made"]


def kill_at(count: int, kernel: subprocess.Popen[str]) -> None:
    """Kill a kernel after some cells, at a moment when each of its requests has been answered."""
    give_up = time.monotonic() + 20
    try:
        while True:
            assert time.monotonic() < give_up
            assert kernel.poll() is None
            time.sleep(0.05)
            if len(history.search(status="succeeded", limit=None)) >= count:
                kernel.send_signal(signal.SIGSTOP)
                if not history.search(status="sending"):
                    return
                kernel.send_signal(signal.SIGCONT)
    finally:
        kernel.kill()
        kernel.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGSTOP")
def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    """240 cells are 240 requests, also when the kernel is killed at 100; later only new cells are asked for."""
    books = tmp_path / "server"
    with serving(books) as address:
        with subprocess.Popen([sys.executable, "-c", _SWEEP + _KERNEL, address], text=True) as kernel:
            kill_at(100, kernel)
        resumed = sweep(address)
        rehearsal = resumed.dry_run()
        assert 100 <= rehearsal.in_history < 240
        assert (rehearsal.lost, rehearsal.in_history + rehearsal.going_on + rehearsal.total) == (0, 240)
        assert resumed.run().counts == {"succeeded": 240}
    assert requests(books) == 240

    with serving(books) as address:
        assert sweep(address).run().counts == {"succeeded": 240}
        grown = sweep(address, seeds=31)
        assert (grown.dry_run().total, grown.run().counts) == (8, {"succeeded": 248})
    assert requests(books) == 248
