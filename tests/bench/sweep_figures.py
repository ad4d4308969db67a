"""A sweep: that a cell of a large one costs what a cell of a small one does. P11."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from tests.bench.processes import Child, Place
from tests.bench.report import Check, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

_FEW, _MANY = 100, 5_000
_MOST_MORE = 50.0  # MB


def cells(place: Place, *, full: bool) -> Iterator[Row]:
    """Sweeps of jobs that do nothing, each in a fresh process with an empty history."""
    answers = {count: [_swept(place, count) for _ in range(3 if full else 1)] for count in (_FEW, _MANY)}
    names = {count: f"{count:,} cells" for count in answers}
    cpu = {names[count]: [it["cpu"] for it in many] for count, many in answers.items()}
    yield Row("P11", "a cell of a sweep: CPU", "ms", cpu, (Check(names[_MANY], 1.5, names[_FEW]),))
    more = [many["memory"] - few["memory"] for few, many in zip(answers[_FEW], answers[_MANY], strict=True)]
    samples = {"nbkit": more}
    yield Row("P11", "memory of 5,000 cells above that of 100", "MB", samples, (Check("nbkit", _MOST_MORE),))


def _swept(place: Place, count: int) -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory(dir=place.home) as home,
        Child("sweep_worker", f"{place.near}/sweep", NBKIT_HOME=home) as kernel,
    ):
        answer: dict[str, float] = kernel.ask(cells=count)
        return answer
