from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import nbkit
from nbkit.client import conduct
from nbkit.providers import dify, fal
from nbkit.providers.dify_patience import Patience
from nbkit.transport import retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scripted_server import ScriptedServer

KEY = "SECRET-xyz"
DIFY_KEY = "app-SECRETSECRETSECRETSECRET"
BRIEFLY = Patience(
    first_event=1.0,
    silence=1.5,
    blocking=1.0,
    followed=3.0,
    forgetful=0.4,
    outage=0.8,
    quickest=0.02,
    slowest=0.1,
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as long as a test can bear."""
    monkeypatch.setattr(retry, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(fal, "_QUICKEST_POLL", 0.02)
    monkeypatch.setattr(fal, "_SLOWEST_POLL", 0.1)
    monkeypatch.setattr(fal, "_OUTAGE_NEAR", 0.2)
    monkeypatch.setattr(conduct, "_CANCEL_GRACE", 0.6)


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for Dify as long as a test can bear."""
    monkeypatch.setattr(dify, "PATIENCE", BRIEFLY)


@pytest.fixture
def client(scripted: ScriptedServer) -> Iterator[nbkit.Client]:
    """A client of the scripted server, with a key."""
    with nbkit.Client(key=KEY, base_url=scripted.origin) as client:
        yield client


@pytest.fixture
def dify_client(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[nbkit.Client]:
    """A client that is connected to the scripted server as to a Dify app, as its user would connect it."""
    monkeypatch.setenv("DIFY_BASE_URL", f"{scripted.origin}/v1")
    monkeypatch.setenv("DIFY_API_KEY", DIFY_KEY)
    with nbkit.Client(user="u1") as client:
        yield client
