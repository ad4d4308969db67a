"""A PostgreSQL of the tests' own: made in a folder that goes with it, on a socket in that folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
_SETTINGS = ("fsync=off", "listen_addresses=", "max_connections=60", "log_min_messages=fatal")


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, None where it is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    places = [path for place in _PLACES for path in Path("/").glob(place[1:]) if (path / "initdb").exists()]
    return max(places, default=None)


def needed() -> Path:
    """The same, for tests that cannot do without; where everything has to be there, they fail."""
    if found := programs():
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("PostgreSQL is not installed (make postgres)")
    pytest.skip("PostgreSQL is not installed (make postgres)")


class Postgres:
    """One, from its making to its end."""

    def __init__(self) -> None:
        self._programs = needed()
        self.folder = Path(tempfile.mkdtemp(prefix="nbkit-pg-"))
        self._user: str | None = None
        if os.geteuid() == 0:  # it refuses to run as root
            names = {entry.pw_name for entry in pwd.getpwall()}
            self._user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self.folder, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        made = self._begin(
            "initdb", "-D", "data", "-U", "lab", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )
        assert made.wait(60) == 0, (self.folder / "log").read_text()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [word for setting in _SETTINGS for word in ("-c", setting)]
        self._process = self._begin("postgres", "-D", "data", "-k", str(self.folder), *options)
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it; its clients lose their connections."""
        assert self._process
        self._process.send_signal(number)
        self._process.wait(30)

    def url(self, name: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://lab@/{name}?host={self.folder}"

    def new(self, *options: str) -> str:
        """The address of a new database."""
        name = f"lab_{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} {' '.join(options)}")
        return self.url(name)

    @contextmanager
    def asking(self, user: str) -> Iterator[None]:
        """Let it ask a user for a password meanwhile."""
        rules = self.folder / "data" / "pg_hba.conf"
        before = rules.read_text()
        for content in (f"local all {user} scram-sha-256\n{before}", before):
            rules.write_text(content)
            with psycopg.connect(self.url("postgres")) as connection:
                connection.execute("SELECT pg_reload_conf()")
            if content != before:
                yield

    def remove(self) -> None:
        """End it for good."""
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._programs / program, *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                group=self._user if self._user == "postgres" else None,
                extra_groups=[] if self._user else None,
            )
