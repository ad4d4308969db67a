"""What a run used up, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.display.step import Step

_DOLLAR = "USD"


def money(amount: float | None, currency: str = _DOLLAR) -> str:
    """An amount of money as people read it: `$0.003`, `0.02 EUR`; an empty string where it is unknown."""
    if amount is None:
        return ""
    return f"${amount:.4g}" if (currency or _DOLLAR) == _DOLLAR else f"{amount:.4g} {currency}"


def counted(number: int | None, word: str) -> str:
    """A number of things: `1 step`, `1,234 tokens`; an empty string for none and for unknown."""
    return f"{number:,} {word}{'' if number == 1 else 's'}" if number else ""


def tokens(steps: Sequence[Step]) -> int:
    """How many tokens steps used. What a whole tells is the sum of its parts, so only parts are counted."""
    return sum(step.tokens or 0 for step in _leaves(steps))


def price(steps: Sequence[Step]) -> str:
    """What steps cost, one sum a currency; an empty string where none tells a price above nothing."""
    sums: dict[str, float] = {}
    for step in _leaves(steps):
        if step.price:
            currency = step.currency or _DOLLAR
            sums[currency] = sums.get(currency, 0.0) + step.price
    return " + ".join(money(amount, currency) for currency, amount in sums.items())


def _leaves(steps: Sequence[Step]) -> list[Step]:
    wholes = {step.parent for step in steps if step.tokens or step.price}
    return [step for step in steps if step.node not in wholes]
