"""What was measured, as lines for people and as JSON."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """A goal.

    Attributes:
        who: The candidate that is judged.
        limit: The most that is allowed: a multiple of the anchor, or a plain value without one.
        anchor: The candidate it is held against, an empty string for none.
        least: Whether the limit is the least instead.
    """

    who: str
    limit: float
    anchor: str = ""
    least: bool = False


@dataclass(frozen=True)
class Row:
    """One figure of all candidates.

    Attributes:
        goal: Which goal of docs/performance.md it belongs to, as `P1`.
        what: What was measured.
        unit: Of the samples.
        samples: Candidate → measurements.
        checks: What is asked of them.
    """

    goal: str
    what: str
    unit: str
    samples: dict[str, list[float]]
    checks: tuple[Check, ...] = field(default=())

    def median(self, name: str) -> float:
        """The median of one candidate."""
        return statistics.median(self.samples[name])

    def verdict(self, check: Check) -> tuple[float, bool]:
        """The value that is judged, and whether it is as it should be."""
        value = self.median(check.who)
        if check.anchor:
            value /= self.median(check.anchor) or 1e-9
        return value, value >= check.limit if check.least else value <= check.limit

    def lines(self) -> list[str]:
        """The figure as text."""
        lines = [f"{self.goal:4} {self.what} ({self.unit})"]
        lines += [f"       {name:14} {_spread(values)}" for name, values in self.samples.items()]
        for check in self.checks:
            value, met = self.verdict(check)
            told = f"{value:.3g} × {check.anchor}" if check.anchor else f"{value:.3g} {self.unit}"
            sign = "≥" if check.least else "≤"
            lines.append(
                f"     → {check.who}: {told}, goal {sign} {check.limit:g}: {'met' if met else 'MISSED'}"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """The figure as JSON."""
        verdicts = []
        for check in self.checks:
            value, met = self.verdict(check)
            verdicts.append(asdict(check) | {"value": value, "met": met})
        medians = {name: self.median(name) for name in self.samples}
        facts = {"goal": self.goal, "what": self.what, "unit": self.unit, "medians": medians}
        return facts | {"samples": self.samples, "checks": verdicts}


def _spread(values: list[float]) -> str:
    middle = f"{statistics.median(values):9.3g}"
    return (
        middle if len(values) == 1 else f"{middle}  ({min(values):.3g} to {max(values):.3g}, {len(values)} ×)"
    )
