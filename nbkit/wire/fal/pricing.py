"""Prices as the service's platform API tells them (fal docs: "Platform APIs", `GET /v1/models/pricing`)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nbkit.model.price import Price

if TYPE_CHECKING:
    from nbkit.model.endpoint import Endpoint

PLATFORM = "https://api.fal.ai/v1"
_LONGEST_WORD = 80


def pricing_url(platform: str, endpoint: Endpoint) -> str:
    """Where the price of an endpoint is; asking for it needs the key."""
    return f"{platform}/models/pricing?endpoint_id={quote(str(endpoint))}"


def read_price(body: Any, endpoint: str) -> Price | None:
    """The price of an endpoint in an answer; None where it has none, or one that makes no sense."""
    prices = body.get("prices") if isinstance(body, dict) else None
    for entry in prices if isinstance(prices, list) else ():
        if isinstance(entry, dict) and entry.get("endpoint_id") == endpoint:
            amount, unit, currency = _amount(entry), _word(entry, "unit"), _word(entry, "currency")
            return Price(endpoint, amount, unit, currency.upper()) if amount and unit and currency else None
    return None


def _amount(entry: dict[str, Any]) -> float | None:
    amount = entry.get("unit_price")
    try:
        number = float(amount) if isinstance(amount, (int, float)) else 0.0
    except OverflowError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _word(entry: dict[str, Any], name: str) -> str:
    word = entry.get(name)
    return word if isinstance(word, str) and len(word) <= _LONGEST_WORD else ""
