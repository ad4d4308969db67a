"""Servers that tests kill, stop and start again, as processes of their own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

LAB_SERVER = Path(__file__).parent / "server" / "lab_server.py"
Ticket = dict[str, Any]


class Killable:
    """A server on one folder and port, which can be killed and started again.

    Args:
        folder: Where its folder is, and what its models mark.
        **settings: Its settings, besides folder and port.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = {"drain_seconds": 0, **settings}
        self.marks = folder / "marks"
        folder.mkdir(exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Start it; gives the seconds until it answered."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(LAB_SERVER),
                str(self.folder / "data"),
                str(self.port),
                json.dumps(self.settings),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line == f"nbkit server listening on {self.url}\n", self.process.communicate(timeout=5)
        return time.monotonic() - began

    def end(self, number: signal.Signals = signal.SIGKILL) -> str:
        """End it by a signal, and wait for its workers, too; gives what it wrote to standard error."""
        assert self.process
        workers = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=10)
        psutil.wait_procs(workers, timeout=10)
        self.process = None
        return errors

    def submit(
        self,
        http: httpx.Client,
        name: str,
        seconds: float = 0.0,
        headers: dict[str, str] | None = None,
        webhook: str = "",
        **given: str,
    ) -> Ticket:
        """Submit a request that marks each time it is computed."""
        facts = {"file": str(self.marks), "name": name, "seconds": seconds, **given}
        wish = {"fal_webhook": webhook} if webhook else None
        answer = http.post(f"{self.url}/queue/lab/mark", json=facts, headers=headers, params=wish)
        assert answer.status_code == 200, answer.text
        ticket: Ticket = answer.json()
        return ticket

    def count(self, word: str) -> Counter[str]:
        """How often each name was begun, or done."""
        lines = self.marks.read_text().splitlines() if self.marks.exists() else []
        return Counter(line.split()[0] for line in lines if line.endswith(f" {word}"))


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def at(server: Killable, address: str) -> str:
    """The same address at another server."""
    return f"{server.url}/{address.split('/', 3)[3]}"
