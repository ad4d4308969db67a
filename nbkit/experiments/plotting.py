"""Means with their intervals, drawn."""

from __future__ import annotations

import io
import math
import textwrap
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConfigError, MediaError
from nbkit.experiments.counting import means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.experiments.numbers import Numbers
    from nbkit.experiments.sweep import Sweep

_APART = (
    0.08  # of the distance between two values: so that the intervals of several lines do not hide each other
)
_DOTS_PER_INCH = 144
_PIXELS_PER_INCH = 96  # of a page; the picture has half as many again, for fine screens


class Plot:
    """A drawing of means.

    Attributes:
        means: What is drawn.
        figure: The figure of matplotlib, to be changed.
    """

    def __init__(self, numbers: Numbers, figure: Any) -> None:
        self.means = numbers
        self.figure = figure

    def save(self, path: str | Path) -> Path:
        """Write it; the ending says as what: `.png`, `.pdf`, `.svg`.

        Raises:
            MediaError: It cannot be written.
        """
        target = Path(path).expanduser()
        try:
            self.figure.savefig(target, dpi=300, bbox_inches="tight")
        except (OSError, ValueError) as error:
            raise MediaError(f"cannot write {target}: {error}") from error
        return target

    def __repr__(self) -> str:
        return repr(self.means)

    def _repr_mimebundle_(self, **_choice: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
        inches = self.figure.get_size_inches()
        width, height = (round(it * _PIXELS_PER_INCH) for it in inches)
        shown = {"text/plain": repr(self), "image/png": buffer.getvalue()}
        return shown, {"image/png": {"width": width, "height": height}}


def plot(
    sweep: Sweep, metric: str, by: str | Sequence[str], *, level: float = 0.95, axes: Any = None
) -> Plot:
    """Draw the mean of a metric for each value of an axis, with its interval.

    Args:
        sweep: Whose cells.
        metric: As for `means`.
        by: What goes across; further axes become lines.
        level: How sure each interval is to be, between 0 and 1.
        axes: Axes of matplotlib to draw into; a figure of its own where none are given.

    Raises:
        InputError: There is no such axis or metric.
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(
            "matplotlib is not installed", hint="pip install 'nbkit-media[experiments]', or use .means()"
        ) from error
    names = [by] if isinstance(by, str) else list(by)
    numbers = means(sweep, metric, names, level)
    if axes is None:
        axes = Figure(figsize=(6, 3.6), layout="constrained").subplots()
    first, *others = names
    places = {value: number for number, value in enumerate(dict.fromkeys(row[first] for row in numbers))}
    is_scale = all(isinstance(it, (int, float)) and not isinstance(it, bool) for it in places)
    at = {value: float(value) if is_scale else float(number) for value, number in places.items()}
    gaps = [abs(a - b) for a, b in zip(list(at.values())[1:], at.values(), strict=False)]
    ordered = sorted(numbers, key=lambda row: [str(row[name]) for name in others])
    lines = [(label, list(rows)) for label, rows in groupby(ordered, lambda row: _label(row, others))]
    for number, (label, rows) in enumerate(lines):
        shift = (number - (len(lines) - 1) / 2) * _APART * min(gaps, default=1.0)
        _draw_line(axes, [at[row[first]] + shift for row in rows], rows, label, is_joined=is_scale)
    if not is_scale:
        axes.set_xticks(list(at.values()), [_short(value) for value in at])
    axes.set_xlabel(first)
    axes.set_ylabel(metric)
    axes.spines[["top", "right"]].set_visible(False)
    if others:
        axes.legend(title=", ".join(others), frameon=False)
    return Plot(numbers, axes.figure)


def _draw_line(
    axes: Any, at: Sequence[float], rows: Sequence[dict[str, Any]], label: str, *, is_joined: bool
) -> None:
    middle = [row["mean"] for row in rows]
    # A single value has no interval: nothing is drawn for it, rather than one of no length.
    below = [_length(row["mean"] - row["low"]) for row in rows]
    above = [_length(row["high"] - row["mean"]) for row in rows]
    style = "o-" if is_joined else "o"
    axes.errorbar(at, middle, yerr=[below, above], fmt=style, capsize=3, lw=1, label=label or None)


def _length(value: float) -> float:
    return 0.0 if math.isnan(value) else max(0.0, value)


def _label(row: dict[str, Any], names: Sequence[str]) -> str:
    return ", ".join(_short(row[name]) for name in names)


def _short(value: object) -> str:
    # Of a lone dollar sign matplotlib makes no formula, of two it does.
    return textwrap.fill(textwrap.shorten(str(value), 60, placeholder="…"), 18).replace("$", r"\$")
