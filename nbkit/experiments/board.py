"""The output of the cell in which an experiment runs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from nbkit.config import shows_progress
from nbkit.display.slot import Shown, Slot, in_ipython, in_notebook

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

_LEAST_BETWEEN = 0.5
_SHARE = 0.1  # of the time: hundreds of previews take a while to be made
_BYTES_A_SECOND = 250_000  # Jupyter's servers drop messages of more than a million


class Board:
    """One output, drawn again and again while an experiment runs, and left as it is in the end.

    Args:
        draw: Gives it as a MIME bundle.
        is_shown: Whether to show anything.
    """

    def __init__(self, draw: Callable[[], dict[str, Any]], *, is_shown: bool) -> None:
        self._draw = draw
        # A script has no IPython, and is not made to load it.
        self._slot = Slot() if is_shown and "IPython" in sys.modules else None
        self._next = 0.0

    def tick(self) -> None:
        """Draw it again, if it is time to."""
        if self._slot is None or time.monotonic() < self._next or not (in_notebook() and shows_progress()):
            return
        began = time.monotonic()
        bundle = self._draw()
        self._slot.fill(Shown(bundle))
        now = time.monotonic()
        sent = len(bundle["text/html"]) / _BYTES_A_SECOND
        self._next = now + max(_LEAST_BETWEEN, (now - began) / _SHARE, sent)

    def end(self) -> None:
        """Leave the last state."""
        if self._slot is not None and in_ipython():
            self._slot.end(self._draw())


def summary(counts: Counter[str], reused: int, seconds: float, cost: float | None) -> str:
    """How far an experiment is, in a line.

    Args:
        counts: How many cells are in which state.
        reused: How many of them were taken from the history.
        seconds: How long it ran.
        cost: Dollars, None where that is not known.
    """
    states = ("running", "failed", "cancelled", "unknown")
    words = [
        f"{counts['succeeded']} of {counts.total()}",
        *(f"{counts[state]} {state}" for state in states if counts[state]),
        f"{reused} from history" if reused else "",
        f"{seconds:.1f} s" if seconds else "",
        "cost unknown" if cost is None else f"${cost:.4f}" if cost else "",
    ]
    return " · ".join(filter(None, words))
