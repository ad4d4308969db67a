from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbkit.errors import ServiceError
from nbkit.model.endpoint import Endpoint
from nbkit.providers.prices import Prices
from nbkit.transport.http import Transport
from tests.scripted_server import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.scripted_server import ScriptedServer

ENDPOINT = Endpoint.parse("acme/imgen")
ENTRY = {"endpoint_id": "acme/imgen", "unit_price": 0.025, "unit": "images", "currency": "USD"}


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """Connections that show a key."""
    connections = Transport(lambda _url: "Key k")
    yield connections
    await connections.close()


async def test_a_price_is_asked_for_once_with_the_key(transport: Transport, scripted: ScriptedServer) -> None:
    """The price is known from then on, and with it what calls cost."""
    scripted.on("GET", "/v1/models/pricing", answer({"prices": [ENTRY]}))
    prices = Prices(transport, f"{scripted.origin}/v1")

    assert prices.cost(ENDPOINT, 2) is None
    assert await prices.get(ENDPOINT) == await prices.get(ENDPOINT)
    assert prices.cost(ENDPOINT, 2) == pytest.approx(0.05)
    assert prices.cost(ENDPOINT, None) is None
    assert [request.headers["authorization"] for request in scripted.received] == ["Key k"]


async def test_other_money_is_not_taken_for_dollars(transport: Transport, scripted: ScriptedServer) -> None:
    """A cost is in US dollars or not known."""
    scripted.on("GET", "/v1/models/pricing", answer({"prices": [{**ENTRY, "currency": "EUR"}]}))
    prices = Prices(transport, f"{scripted.origin}/v1")
    price = await prices.get(ENDPOINT)

    assert price
    assert price.currency == "EUR"
    assert prices.cost(ENDPOINT, 2) is None


@pytest.mark.parametrize(
    "act", [answer({"detail": "?"}, 404), answer(body=b"<html>"), answer({"prices": []})]
)
async def test_a_price_that_nobody_tells_is_none(
    transport: Transport, scripted: ScriptedServer, act: object
) -> None:
    """An endpoint without a price is no error."""
    scripted.on("GET", "/v1/models/pricing", act)  # type: ignore[arg-type]

    assert await Prices(transport, f"{scripted.origin}/v1").get(ENDPOINT) is None


async def test_a_refusal_is_told(transport: Transport, scripted: ScriptedServer) -> None:
    """Without a key that may ask, the service's own words say so."""
    scripted.on("GET", "/v1/models/pricing", answer({"error": {"type": "x", "message": "No key."}}, 401))

    with pytest.raises(ServiceError, match=r"asking for the price of acme/imgen: No key\. \(HTTP 401\)"):
        await Prices(transport, f"{scripted.origin}/v1").get(ENDPOINT)


async def test_a_server_of_one_s_own_has_no_prices(transport: Transport) -> None:
    """Nobody is asked where nothing is billed."""
    assert await Prices(transport, None).get(ENDPOINT) is None
