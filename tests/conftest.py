from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep keys, proxies and settings of whoever runs the tests out of them."""
    for name in os.environ:
        if name.startswith(("FAL_", "DIFY_", "NBKIT_")) and name != "NBKIT_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("NBKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NBKIT_KEYS", "environment")


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A service that does exactly what a test tells it to."""
    with ScriptedServer() as server:
        yield server
