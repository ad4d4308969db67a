"""Starts the processes of a measurement and speaks with them, a line of JSON at a time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]


class Child:
    """A process that answers lines with lines."""

    def __init__(self, module: str, *arguments: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.{module}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def begin(self, **task: Any) -> None:
        """Give it a task."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()

    def finish(self) -> Any:
        """Wait for its next line."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended: {self._process.wait()}")
        return json.loads(line)

    def ask(self, **task: Any) -> Any:
        """Give it a task and wait."""
        self.begin(**task)
        return self.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=10)


@dataclass(frozen=True)
class Place:
    """Where the server of jobs is.

    Attributes:
        near: Its address.
        far: Its address behind the proxy that delays.
        home: An empty folder for the results that nbkit keeps.
    """

    near: str
    far: str
    home: str

    def client(self, name: str, *, far: bool = False) -> Child:
        """Start a client."""
        origin = f"{self.far if far else self.near}/{name}"
        return Child("worker", name, origin, NBKIT_HOME=self.home)

    def facts(self) -> dict[str, Any]:
        """What the server counted so far."""
        with urllib.request.urlopen(f"{self.near}/bench/facts") as answer:  # noqa: S310 - our own address
            facts: dict[str, Any] = json.load(answer)
        return facts


@contextmanager
def clients(place: Place, names: Sequence[str], *, far: bool = False) -> Iterator[dict[str, Child]]:
    """Clients that have done a job each, so that everything is loaded and connected."""
    with contextlib.ExitStack() as stack:
        started = {name: stack.enter_context(place.client(name, far=far)) for name in names}
        for child in started.values():
            child.ask(do="jobs", seconds=0.01, count=2, at_once=1)
        yield started


def in_turns(
    children: dict[str, Child], times: int, stagger: float = 0.0, **task: Any
) -> dict[str, list[Any]]:
    """Give all the same task in turns (A B A B), so that a busy minute of the machine hits all alike.

    Args:
        children: Who.
        times: How many turns.
        stagger: Begin this many seconds apart and wait afterwards, for tasks that mostly wait; 0 does one at a time.
        **task: What.
    """
    answers: dict[str, list[Any]] = {name: [] for name in children}
    seconds = task.get("seconds", 0.0)
    for turn in range(times):
        if "seconds" in task:
            # Over the turns, jobs end at every phase of a client that asks each 0.1 s, as they do in life.
            task = {**task, "seconds": seconds + 0.1 * (turn + 0.5) / times}
        for name, child in children.items():
            child.begin(**task)
            if stagger:
                time.sleep(stagger)
            else:
                answers[name].append(child.finish())
        if stagger:
            for name, child in children.items():
                answers[name].append(child.finish())
    return answers
