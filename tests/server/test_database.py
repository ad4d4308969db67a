from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from nbkit.cli import main
from nbkit.errors import ConfigError, ServerError
from nbkit.server.database import open_database, reason
from nbkit.server.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Postgres

SECRET = "s3cr3t"


Refused = Callable[..., str]


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What `nbkit serve` says about a database that it cannot use."""

    def say(url: str, **environment: str) -> str:
        for name, value in ({"NBKIT_DATABASE_URL": url} | environment).items():
            monkeypatch.setenv(name, value)
        code = main(["serve", "--port", "0", "--data-dir", str(tmp_path / "data")])
        said, errors = capsys.readouterr()
        assert (code, said) == (1, "")
        assert len(errors.splitlines()) <= 2  # what is wrong, and what to do about it
        assert SECRET not in errors
        return errors

    return say


def test_a_server_that_is_not_there_is_one_line(refused: Refused) -> None:
    """At a port where nobody listens, without the password that stands in the address."""
    said = refused(f"postgresql://lab:{SECRET}@127.0.0.1:1/lab")

    assert said.startswith("nbkit serve: the database cannot be reached: ")
    assert "port 1" in said


def test_a_database_that_is_not_there_is_one_line(refused: Refused, postgres: Postgres) -> None:
    """The server's own words tell which."""
    assert 'database "nowhere" does not exist' in refused(postgres.url("nowhere"))


def test_a_wrong_password_is_one_line(refused: Refused, postgres: Postgres) -> None:
    """And is not repeated."""
    url = postgres.url("postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'another'")
    with postgres.asking("guarded"):
        said = refused(url.replace("lab@", f"guarded:{SECRET}@"))

    assert "password authentication failed" in said


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://lab:{SECRET}/x@host/lab",
        f"postgresql://lab@host/lab?{SECRET}=1",
        f"postgresql://lab:{SECRET}%zz@host/lab",
        f"mysql://lab:{SECRET}@host/lab",
        SECRET,
    ],
)
def test_an_address_that_is_none_is_one_line(refused: Refused, url: str) -> None:
    """It is not repeated, since some part of it may be the password."""
    said = refused(url)

    assert "--database" in said
    assert "postgresql://user@host:5432/name" in said or "cannot be reached" in said


def test_a_database_of_a_newer_nbkit_is_left_alone(refused: Refused, tmp_path: Path, database: str) -> None:
    """It may hold what this one does not understand."""
    open_database(database, tmp_path).close()
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE nbkit.steps SET taken = 99")

    assert "newer nbkit" in refused(database)


def test_a_database_that_cannot_be_written_is_refused_at_the_start(
    refused: Refused, tmp_path: Path, database: str
) -> None:
    """Rather than taking requests that would be lost; also where its tables are there already."""
    open_database(database, tmp_path).close()
    said = refused(database, PGOPTIONS="-c default_transaction_read_only=on")

    assert "read-only" in said


def test_a_user_who_may_make_nothing_is_told_so(refused: Refused, postgres: Postgres) -> None:
    """With what it needs."""
    url = postgres.new()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")

    assert "allowed to make a schema" in refused(url.replace("lab@", "guest@"))


def test_a_database_with_other_letters_is_refused(refused: Refused, postgres: Postgres) -> None:
    """Names and logs could not be kept in it."""
    url = postgres.new("ENCODING 'LATIN1'", "TEMPLATE template0")

    assert "needs UTF8" in refused(url)


def test_without_the_driver_the_extra_is_named(tmp_path: Path) -> None:
    """One sentence, not a traceback."""
    (tmp_path / "psycopg.py").write_text("raise ImportError('no driver')")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    ended = subprocess.run(
        [sys.executable, "-m", "nbkit", "serve", "--port", "0", "--database", "postgresql://lab@host/lab"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[0] == "nbkit serve: --database needs the package psycopg"
    assert "nbkit-media[postgres]" in ended.stderr


def test_folders_of_one_database_have_its_secrets(tmp_path: Path, database: str) -> None:
    """So every server knows what another has signed; a folder with secrets of its own is left alone."""
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    for folder in (first, second):
        open_database(database, folder).close()
    other.mkdir()
    (other / "webhook-key").write_bytes(bytes(32))
    kept = {path.name: path.read_bytes() for path in first.iterdir()}

    assert {path.name: path.read_bytes() for path in second.iterdir()} == kept
    assert {path.stat().st_mode & 0o777 for path in first.iterdir()} == {0o600}
    with pytest.raises(ServerError, match="webhook-key differs"):
        open_database(database, other)


def test_the_address_is_in_no_settings_that_are_shown() -> None:
    """Settings may end up in a log."""
    assert SECRET not in repr(Settings(database=f"postgresql://lab:{SECRET}@host/lab"))
    with pytest.raises(ConfigError) as raised:
        Settings(database=SECRET)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("words", ["", f"first {SECRET}\nsecond"])
def test_a_reason_is_one_line_without_the_password(words: str) -> None:
    """Whatever the driver says."""
    url: Any = f"postgresql://lab:{SECRET}@host/lab"

    assert reason(psycopg.OperationalError(words), url) in ("OperationalError", "first …")
