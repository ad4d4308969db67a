"""What a call costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one unit of an endpoint's work.

    Attributes:
        endpoint: The endpoint's id.
        amount: Money for one unit.
        unit: What is counted, in the service's words: `images`, `megapixels`, `seconds`.
        currency: The currency's three letters, as `USD`.
    """

    endpoint: str
    amount: float
    unit: str
    currency: str

    def of(self, units: float) -> float:
        """Money for a number of units."""
        return units * self.amount

    def __str__(self) -> str:
        return f"{self.amount:g} {self.currency} for each of its {self.unit}"
