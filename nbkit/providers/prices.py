"""What calls cost, asked for once a day and endpoint."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from nbkit.wire.fal.pricing import PLATFORM, pricing_url, read_price
from nbkit.wire.fal.refusals import read_refusal

if TYPE_CHECKING:
    from nbkit.model.endpoint import Endpoint
    from nbkit.model.price import Price
    from nbkit.transport.http import Transport

_FRESH = 24 * 3600.0
_DOLLARS = "USD"
_UNKNOWN = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)


class Prices:
    """The prices of one service.

    Args:
        transport: Sends requests with the key.
        platform: Address of the platform API; None for a service that has no prices.
    """

    def __init__(self, transport: Transport, platform: str | None = PLATFORM) -> None:
        self._transport = transport
        self._platform = platform
        self._known: dict[str, tuple[float, Price | None]] = {}

    async def get(self, endpoint: Endpoint) -> Price | None:
        """The price of one unit of an endpoint's work; None where the service does not say.

        Raises:
            ServiceError: The service refused to tell; it wants a key.
            ConnectionFailed: It was never reached.
        """
        name = str(endpoint)
        asked, price = self._known.get(name, (0.0, None))
        if self._platform is None or time.time() - asked < _FRESH:
            return price
        answer = await self._transport.send("GET", pricing_url(self._platform, endpoint), read_timeout=20.0)
        if answer.status in _UNKNOWN:
            return None
        if answer.status >= 300:  # noqa: PLR2004
            raise read_refusal(answer.status, answer.headers, answer.content).error(
                f"asking for the price of {endpoint}"
            )
        try:
            price = read_price(json.loads(answer.content), name)
        except (ValueError, RecursionError):
            price = None
        self._known[name] = (time.time(), price)
        return price

    def cost(self, endpoint: Endpoint, units: float | None) -> float | None:
        """What a call cost, in US dollars; None where it is not known for certain.

        The service counts units of the kind that it prices (fal docs: "Publishing to the marketplace"), so both have
        to be known: the units from the answer, and the price from an earlier `get`. Nothing is asked for here.
        """
        _, price = self._known.get(str(endpoint), (0.0, None))
        if units is None or price is None or price.currency != _DOLLARS:
            return None
        return price.of(units)
