from __future__ import annotations

from typing import Any

import pytest

from nbkit.model.endpoint import Endpoint
from nbkit.model.price import Price
from nbkit.wire.fal.pricing import pricing_url, read_price

ENTRY = {"endpoint_id": "acme/imgen", "unit_price": 0.025, "unit": "images", "currency": "usd"}


def test_the_price_of_the_endpoint_is_read() -> None:
    """One price among others is that of the endpoint itself."""
    body = {"prices": [{**ENTRY, "endpoint_id": "acme/other", "unit_price": 9}, ENTRY], "has_more": False}
    price = read_price(body, "acme/imgen")

    assert price == Price("acme/imgen", 0.025, "images", "USD")
    assert price.of(4) == pytest.approx(0.1)
    assert str(price) == "0.025 USD for each of its images"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"prices": None},
        {"prices": [3]},
        {"prices": [{**ENTRY, "endpoint_id": "acme/other"}]},
        {"prices": [{**ENTRY, "unit_price": "free"}]},
        {"prices": [{**ENTRY, "unit_price": 0}]},
        {"prices": [{**ENTRY, "unit_price": -1}]},
        {"prices": [{**ENTRY, "unit_price": True, "unit": ""}]},
        {"prices": [{**ENTRY, "unit_price": 10**400}]},
        {"prices": [{**ENTRY, "unit_price": float("inf")}]},
        {"prices": [{**ENTRY, "unit": None}]},
        {"prices": [{**ENTRY, "currency": 5}]},
    ],
)
def test_a_price_that_is_not_known_is_none(body: Any) -> None:
    """What the service does not say is unknown, never nothing to pay."""
    assert read_price(body, "acme/imgen") is None


def test_the_address_names_the_endpoint() -> None:
    """One endpoint is asked for, its slashes written as an address needs them."""
    url = pricing_url("https://api.fal.ai/v1", Endpoint.parse("acme/imgen/v2"))

    assert url == "https://api.fal.ai/v1/models/pricing?endpoint_id=acme/imgen/v2"
