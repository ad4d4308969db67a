"""The history: what a run costs to write, a search to answer, and two kernels each other. P10."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit import history
from nbkit.history.database import history_path, open_for_writing
from nbkit.history.writer import flush
from tests.bench.history_worker import write
from tests.bench.processes import Child
from tests.bench.report import Check, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.processes import Place

_ROWS = 100_000
_OF_EACH_KERNEL = 10_000
_STYLES = ("woodcut", "gouache", "etching", "fresco", "pastel")


def written(place: Place, *, full: bool) -> Iterator[Row]:
    """A run with ten events from its beginning to its end, all threads together."""
    with _home(place, "written"):
        asyncio.run(write(20))
        cpu = []
        for _ in range(9 if full else 4):
            flush(10)
            before = time.process_time()
            asyncio.run(write(100))
            flush(10)
            cpu.append((time.process_time() - before) * 10)
    yield Row("P10", "a run with 10 events written: CPU", "ms", {"nbkit": cpu}, (Check("nbkit", 1.0),))


def searched(place: Place, *, full: bool) -> Iterator[Row]:
    """Questions to a hundred thousand runs."""
    questions: dict[str, Callable[[], Any]] = {
        "one word of one": lambda: history.search("cat54321"),
        "two common words": lambda: history.search("woodcut harbour"),
        "begin of a word": lambda: history.search("harb"),
        "the latest": history.search,
        "by endpoint": lambda: history.search(endpoint="acme/model-7"),
    }
    with _home(place, "searched"):
        _fill()
        for question in questions.values():
            question()
        samples = {name: [_wall(ask) for _ in range(50 if full else 20)] for name, ask in questions.items()}
    checks = tuple(Check(name, 5.0) for name in questions)
    yield Row("P10", "search in 100,000 runs, 50 found", "ms", samples, checks)


def two_kernels(place: Place, *, full: bool) -> Iterator[Row]:  # noqa: ARG001 - the same either way
    """Two processes that write at once, as fast as they can."""
    with _home(place, "two") as home, Child("history_worker", NBKIT_HOME=home) as one:
        with Child("history_worker", NBKIT_HOME=home) as other:
            for child in (one, other):
                child.begin(count=_OF_EACH_KERNEL)
            answers = [child.finish() for child in (one, other)]
        lost = 2 * _OF_EACH_KERNEL - len(history.search(status="succeeded", limit=None))
    yield Row("P10", "two kernels write 10,000 runs each: lost", "", {"nbkit": [lost]}, (Check("nbkit", 0),))
    waits = {"nbkit": [answer["longest"] for answer in answers]}
    yield Row("P10", "the longest that one of these runs waited", "ms", waits, (Check("nbkit", 1000),))


@contextlib.contextmanager
def _home(place: Place, name: str) -> Iterator[str]:
    home = os.environ["NBKIT_HOME"] = str(Path(place.home) / name)
    try:
        yield home
    finally:
        del os.environ["NBKIT_HOME"]


def _fill() -> None:
    connection = open_for_writing(history_path())
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO runs (id, endpoint, provider, way, state, input_sha256, created, nbkit, python, pid, process, "
        "request_id, text, input) VALUES (?, ?, 'fal', 'queue', 'succeeded', ?, ?, '0', '3', 1, '', ?, ?, ?)",
        (_row(number) for number in range(_ROWS)),
    )
    connection.execute("COMMIT")
    connection.close()


def _row(number: int) -> tuple[Any, ...]:
    text = f"a cat{number} in a harbour at dusk, {_STYLES[number % 5]}, seen from afar, number {number % 977}"
    body = f'{{"prompt": "{text}", "seed": {number}, "image_size": "square_hd"}}'
    return (
        f"id{number}",
        f"acme/model-{number % 40}",
        f"h{number}",
        1.7e9 + number,
        f"r{number}",
        text,
        body,
    )


def _wall(question: Callable[[], Any]) -> float:
    before = time.perf_counter()
    question()
    return (time.perf_counter() - before) * 1e3
