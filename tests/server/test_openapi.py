from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx


def _ids(http: httpx.Client, server: str, query: str) -> list[str]:
    return [entry["endpoint_id"] for entry in http.get(f"{server}/api/v1/models?{query}").json()["models"]]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("endpoint_id=local/upscale", ["local/upscale"]),
        ("endpoint_id=local/upscale,local/sticker", ["local/upscale", "local/sticker"]),
        ("endpoint_id=local/upscale&endpoint_id=local/sticker", ["local/upscale", "local/sticker"]),
        ("endpoint_id=no/such", []),
        ("q=SPAN%20enlarges", ["local/upscale"]),
        ("q=zebra", []),
        ("status=deprecated", []),
        ("endpoint_id=local/upscale&category=text-to-image", []),
    ],
)
def test_the_list_of_endpoints_can_be_searched(
    server: str, http: httpx.Client, query: str, ids: list[str]
) -> None:
    """By id, word, category and status."""
    assert _ids(http, server, query) == ids


def test_the_list_comes_in_pages(server: str, http: httpx.Client) -> None:
    """Each page tells where the next begins."""
    whole, found = _ids(http, server, ""), []
    cursor: str | None = ""
    while cursor is not None:
        page = http.get(f"{server}/api/v1/models?limit=3&cursor={cursor}").json()
        found += [entry["endpoint_id"] for entry in page["models"]]
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)

    assert found == whole
    assert http.get(f"{server}/api/v1/models?limit=x").status_code == 422


def test_schemas_come_along_when_asked_for(server: str, http: httpx.Client) -> None:
    """As the endpoint's own description has them."""
    query: dict[str, Any] = {"endpoint_id": "local/collage", "expand": "openapi-3.0"}
    (entry,) = http.get(f"{server}/api/v1/models", params=query).json()["models"]

    assert entry["openapi"] == http.get(f"{server}/openapi.json", params=query).json()


def test_there_are_no_prices_rather_than_prices_of_nothing(server: str, http: httpx.Client) -> None:
    """What a stand-in saves is not what the real endpoint costs."""
    answer = http.get(f"{server}/api/v1/models/pricing?endpoint_id=fal-ai/flux/schnell")

    assert answer.json() == {"prices": [], "next_cursor": None, "has_more": False}
