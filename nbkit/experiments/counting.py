"""An experiment as numbers: its cells as rows, means over seeds, and differences between columns."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.experiments.axes import label_of
from nbkit.experiments.measuring import BUILT_IN
from nbkit.experiments.numbers import Numbers
from nbkit.experiments.selection import index_of
from nbkit.experiments.statistics import mean, paired_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nbkit.experiments.axes import Axis
    from nbkit.experiments.outcome import Outcome
    from nbkit.experiments.plan import Cell
    from nbkit.experiments.sweep import Sweep

_FACTS: Mapping[str, Callable[[Outcome], float | None]] = {
    "seconds": lambda it: it.seconds,
    "cost": lambda it: it.cost,
    "width": lambda it: it.image.width if it.image else None,
    "height": lambda it: it.image.height if it.image else None,
    "bytes": lambda it: it.image.size if it.image else None,
}
_LONGEST_VALUE = 200


def rows(sweep: Sweep) -> list[dict[str, Any]]:
    """The cells as dicts of plain values: the axes, what came, each input as `input.NAME`, and each metric.

    A fact whose name an axis has is called `run.NAME`. `problem` says why a cell, or a metric of it, has no number.
    """
    return [_row(sweep, cell, outcome) for cell, outcome in sweep]


def measure(sweep: Sweep, metrics: Any, at_once: int | None = None) -> Numbers:
    """Measure the first picture of each cell, each content once.

    What goes wrong is told by one warning for each metric; such a cell has NaN, and its row says why.

    Args:
        sweep: Whose cells.
        metrics: A name (`sharpness`, `brightness`, `contrast`, `colourfulness`, `megapixels`), a function from a Pillow
            image in RGB to a number, at once or awaited, a list of these, or a mapping of names to functions.
        at_once: How many pictures are measured at the same time, in threads; 1 for functions that bear no threads.

    Raises:
        InputError: Something among them is no metric, or its name is taken.
        ConfigError: An asynchronous metric cannot be awaited in this kernel.
    """
    taken = {"state", "problem", *_FACTS, *(axis.name for axis in sweep.plan.axes)}
    pictures = _pictures(sweep)
    names = sweep.measurements.take(pictures, metrics, at_once, taken)
    table = [_summary(name, sweep, pictures) for name in names]
    return Numbers(f"{len(pictures)} pictures measured", list(_summary("", sweep, {})), table)


def means(sweep: Sweep, metric: str, by: str | Sequence[str], level: float = 0.95) -> Numbers:
    """The mean of a metric for each value of an axis, with a bootstrap interval over all cells that have this value.

    Cells without a number are left out and counted.

    Args:
        sweep: Whose cells.
        metric: What was measured, one of nbkit's own metrics, or `seconds`, `cost`, `width`, `height`, `bytes`.
        by: The axis, or several for their combinations.
        level: How sure each interval is to be, between 0 and 1.

    Raises:
        InputError: There is no such axis or metric.
    """
    axes = [_axis(sweep, name) for name in ([by] if isinstance(by, str) else by)]
    if not axes:
        raise InputError("by names at least one axis", field="by")
    groups: dict[tuple[int, ...], list[float]] = {}
    for position, value in _series(sweep, metric).items():
        groups.setdefault(tuple(position[axis] for axis in axes), []).append(value)
    table = []
    for chosen, values in sorted(groups.items()):
        known = [value for value in values if not math.isnan(value)]
        found = mean(known, level) if known else None
        names = {
            sweep.plan.axes[axis].name: value_of(sweep.plan.axes[axis], index)
            for axis, index in zip(axes, chosen, strict=True)
        }
        table.append(
            names
            | {
                "mean": found.mean if found else math.nan,
                "low": found.low if found else math.nan,
                "high": found.high if found else math.nan,
                "n": len(known),
                "left out": len(values) - len(known),
            }
        )
    title = f"{metric}: mean and {level:.0%} interval (bootstrap){_over(sweep, axes)}"
    return Numbers(title, list(table[0]) if table else [], table)


def paired(sweep: Sweep, metric: str, by: str, baseline: Any = None, level: float = 0.95) -> Numbers:
    """By how much a metric is greater than at one value of an axis, pair by pair: all else, the seed too, the same.

    A pair in which a number is missing is left out and counted.

    Args:
        sweep: Whose cells.
        metric: As for `means`.
        by: The axis.
        baseline: The value to compare with; the first where none is given.
        level: How sure each interval is to be, between 0 and 1.

    Raises:
        InputError: There is no such axis, value or metric.
    """
    number = _axis(sweep, by)
    axis = sweep.plan.axes[number]
    start = 0 if baseline is None else index_of(axis, baseline)
    series = _series(sweep, metric)
    table = []
    for other in (index for index in range(len(axis)) if index != start):
        pairs = [
            (series.get((*position[:number], start, *position[number + 1 :]), math.nan), value)
            for position, value in series.items()
            if position[number] == other
        ]
        known = [(first, second) for first, second in pairs if not math.isnan(first + second)]
        before, after = [first for first, _ in known], [second for _, second in known]
        found = paired_difference(before, after, level) if known else None
        table.append(
            {
                by: value_of(axis, other),
                "difference": found.mean if found else math.nan,
                "low": found.low if found else math.nan,
                "high": found.high if found else math.nan,
                "pairs": len(known),
                "left out": len(pairs) - len(known),
                "apart from 0": found.is_apart_from_zero if found else None,
            }
        )
    base = axis.labels[start]
    title = f"{metric}: difference from {by} {base}, {level:.0%} interval (bootstrap){_over(sweep, [number])}"
    return Numbers(title, list(table[0]) if table else [], table)


def value_of(axis: Axis, index: int) -> Any:
    """A value of an axis as people call it: itself where it is a number or a word, else its label."""
    value, label = axis.values[index], axis.labels[index]
    is_plain = value is None or isinstance(value, (str, int, float))
    return value if is_plain and label_of(value) == label else label


def _row(sweep: Sweep, cell: Cell, outcome: Outcome | None) -> dict[str, Any]:
    axes = {
        axis.name: value_of(axis, index) for axis, index in zip(sweep.plan.axes, cell.position, strict=True)
    }
    image = outcome.image if outcome else None
    seed = outcome.seed if outcome and outcome.seed is not None else cell.input.get("seed")
    about: dict[str, Any] = {
        "endpoint": cell.endpoint,
        "seed": _plain(seed),
        "state": outcome.state if outcome else "waiting",
        "request_id": outcome.request_id if outcome else "",
        **{name: read(outcome) if outcome else None for name, read in _FACTS.items()},
        "path": str(image.path) if image else None,
        "from_history": bool(outcome and outcome.is_from_history),
    }
    facts = {(f"run.{name}" if name in axes else name): value for name, value in about.items()}
    measured = {
        name: sweep.measurements.of(name, image.sha256) if image else None
        for name in sweep.measurements.names
    }
    problems = [outcome.problem] if outcome and outcome.problem else []
    problems += [f"{name}: {it.problem}" for name, it in measured.items() if it and it.problem]
    inputs = {f"input.{name}": _plain(value) for name, value in cell.input.items()}
    numbers = {name: it.value if it else math.nan for name, it in measured.items()}
    return axes | facts | {"problem": "; ".join(problems)} | inputs | numbers


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float, list, dict)):
        return value
    return str(value) if isinstance(value, PurePath) else repr(value)[:_LONGEST_VALUE]


def _pictures(sweep: Sweep) -> dict[str, Path]:
    images = (outcome.image for _, outcome in sweep if outcome)
    return {image.sha256: image.path for image in images if image and image.path}


def _summary(name: str, sweep: Sweep, pictures: Mapping[str, Path]) -> dict[str, Any]:
    measured = [one for it in pictures if (one := sweep.measurements.of(name, it))]
    values = [one.value for one in measured if not one.problem]
    problems = Counter(one.problem for one in measured if one.problem)
    return {
        "metric": name,
        "pictures": len(values),
        "least": min(values, default=math.nan),
        "mean": sum(values) / len(values) if values else math.nan,
        "most": max(values, default=math.nan),
        "without a number": problems.total(),
        "why": next(iter(problems), ""),
    }


def _series(sweep: Sweep, metric: str) -> dict[tuple[int, ...], float]:
    """The value of each cell by its position, NaN where there is none."""
    if metric not in sweep.measurements.names:
        if metric in BUILT_IN:
            measure(sweep, metric)
        elif metric not in _FACTS:
            known = ", ".join((*sweep.measurements.names, *BUILT_IN, *_FACTS))
            raise InputError(
                f"{metric!r:.60} was not measured",
                field="metric",
                hint=f"measure it first: sweep.measure(function); known are {known}",
            )
    if metric in sweep.measurements.names:
        sweep.measurements.complete(_pictures(sweep), metric)
    return {cell.position: _number(sweep, metric, outcome) for cell, outcome in sweep}


def _number(sweep: Sweep, metric: str, outcome: Outcome | None) -> float:
    if outcome is None or outcome.state != "succeeded":
        return math.nan
    if metric in sweep.measurements.names:
        found = sweep.measurements.of(metric, outcome.image.sha256) if outcome.image else None
        return found.value if found else math.nan
    value = _FACTS[metric](outcome)
    return math.nan if value is None else float(value)


def _axis(sweep: Sweep, name: str) -> int:
    names = [axis.name for axis in sweep.plan.axes]
    if name not in names:
        raise InputError(f"{name!r:.60} is no axis: there are {', '.join(names) or 'none'}", field="by")
    return names.index(name)


def _over(sweep: Sweep, grouped: Sequence[int]) -> str:
    others = [axis for number, axis in enumerate(sweep.plan.axes) if number not in grouped and len(axis) > 1]
    return f", over {' × '.join(f'{axis.name} ({len(axis)})' for axis in others)}" if others else ""
