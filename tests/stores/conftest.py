from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from nbkit.stores.opening import open_store
from tests.ftp_server import ftp_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbkit.stores.store import Store
    from tests.ftp_server import Ftp


@pytest.fixture(scope="session")
def ftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ftp]:
    """A store on another machine, as far as anybody can tell."""
    with ftp_server(tmp_path_factory.mktemp("ftp")) as server:
        yield server


@pytest.fixture(params=["file", "memory", "ftp"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of each kind, empty."""
    name = uuid.uuid4().hex
    if request.param == "file":
        return open_store(f"file://{tmp_path}/{name}")
    if request.param == "memory":
        return open_store(f"memory://{name}")
    return open_store(f"{request.getfixturevalue('ftp').url}/{name}")
