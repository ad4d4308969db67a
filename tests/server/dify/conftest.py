"""Servers of both eras, and callers with the key of each app."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.server.conftest import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbkit.server.host import Host

ERAS = ("0.6", "1.13")


class Caller:
    """Calls one app of a server as any client does."""

    def __init__(self, url: str, app: str) -> None:
        self.url = url
        self.http = httpx.Client(
            base_url=f"{url}/v1", headers={"authorization": f"Bearer app-local-{app}"}, timeout=60
        )

    def run(self, inputs: Any, mode: str = "blocking", **rest: Any) -> httpx.Response:
        """Run the workflow."""
        body = {"inputs": inputs, "response_mode": mode, "user": "u1", **rest}
        return self.http.post("/workflows/run", json=body)


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    """A server of each era, in this process."""
    with (
        running(data_dir=tmp_path_factory.mktemp("early"), dify_version="0.6", dify_ping=0.3) as early,
        running(data_dir=tmp_path_factory.mktemp("late"), dify_ping=0.3) as late,
    ):
        yield {"0.6": early, "1.13": late}


@contextmanager
def callers(hosts: dict[str, Host], app: str) -> Iterator[dict[str, Caller]]:
    """A caller of an app for each era."""
    made = {era: Caller(host.url, app) for era, host in hosts.items()}
    yield made
    for caller in made.values():
        caller.http.close()


@pytest.fixture
def pictures(hosts: dict[str, Host]) -> Iterator[dict[str, Caller]]:
    """The app `text-to-image` of each era."""
    with callers(hosts, "text-to-image") as made:
        yield made


@pytest.fixture
def stickers(hosts: dict[str, Host]) -> Iterator[dict[str, Caller]]:
    """The app `sticker` of each era."""
    with callers(hosts, "sticker") as made:
        yield made
