"""The one thread of a process that writes the history, so that no loop ever waits for the disk.

It takes together whatever has come since it wrote last. What a future has told is safe from the end of this
process, however that ends (write-ahead log, `synchronous=NORMAL`); after a power cut the last moments may be
missing, and nothing is torn. What cannot be written now is kept in memory and tried again.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import sqlite3
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConfigError, MediaError
from nbkit.history.database import is_damaged, open_for_writing, set_aside, unreadable
from nbkit.history.files import FileStore
from nbkit.history.rows import event_row, file_row, run_row

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from nbkit.model.event import Event
    from nbkit.model.media import Media

_AT_ONCE = 500
_MOST_OWED = 5000
_RETRY = 1.0
_EXIT_GRACE = 2.0


@dataclass(eq=False, slots=True, weakref_slot=True)
class Entry:
    """One run on its way into the file.

    Attributes:
        path: The file.
        known: Where files stand in its input, and their SHA-256.
        adopts: The service's id of a run that may stand in the file already, else an empty string.
        values: Its first columns.
        is_new: Whether no file can have its row yet.
    """

    path: Path
    known: dict[str, str] = field(default_factory=dict)
    adopts: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    is_new: bool = True


@dataclass(eq=False, slots=True)
class Change:
    """What became known of a run.

    Attributes:
        entry: Which one.
        values: Columns.
        events: What happened.
        files: Files with their roles.
        waiting: Done once this is written.
    """

    entry: Entry
    values: dict[str, Any] = field(default_factory=dict)
    events: Sequence[Event] = ()
    files: Sequence[tuple[str, Media]] = ()
    waiting: asyncio.Future[None] | None = None


def _keep_promises(changes: Iterable[Change]) -> None:
    """Tell whoever waits; each loop is woken once."""
    waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for change in changes:
        if change.waiting:
            waiting.setdefault(change.waiting.get_loop(), []).append(change.waiting)
    for loop, futures in waiting.items():
        with contextlib.suppress(RuntimeError):  # the loop has gone, and with it whoever waited
            loop.call_soon_threadsafe(_settle, futures)


def _settle(futures: Iterable[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class Writer:
    """The thread, and what it still has to write."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._changes: queue.SimpleQueue[Change | threading.Event | None] = queue.SimpleQueue()
        self._owed: list[Change] = []
        self._connection: sqlite3.Connection | None = None
        self._path: Path | None = None
        self._places: weakref.WeakKeyDictionary[Entry, int] = weakref.WeakKeyDictionary()
        self._told: set[str] = set()
        self._trouble: list[str] = []
        self.is_behind = False
        self._thread = threading.Thread(target=self._work, name="nbkit-history", daemon=True)
        self._thread.start()

    def put(self, change: Change) -> None:
        """Have something written; returns at once."""
        self._changes.put(change)

    def flush(self, timeout: float) -> None:
        """Wait until everything that came before is written or has failed."""
        done = threading.Event()
        self._changes.put(done)
        done.wait(timeout)

    def close(self) -> None:
        """Write what is left, in bounded time, and end."""
        if self.pid == os.getpid():
            self._changes.put(None)
            self._thread.join(_EXIT_GRACE)

    def troubles(self) -> list[str]:
        """What the user has not been told yet."""
        found, self._trouble = self._trouble, []
        return found

    def report_delay(self, path: Path, seconds: float) -> None:
        """Note that a run went on without waiting any longer."""
        self._tell(
            f"the history {path} could not be written within {seconds:g} s, so the run goes on without waiting\n"
            "  → another program may hold the file, or its disk be slow; what is missing is written later"
        )

    def _work(self) -> None:
        open_ = True
        while open_:
            batch, waiting, open_ = self._next()
            todo, self._owed = self._owed + batch, []
            for group in self._groups(todo):
                self._write(group[0].entry.path, group)
            self.is_behind = bool(self._owed)
            _keep_promises(batch)
            for done in waiting:
                done.set()
        self._disconnect()

    def _next(self) -> tuple[list[Change], list[threading.Event], bool]:
        batch: list[Change] = []
        waiting: list[threading.Event] = []
        try:
            order = self._changes.get(timeout=_RETRY if self._owed else None)
            while order is not None:
                batch.append(order) if isinstance(order, Change) else waiting.append(order)
                if len(batch) >= _AT_ONCE:
                    return batch, waiting, True
                order = self._changes.get_nowait()
        except queue.Empty:
            return batch, waiting, True
        return batch, waiting, False

    def _groups(self, changes: Sequence[Change]) -> list[list[Change]]:
        """Changes that can be written in one transaction; the row that a run adopts may be written just before it."""
        groups: list[list[Change]] = []
        for change in changes:
            entry = change.entry
            if not groups or groups[-1][0].entry.path != entry.path or self._may_adopt(entry):
                groups.append([])
            groups[-1].append(change)
        return groups

    def _may_adopt(self, entry: Entry) -> bool:
        return bool(entry.adopts) and entry not in self._places

    def _write(self, path: Path, changes: list[Change]) -> None:
        """Write changes in one transaction; where one of them is at fault, each in its own."""
        try:
            self._perform(path, changes)
        except ConfigError as error:  # a newer nbkit's file, which is never written
            self._tell(str(error))
        except (sqlite3.OperationalError, OSError, MediaError) as error:
            # A full disk, a lock, a folder that cannot be written: none of it the changes' fault.
            self._disconnect()
            self._owed = (self._owed + changes)[-_MOST_OWED:]
            self._tell(str(unreadable(path, error)))
        except Exception as error:  # noqa: BLE001 - the thread must go on, and the run must not notice
            self._disconnect()
            if isinstance(error, sqlite3.DatabaseError) and is_damaged(error):
                self._begin_anew(path, changes, error)
            elif len(changes) > 1:
                for change in changes:
                    self._write(path, [change])
            else:
                what = f"{type(error).__name__}: {error}"
                self._tell(f"something of a run is missing in the history {path}: {what}")

    def _begin_anew(self, path: Path, changes: list[Change], error: sqlite3.Error) -> None:
        try:
            aside = set_aside(path)
        except OSError as hindrance:
            self._tell(str(unreadable(path, hindrance)))
            return
        if aside:
            self._tell(
                f"the history {path} was damaged ({error}); it is {aside.name} now, and a new one is begun\n"
                "  → `sqlite3 FILE .recover` may save what is in it"
            )
        try:
            self._perform(path, changes)
        except Exception as again:  # noqa: BLE001 - as above
            self._disconnect()
            self._tell(str(unreadable(path, again)))

    def _perform(self, path: Path, changes: list[Change]) -> None:
        store, connection = FileStore(path.parent / "files"), self._connected(path)
        new = self._unknown(connection, changes)
        rows = [run_row(values, entry.known, store) for entry, values in _columns(changes, new)]
        bodies = [event_row(change.events) if change.events else "" for change in changes]
        placed: dict[Entry, int] = {}
        connection.execute("BEGIN IMMEDIATE")
        try:
            for change, row, body in zip(changes, rows, bodies, strict=True):
                entry = change.entry
                seq = self._places.get(entry) or placed.get(entry)
                if seq is None:
                    seq = placed[entry] = _insert(connection, row)
                elif row:
                    _update(connection, seq, row)
                if body:
                    connection.execute("INSERT INTO events (run, body) VALUES (?, ?)", (seq, body))
                for role, media in change.files:
                    connection.execute(_FILE, (seq, *file_row(media, role, store)))
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # some failures have rolled it back already
                connection.execute("ROLLBACK")
            raise
        self._places.update(placed)

    def _unknown(self, connection: sqlite3.Connection, changes: Sequence[Change]) -> set[Entry]:
        """The runs that have no row yet; the others' are looked up where this connection has not seen them."""
        new: set[Entry] = set()
        for entry in dict.fromkeys(change.entry for change in changes):
            if entry not in self._places:
                if seq := _find(connection, entry):
                    self._places[entry] = seq
                else:
                    new.add(entry)
                entry.is_new = False
        return new

    def _connected(self, path: Path) -> sqlite3.Connection:
        if self._connection is None or self._path != path or not path.exists():
            self._disconnect()
            self._connection, self._path = open_for_writing(path), path
            self._places.clear()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _tell(self, trouble: str) -> None:
        if trouble not in self._told:
            self._told.add(trouble)
            self._trouble.append(trouble)


_FILE = (
    "INSERT INTO files (run, role, place, sha256, path, url, content_type, file_name, size, width, height, problem)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def _columns(changes: Sequence[Change], new: set[Entry]) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """What each change writes; the first one of a run without a row writes all that is known of it."""
    for change in changes:
        entry = change.entry
        yield entry, entry.values | change.values if entry in new else change.values
        new.discard(entry)


def _find(connection: sqlite3.Connection, entry: Entry) -> int | None:
    """Its row, where it has one: its file may be another than before, or it may be followed for the second time."""
    if entry.adopts:
        query = "SELECT seq FROM runs WHERE request_id = ? AND endpoint = ? ORDER BY seq DESC LIMIT 1"
        found = connection.execute(query, (entry.adopts, entry.values["endpoint"])).fetchone()
    elif entry.is_new:
        return None
    else:
        found = connection.execute("SELECT seq FROM runs WHERE id = ?", (entry.values["id"],)).fetchone()
    return int(found[0]) if found else None


def _insert(connection: sqlite3.Connection, row: dict[str, Any]) -> int:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    query = f"INSERT INTO runs ({names}) VALUES ({marks})"  # noqa: S608 - our own names
    return int(connection.execute(query, tuple(row.values())).lastrowid or 0)


def _update(connection: sqlite3.Connection, seq: int, row: dict[str, Any]) -> None:
    # What ended well stays so, whoever asks after it later and gets no answer.
    names = ", ".join(f"{name} = ?" for name in row)
    query = f"UPDATE runs SET {names} WHERE seq = ? AND state != 'succeeded'"  # noqa: S608 - our own names
    connection.execute(query, (*row.values(), seq))


_lock = threading.Lock()
_current: Writer | None = None


def writer() -> Writer:
    """The writer of this process, started at first use and made anew after a fork."""
    global _current  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = Writer()
            atexit.register(_current.close)
        return _current


def flush(timeout: float = 1.0) -> None:
    """Have what this process knows of its runs written, so that it is found."""
    if _current is not None and _current.pid == os.getpid():
        _current.flush(timeout)


def _forget() -> None:
    """A child process has no thread of its parent's, and maybe a lock that nobody will release."""
    global _current, _lock
    _current, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
