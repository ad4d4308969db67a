from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import nbkit
from nbkit.client import conduct
from nbkit.providers import dify
from nbkit.providers.dify_patience import Patience
from nbkit.testing import DifyServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running() -> Iterator[dict[str, DifyServer]]:
    """A server of each era."""
    with DifyServer(version="0.6") as old, DifyServer() as new:
        yield {"0.6": old, "1.13": new}


@pytest.fixture
def server(running: dict[str, DifyServer]) -> Iterator[DifyServer]:
    """A server of today that does nothing wrong so far, and was asked nothing."""
    yield from _fresh(running["1.13"])


@pytest.fixture
def old_server(running: dict[str, DifyServer]) -> Iterator[DifyServer]:
    """The same of 2024."""
    yield from _fresh(running["0.6"])


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[nbkit.Client]:
    """A client that waits for a server as long as a test can bear."""
    short = Patience(
        first_event=1.0, silence=3.0, blocking=5.0, followed=5.0, forgetful=0.5, quickest=0.05, slowest=0.1
    )
    monkeypatch.setattr(dify, "PATIENCE", short)
    monkeypatch.setattr(conduct, "_CANCEL_GRACE", 2.0)
    with nbkit.Client(user="u1") as client:
        yield client


@pytest.fixture(autouse=True)
def _connected(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, running: dict[str, DifyServer]
) -> None:
    """The default app is that of the server which a test names."""
    chosen = running["0.6" if "old_server" in request.fixturenames else "1.13"]
    monkeypatch.setenv("DIFY_BASE_URL", chosen.base_url)
    monkeypatch.setenv("DIFY_API_KEY", chosen.key)


def _fresh(server: DifyServer) -> Iterator[DifyServer]:
    server.faults.clear()
    server.calls.clear()
    yield server
    server.faults.clear()
