"""Rows of numbers as a table."""

from __future__ import annotations

import math
from typing import Any

from nbkit.display.escape import clean
from nbkit.model.records import Records


class Numbers(Records):
    """Rows of numbers, shown with four digits; what is no number, or not known, as a dash."""

    def to_rows(self) -> list[list[str]]:
        """The cells that are shown, as text."""
        return [[_shown(row.get(name)) for name in self.columns] for row in self]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else clean(value)
