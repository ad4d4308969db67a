"""Executors to try: a Dask cluster on loopback, and pools."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from distributed import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class DaskProcesses:
    """A scheduler and its workers, each a process of its own, as somebody starts them in terminals."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "scheduler", "--port", "0", "--scheduler-file", str(folder / "scheduler.json")
        )
        deadline = time.monotonic() + 30
        while not (folder / "scheduler.json").exists() or not (folder / "scheduler.json").read_text():
            assert time.monotonic() < deadline
            assert self.scheduler.poll() is None
            time.sleep(0.05)
        with Client(scheduler_file=str(folder / "scheduler.json"), set_as_default=False) as client:
            self.address = client.scheduler.address
        self.url = self.address.replace("tcp://", "dask://")

    def worker(self, *options: str, threads: int = 1) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until the scheduler knows it."""
        with Client(self.address, set_as_default=False) as client:
            before = len(client.nthreads())
            process = self._start("worker", self.address, "--no-nanny", "--nthreads", str(threads), *options)
            client.wait_for_workers(before + 1, timeout=30)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process as a machine does that loses its power."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        """End all processes."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "distributed.cli.dask_" + kind,
                "--host",
                "127.0.0.1",
                "--no-dashboard",
                *options,
            ],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "false"},
        )
        self._processes.append(process)
        return process


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Callable[[], DaskProcesses]]:
    """Start a Dask scheduler."""
    begun: list[DaskProcesses] = []

    def begin() -> DaskProcesses:
        folder = tmp_path / f"dask-{len(begun)}"
        folder.mkdir()
        begun.append(DaskProcesses(folder))
        return begun[-1]

    yield begin
    for cluster in begun:
        cluster.end()
