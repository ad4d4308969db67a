"""What an experiment costs, and how that stays below a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.model.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbkit.experiments.outcome import Outcome
    from nbkit.experiments.plan import Cell

_ROUNDING = 1 + 1e-9


def cost_of(cell: Cell, outcome: Outcome) -> float | None:
    """What a cell cost, in dollars: nothing where nothing was sent, or a local model answered; None where unknown."""
    is_own = bool(outcome.stand_in) or Endpoint.parse(cell.endpoint).provider == "local"
    was_sent = bool(outcome.request_id) or outcome.state == "unknown"
    return 0.0 if is_own or outcome.is_from_history or not was_sent else outcome.cost


class Budget:
    """Says whether one more request may be begun.

    Args:
        most: Dollars that may be spent; None for no limit.
        most_of: The most that a cell may cost.
    """

    def __init__(self, most: float | None, most_of: Callable[[Cell], float]) -> None:
        self._most = most
        self._most_of = most_of
        self._spent = 0.0
        self.was_too_small = False

    def note(self, cell: Cell, outcome: Outcome) -> None:
        """Count what a cell cost; where that is not known, the most that it may be."""
        if self._most is not None:
            cost = cost_of(cell, outcome)
            self._spent += self._most_of(cell) if cost is None else cost

    def allows(self, cell: Cell, under_way: Iterable[Cell]) -> bool:
        """Whether a cell may be begun, beside those that are under way."""
        if self._most is None:
            return True
        expected = sum(map(self._most_of, (*under_way, cell)))
        is_enough = self._spent + expected <= self._most * _ROUNDING
        self.was_too_small = not is_enough
        return is_enough
