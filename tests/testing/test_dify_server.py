from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from nbkit.errors import ServerError
from nbkit.testing import DifyServer

if TYPE_CHECKING:
    import nbkit


def test_a_server_is_gone_with_its_block() -> None:
    """Each server has a port of its own, and is gone after its block, also after an error in it."""
    filters = list(logging.getLogger("uvicorn.error").filters)
    with pytest.raises(ZeroDivisionError), DifyServer() as server, DifyServer(app="sticker") as other:  # noqa: PT012
        assert server.base_url != other.base_url
        assert (
            httpx.get(f"{other.base_url}/info", headers={"authorization": f"Bearer {other.key}"}).json()[
                "name"
            ]
            == "sticker"
        )
        _ = 1 / 0

    for gone in (server, other):
        with pytest.raises(httpx.ConnectError):
            httpx.get(gone.base_url)
    assert logging.getLogger("uvicorn.error").filters == filters


def test_both_eras(running: dict[str, DifyServer], client: nbkit.Client) -> None:
    """The server is like the Dify that it is asked to be."""
    assert client.dify().info()["version"].startswith("1.13")
    old = running["0.6"]
    headers = {"authorization": f"Bearer {old.key}"}
    assert httpx.get(f"{old.base_url}/info", headers=headers).headers["x-version"].startswith("0.6")


def test_what_it_needs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the libraries of the local server the error names what to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "nbkit.server.host")
    with (
        pytest.raises(ServerError, match=r"(?s)needs uvicorn.*pip install 'nbkit-media\[local\]'"),
        DifyServer(),
    ):
        pass
