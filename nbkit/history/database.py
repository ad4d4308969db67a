"""Opening the history's file: brought to the tables of today by numbered steps, and set aside where it is damaged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING

from nbkit.config import data_dir
from nbkit.errors import ConfigError
from nbkit.history.migrations import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "history.sqlite"
_PATIENCE = 5.0  # seconds that the writing thread waits for another process; no run waits that long
_READING_PATIENCE = 2.0
_WAL_BYTES = 16 * 2**20  # what is left of the write-ahead log once its contents have moved on
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY = 0xFF  # SQLite's extended codes hold the plain one in their last byte


def history_path() -> Path:
    """Where the history is."""
    return data_dir() / FILE


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is not, or no longer, a database."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGED


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the file to write, made where there is none, with the tables of today.

    Raises:
        ConfigError: A newer nbkit wrote it.
        sqlite3.Error: It cannot be opened or written, or is damaged.
        OSError: Its folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Python's own opening of transactions is off: batches say where they begin and end.
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        if not _version(connection):
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_BYTES // 4096}")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    with contextlib.suppress(OSError):  # prompts are their owner's business
        path.chmod(0o600)
    return connection


@contextlib.contextmanager
def open_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file that is there, to read.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        connection = _readable(path)
        try:
            connection.row_factory = sqlite3.Row
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


@contextlib.contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction that changes what is there: all of it is done, or nothing.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        connection = open_for_writing(path)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # which takes back what is not committed
    except (sqlite3.Error, OSError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> ConfigError:
    """The error of a history that cannot be used."""
    if isinstance(error, sqlite3.Error) and is_damaged(error):
        hint = "the next run sets it aside and begins a new one"
    elif "locked" in str(error):
        hint = "another program holds it: try again, or end that program"
    else:
        hint = "look at the rights and the room of that folder, or set NBKIT_HOME to another one"
    return ConfigError(f"the history {path} cannot be used: {error}", hint=hint)


def set_aside(path: Path) -> Path | None:
    """Move a damaged file out of the way, never delete it; None where another process has done so."""
    try:
        with contextlib.closing(_readable(path)) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
                return None
    except sqlite3.Error as error:
        if not is_damaged(error):
            return None
    aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    return aside


def _readable(path: Path) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    connection = sqlite3.connect(
        f"{address}?mode=ro",
        uri=True,
        timeout=_READING_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if os.access(path.parent, os.W_OK):
            raise
        # Where nothing can be written, nobody else writes either, and the shared memory of readers cannot be made.
        return sqlite3.connect(
            f"{address}?immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == len(STEPS):
        return
    connection.execute("BEGIN IMMEDIATE")  # two kernels may open an old file at once
    taken = _version(connection)
    if taken > len(STEPS):
        connection.execute("ROLLBACK")
        raise ConfigError(
            f"the history {path} was written by a newer nbkit, so this one only reads it",
            hint="update nbkit, or set NBKIT_HOME to another folder",
        )
    for step in STEPS[taken:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={len(STEPS)}")
    connection.execute("COMMIT")
