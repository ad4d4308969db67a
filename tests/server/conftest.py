"""Servers to try: one as its user starts it, and one in this process with faulty models."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit.server.catalogue import Catalogue, Entry
from nbkit.server.endpoints import own_endpoints
from nbkit.server.host import Host
from nbkit.server.settings import Settings
from tests.killable_server import Killable
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
ANY = {"type": "object", "title": "Any", "properties": {}}
SECONDS = {
    "type": "object",
    "title": "Seconds",
    "properties": {"seconds": {"type": "number", "minimum": 0, "maximum": 100, "default": 0.2}},
}
STEPS = {"type": "object", "title": "Steps", "properties": {"steps": {"type": "integer", "default": 3}}}
LAB = {
    "echo": ANY,
    "meet": ANY,
    "leave": ANY,
    "crash": ANY,
    "fail": ANY,
    "process": ANY,
    "mark": ANY,
    "tell": STEPS,
} | {
    "wait": SECONDS,
    "stubborn": SECONDS,
    "compute": SECONDS,
}


def lab_catalogue() -> Catalogue:
    """The server's own endpoints, and `lab/…`."""
    lab = [
        Entry(
            id=f"lab/{name}",
            title=name,
            description=name,
            category="test",
            input=schema,
            output=ANY,
            model=f"lab_models:{name}",
        )
        for name, schema in LAB.items()
    ]
    return Catalogue([*own_endpoints(), *lab])


@contextmanager
def running(**settings: Any) -> Iterator[Host]:
    """A server in this process, on a thread."""
    host = Host(
        Settings(**{"port": 0, "workers": 2, "keep_alive": 0.2, "cancel_grace": 0.3} | settings),
        lab_catalogue(),
    )
    answering = threading.Event()
    thread = threading.Thread(target=host.run, args=(lambda _url: answering.set(),))
    thread.start()
    assert answering.wait(10)
    try:
        yield host
    finally:
        host.stop()
        thread.join(10)
        assert not thread.is_alive()


class CommandLine:
    """`nbkit serve` as a process of its own."""

    def __init__(self, *arguments: str, stdin: int = subprocess.DEVNULL, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nbkit", "serve", *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def url(self) -> str:
        """Its address, once it tells that it answers."""
        line = self.line()
        match = re.fullmatch(r"nbkit server listening on (http://\S+)", line)
        assert match, (line, self.process.poll())
        return match[1]

    def end(self) -> tuple[int, str]:
        """Its exit code, and what it wrote to standard error; it is ended where it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors


@pytest.fixture(scope="session", autouse=True)
def lab_models_can_be_found() -> Iterator[None]:
    """Worker processes find `lab_models` on their path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that its user started."""
    command = CommandLine(
        "--port", "0", "--workers", "2", "--data-dir", str(tmp_path_factory.mktemp("server"))
    )
    yield command.url()
    code, errors = command.end()
    assert (code, errors) == (0, "")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A server in this process, with faulty models besides its own."""
    with running(data_dir=tmp_path_factory.mktemp("lab")) as host:
        yield host


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Start another server in this process, with settings of its own."""
    open_hosts: list[Any] = []

    def begin(**settings: Any) -> Host:
        context = running(**{"data_dir": tmp_path / "data"} | settings)
        open_hosts.append(context)
        host: Host = context.__enter__()
        return host

    yield begin
    for context in open_hosts:
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def serve() -> type[CommandLine]:
    """Start the command line."""
    return CommandLine


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A plain HTTP client."""
    with httpx.Client(timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def finished(http: httpx.Client) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Wait for a submitted request, and give its last status."""

    def wait(ticket: dict[str, Any], seconds: float = 30) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = http.get(ticket["status_url"], params={"logs": 1})
            body: dict[str, Any] = answer.json()
            assert answer.status_code == (200 if body["status"] == "COMPLETED" else 202)
            if body["status"] == "COMPLETED":
                return body
            time.sleep(0.02)
        raise TimeoutError(ticket)

    return wait


@pytest.fixture
def until_running(http: httpx.Client) -> Callable[[dict[str, Any]], None]:
    """Wait until a submitted request is being computed."""

    def wait(ticket: dict[str, Any]) -> None:
        deadline = time.monotonic() + 20
        while http.get(ticket["status_url"]).json()["status"] != "IN_PROGRESS":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL, for all tests together."""
    running_one = Postgres()
    try:
        running_one.start()
        yield running_one
    finally:
        running_one.remove()


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The address of a database of the test's own."""
    return postgres.new()


@pytest.fixture
def begin(tmp_path: Path, database: str) -> Iterator[Callable[..., Killable]]:
    """Start servers of one database and one folder."""
    servers: list[Killable] = []

    def make(**settings: Any) -> Killable:
        server = Killable(tmp_path / "lab", **{"database": database} | settings)
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        if server.process is not None:
            server.process.send_signal(signal.SIGCONT)
            server.end()


@pytest.fixture
def pair(begin: Callable[..., Killable]) -> tuple[Killable, Killable]:
    """Two servers."""
    return begin(), begin()
