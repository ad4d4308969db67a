from __future__ import annotations

import pytest

from nbkit.transport import retry


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait between attempts as long as a test can bear."""
    monkeypatch.setattr(retry, "_FIRST_DELAY", 0.01)
