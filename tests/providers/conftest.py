from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbkit.credentials import Key
from nbkit.providers.fal import FalService
from nbkit.transport import retry
from nbkit.wire.fal.addresses import Hosts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.scripted_server import ScriptedServer


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait between attempts as long as a test can bear."""
    monkeypatch.setattr(retry, "_FIRST_DELAY", 0.01)


@pytest.fixture
async def service(scripted: ScriptedServer) -> AsyncIterator[FalService]:
    """A client's side of the scripted server, with a key."""
    service = FalService(Hosts.of_origin(scripted.origin), Key("SECRET-xyz", "key="))
    yield service
    await service.transport.close()
