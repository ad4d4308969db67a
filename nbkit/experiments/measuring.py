"""Measuring pictures: each picture once by each metric, several at a time, and what went wrong is kept."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.config import cache_dir
from nbkit.display.escape import clean
from nbkit.display.preview import upright
from nbkit.errors import InputError, MediaError
from nbkit.experiments import lines, metrics as own
from nbkit.transport.nested import run_on_callers_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from nbkit.experiments.metrics import Metric

BUILT_IN: Mapping[str, Metric] = {
    it.__name__: it for it in (own.brightness, own.colourfulness, own.contrast, own.megapixels, own.sharpness)
}
_MOST_AT_ONCE = 8
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """What a metric gave for one picture.

    Attributes:
        value: The number, NaN where it gave none.
        problem: Why it gave none, an empty string where it did.
    """

    value: float
    problem: str = ""


@dataclass(slots=True)
class _Column:
    name: str
    metric: Metric
    values: dict[str, Measured] = field(default_factory=dict)

    def lacks(self, sha256: str, *, again: bool) -> bool:
        known = self.values.get(sha256)
        return known is None or (again and bool(known.problem))


class Measurements:
    """What was measured of some pictures: by metric, and by the SHA-256 of the picture's file.

    The same function is asked once for the same content. One that is defined again is another function. What nbkit's
    own metrics gave is kept in the cache folder, too, for the next kernel.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics, in the order in which they were first asked for."""
        return tuple(self._columns)

    def of(self, name: str, sha256: str) -> Measured | None:
        """What a metric gave for a picture, None where it was not asked."""
        column = self._columns.get(name)
        return column.values.get(sha256) if column else None

    def numbers(self, sha256: str) -> dict[str, float]:
        """Every number that there is of a picture."""
        found = ((name, column.values.get(sha256)) for name, column in self._columns.items())
        return {name: one.value for name, one in found if one and not one.problem}

    def take(
        self,
        pictures: Mapping[str, Path],
        metrics: Any,
        at_once: int | None = None,
        taken: Collection[str] = (),
    ) -> tuple[str, ...]:
        """Measure what was not measured yet, or gave no number before; returns the names of the metrics.

        What goes wrong is told by one warning for each metric.

        Args:
            pictures: SHA-256 → file.
            metrics: A name, a function from a Pillow image in RGB to a number, at once or awaited, or several of them;
                or a mapping of names to functions.
            at_once: How many pictures are measured at the same time, in threads; 1 for functions that bear no threads.
            taken: Names that something else has.

        Raises:
            InputError: Something among them is no metric, or its name is taken.
            ConfigError: An asynchronous metric cannot be awaited in this kernel.
        """
        if at_once is not None and at_once < 1:
            raise InputError(f"at_once is at least 1, not {at_once!r:.40}", field="at_once")
        read = read_metrics(metrics)
        if name := next((name for name in read if name in taken), ""):
            raise InputError(
                f"{name!r} is the name of another column", field="metrics", hint='give {"name": function}'
            )
        chosen = [self._column(name, metric) for name, metric in read.items()]
        self.fill(pictures, chosen, at_once, again=True)
        return tuple(column.name for column in chosen)

    def complete(self, pictures: Mapping[str, Path], name: str) -> None:
        """Measure pictures that came since, by a metric that was taken before; raises as `take` does."""
        self.fill(pictures, [self._columns[name]], None, again=False)

    def fill(
        self, pictures: Mapping[str, Path], columns: list[_Column], at_once: int | None, *, again: bool
    ) -> None:
        """Measure what columns lack, and tell what went wrong."""
        most = at_once or min(_MOST_AT_ONCE, os.cpu_count() or 1)
        missing = {
            column.name: [it for it in pictures if column.lacks(it, again=again)] for column in columns
        }
        for column in columns:
            _recall(column, missing[column.name])
        lacking = {
            sha256: [column for column in columns if column.lacks(sha256, again=again)] for sha256 in pictures
        }
        work = [(sha256, pictures[sha256], several) for sha256, several in lacking.items() if several]
        try:
            if waiting := _measure_now(work, most):
                run_on_callers_loop(_measure_awaited(waiting, most if at_once else _MOST_AT_ONCE))
        finally:
            for column in columns:
                new = [it[0] for it in work if column in it[2] and it[0] in column.values]
                _remember(column, new)
        for column in columns:
            _tell(column, [it[0] for it in work if column in it[2]])

    def _column(self, name: str, metric: Metric) -> _Column:
        known = self._columns.get(name)
        if known is None or known.metric is not metric:
            known = self._columns[name] = _Column(name, metric)
        return known


def read_metrics(given: Any) -> dict[str, Metric]:
    """Metrics by their names.

    Raises:
        InputError: Something among them is no metric, or two have one name.
    """
    if isinstance(given, Mapping):
        named = [(str(name), metric) for name, metric in given.items()]
    else:
        several = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
        named = [(_name_of(metric), metric) for metric in several]
    found: dict[str, Metric] = {}
    for name, metric in named:
        function = BUILT_IN.get(metric) if isinstance(metric, str) else metric
        if function is None or not callable(function):
            raise InputError(
                f"{metric!r:.60} is no metric",
                field="metrics",
                hint=f"one of {', '.join(BUILT_IN)}, or a function from an image to a number",
            )
        if name in found:
            raise InputError(
                f"two metrics are called {name[:60]!r}", field="metrics", hint="give {name: function, …}"
            )
        found[name] = function
    return found


def _name_of(metric: Any) -> str:
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)
    if not name.isidentifier():
        raise InputError(
            f"{name[:60]!r} is no name for a column", field="metrics", hint='give {"name": function}'
        )
    return str(name)


_Work = tuple[str, Path, list[_Column]]
_Waiting = tuple[str, _Column, "Callable[[], Awaitable[Any]]"]


def _measure_now(work: list[_Work], most: int) -> list[_Waiting]:
    """Measure what can be measured at once; gives back what has to be awaited."""
    waiting: list[_Waiting] = []
    if most == 1:
        for one in work:
            waiting += _measure_picture(*one)
        return waiting
    pool = ThreadPoolExecutor(most, "nbkit-metric")
    try:
        for done in as_completed([pool.submit(_measure_picture, *one) for one in work]):
            waiting += done.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return waiting


def _measure_picture(sha256: str, path: Path, columns: list[_Column]) -> list[_Waiting]:
    waiting: list[_Waiting] = []
    plain = [column for column in columns if not _is_asynchronous(column.metric)]
    waiting += [(sha256, column, _begin(column, path)) for column in columns if column not in plain]
    if not plain:
        return waiting
    try:
        image = upright(path)
    except MediaError as error:
        for column in plain:
            column.values[sha256] = _failed(error)
        return waiting
    for column in plain:
        try:
            value = column.metric(image.copy())
        except Exception as error:  # noqa: BLE001 - somebody else's function
            column.values[sha256] = _failed(error)
            continue
        if inspect.isawaitable(value):
            waiting.append((sha256, column, partial(_itself, value)))
        else:
            column.values[sha256] = _judged(value)
    return waiting


def _itself(value: Awaitable[Any]) -> Awaitable[Any]:
    return value


def _begin(column: _Column, path: Path) -> Callable[[], Awaitable[Any]]:
    async def measure() -> Any:
        return await column.metric(await asyncio.to_thread(upright, path))  # type: ignore[misc]

    return measure


async def _measure_awaited(waiting: list[_Waiting], most: int) -> None:
    room = asyncio.Semaphore(most)

    async def one(sha256: str, column: _Column, begin: Callable[[], Awaitable[Any]]) -> None:
        async with room:
            try:
                column.values[sha256] = _judged(await begin())
            except Exception as error:  # noqa: BLE001 - somebody else's function
                column.values[sha256] = _failed(error)

    await asyncio.gather(*(one(*it) for it in waiting))


def _is_asynchronous(metric: Metric) -> bool:
    return inspect.iscoroutinefunction(metric) or inspect.iscoroutinefunction(type(metric).__call__)


def _judged(value: Any) -> Measured:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        return Measured(math.nan, clean(f"it gave {value!r:.60}, which is no number"))
    try:
        number = float(value)
    except Exception as error:  # noqa: BLE001 - somebody else's number
        return _failed(error)
    return Measured(number) if math.isfinite(number) else Measured(math.nan, f"it gave {number}")


def _failed(error: BaseException) -> Measured:
    words = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return Measured(math.nan, clean(words)[:_LONGEST_REASON])


def _tell(column: _Column, measured: list[str]) -> None:
    problems = [one.problem for it in measured if (one := column.values.get(it)) and one.problem]
    if problems:
        count = f"{len(problems)} of {len(measured)} pictures"
        warnings.warn(f"{column.name} gave no number for {count}: {problems[0]}", stacklevel=5)


def _recall(column: _Column, missing: list[str]) -> None:
    """Take what earlier kernels measured from the disk."""
    if BUILT_IN.get(column.name) is not column.metric or not missing:
        return
    with suppress(OSError):
        known = {row.get("sha256"): row.get("value") for row in lines.read(_kept(column))}
        for sha256 in missing:
            if isinstance(value := known.get(sha256), float):
                column.values[sha256] = Measured(value)


def _remember(column: _Column, measured: list[str]) -> None:
    if BUILT_IN.get(column.name) is not column.metric:
        return
    found = ((sha256, column.values[sha256]) for sha256 in measured)
    rows = [{"sha256": sha256, "value": one.value} for sha256, one in found if not one.problem]
    if rows:
        with suppress(OSError):  # a cache that is full or not there only costs time
            lines.append(_kept(column), rows)


def _kept(column: _Column) -> Path:
    """The file of a metric: another one where the metrics were written anew."""
    version = hashlib.sha256(Path(own.__file__).read_bytes()).hexdigest()[:12]
    return cache_dir() / "metrics" / f"{column.name}-{version}.jsonl"
