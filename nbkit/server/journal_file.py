"""Opening the journal's file: locked, checked, and brought to the tables of today by numbered steps."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING

from nbkit.errors import ServerError
from nbkit.server import logs

if TYPE_CHECKING:
    from pathlib import Path

_WAL_BYTES = 64 * 2**20  # what is left of the write-ahead log once its contents have moved on
_PATIENCE = 1.5  # seconds; a server that is just ending may still hold the file

_MIGRATIONS = (
    """
    CREATE TABLE requests (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, endpoint TEXT NOT NULL, app TEXT NOT NULL,
        stand_in TEXT NOT NULL, priority INTEGER NOT NULL, options TEXT NOT NULL, webhook TEXT,
        submitted REAL NOT NULL, starts INTEGER NOT NULL, ended REAL, expires REAL, seconds REAL,
        logs TEXT, status INTEGER, headers TEXT, body BLOB
    );
    CREATE INDEX requests_expires ON requests (expires) WHERE expires IS NOT NULL;
    CREATE TABLE inputs (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
    """,
)
"""The steps from an empty file to the tables of today; a file knows how many it has taken (`user_version`)."""


def open_journal(path: Path) -> sqlite3.Connection:
    """Open the file, for this process alone; one that is damaged is put aside, and a new one begun.

    Raises:
        ServerError: Another server uses it, it cannot be written, or a newer nbkit wrote it.
    """
    try:
        try:
            return _connected(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # what is wrong is the place, not the file
                raise
            aside = path.with_name(f"{path.name}.damaged-{time.time():.0f}")
            for suffix in ("", "-wal", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
            words = (
                f"{path} is damaged ({error}); it is {aside.name} now, and the requests in it are not known"
            )
            logs.warn("journal_damaged", words)
            return _connected(path)
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error):
            raise ServerError(
                f"another nbkit server uses {path.parent}",
                hint="stop it, or choose another folder with --data-dir",
            ) from error
        raise ServerError(
            f"cannot write {path}: {error}", hint="make room there, or choose another folder with --data-dir"
        ) from error


def _connected(path: Path) -> sqlite3.Connection:
    # Python's own opening of transactions is off: batches say where they begin and end.
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive: nobody else comes in, and there is no memory shared through a file that a full disk could break.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
        # Writing takes the lock, and shows now whether the place can be written.
        connection.execute("BEGIN EXCLUSIVE")
        _migrate(connection, path)
        _check(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict.replace("\n", " "))


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (taken,) = connection.execute("PRAGMA user_version").fetchone()
    if taken > len(_MIGRATIONS):
        raise ServerError(
            f"{path} was written by a newer nbkit", hint="update nbkit, or choose another --data-dir"
        )
    for step in _MIGRATIONS[taken:]:
        for statement in filter(str.strip, step.split(";")):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={len(_MIGRATIONS)}")


def in_use(path: Path) -> bool:
    """Whether a server has this file open."""
    if not path.exists():
        return False
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            return "locked" in str(error)
        except sqlite3.DatabaseError:  # damaged, and nobody's
            return False
        return False
