from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import nbkit
from nbkit.client import conduct
from nbkit.providers import fal
from nbkit.transport import retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scripted_server import ScriptedServer

KEY = "SECRET-xyz"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as long as a test can bear."""
    monkeypatch.setattr(retry, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(fal, "_QUICKEST_POLL", 0.02)
    monkeypatch.setattr(fal, "_SLOWEST_POLL", 0.1)
    monkeypatch.setattr(fal, "_OUTAGE_NEAR", 0.2)
    monkeypatch.setattr(conduct, "_CANCEL_GRACE", 0.6)


@pytest.fixture
def client(scripted: ScriptedServer) -> Iterator[nbkit.Client]:
    """A client of the scripted server, with a key."""
    with nbkit.Client(key=KEY, base_url=scripted.origin) as client:
        yield client
