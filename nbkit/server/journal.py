"""What the server has to remember when it is gone: requests of the queue, their inputs and results, in one SQLite file.

One thread does all of it, so that the loop never waits for the disk. It takes together whatever has come since it
wrote last, so that a thousand requests a second are some hundred transactions. What a call's future has told is
safe from the end of this process, however that ends (write-ahead log, `synchronous=NORMAL`); after a power cut the
last moments may be missing, and nothing is torn.

The file is locked for as long as the server runs, which keeps a second server out of the same folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from nbkit.errors import ServerError
from nbkit.server.journal_file import open_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = "journal.sqlite"
_AT_ONCE = 500  # orders; a batch of large inputs holds fewer, see `_BATCH_BYTES`
_BATCH_BYTES = 32 * 2**20


class JournalFailed(ServerError):
    """Something could not be written down, or not be read again."""


class Entry(NamedTuple):
    """One request, as a row of its table.

    Attributes:
        seq: Its place in the order in which requests came.
        id: The request id.
        endpoint: What was called, with its sub-path.
        app: The same without it.
        stand_in: The local model that answers, an empty string where the endpoint is nbkit's own.
        priority: 1 normal, 2 low.
        options: What else its caller asked for, as JSON.
        webhook: Whom its end has still to be told, as JSON.
        submitted: When it came, in seconds since 1970.
        starts: How many times it was begun.
        ended: When it ended, in seconds since 1970.
        expires: When its result may be forgotten, in seconds since 1970.
        seconds: How long it was computed.
        logs: Its log entries, as JSON.
        status: HTTP status of its result.
        headers: Headers of its result, as JSON.
        body: Its result.
    """

    seq: int
    id: str
    endpoint: str
    app: str
    stand_in: str
    priority: int
    options: str
    webhook: str | None
    submitted: float
    starts: int = 0
    ended: float | None = None
    expires: float | None = None
    seconds: float | None = None
    logs: str | None = None
    status: int | None = None
    headers: str | None = None
    body: bytes | None = None


_COLUMNS = ", ".join(Entry._fields)


class Journal:
    """The file, and the thread that reads and writes it.

    Args:
        folder: Where the file is, or shall be.

    Raises:
        ServerError: Another server uses the folder, it cannot be written, or a newer nbkit wrote the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._connection = open_journal(self.path)
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="nbkit-journal", daemon=True)
        self._thread.start()

    def write(self, entry: Entry, given: bytes | None = None) -> asyncio.Future[Any]:
        """Write a request down as it is now, in place of what was known of it; its input goes once it has ended.

        Args:
            entry: The request.
            given: Its input as it came; None where it was written before.

        Returns:
            Done once it is safe, or failed with `JournalFailed`.
        """
        return self._order(None, entry, given)

    async def given(self, request_id: str) -> bytes:
        """The input of a request that has not ended.

        Raises:
            JournalFailed: It cannot be read.
        """

        def read(connection: sqlite3.Connection) -> Any:
            found = connection.execute("SELECT body FROM inputs WHERE id = ?", (request_id,)).fetchone()
            return found and found[0]

        body: bytes | None = await self._order(read)
        if body is None:
            raise JournalFailed(f"the input of request {request_id} is not in {self.path}")
        return body

    async def ended(self, request_id: str) -> Entry | None:
        """A request that has ended and whose time is not over; None where there is none.

        Raises:
            JournalFailed: It cannot be read.
        """
        known = f"SELECT {_COLUMNS} FROM requests WHERE id = ? AND expires > ?"  # noqa: S608 - our own words

        def read(connection: sqlite3.Connection) -> Entry | None:
            found = connection.execute(known, (request_id, time.time())).fetchone()
            return found and Entry(*found)

        found: Entry | None = await self._order(read)
        return found

    async def named(self, name: str) -> list[tuple[str, str, float]]:
        """The id, endpoint and time of each request that its caller gave a name.

        Raises:
            JournalFailed: They cannot be read.
        """
        query = (
            "SELECT id, endpoint, submitted FROM requests"
            " WHERE json_extract(options, '$.caller_name') = ? ORDER BY seq"
        )
        found: list[tuple[str, str, float]] = await self._order(
            lambda connection: connection.execute(query, (name,)).fetchall()
        )
        return found

    async def unfinished(self) -> list[Entry]:
        """The requests that have not ended, or whose end has still to be told, in the order in which they came.

        Raises:
            JournalFailed: They cannot be read.
        """
        waiting = f"SELECT {_COLUMNS} FROM requests WHERE ended IS NULL OR webhook IS NOT NULL ORDER BY seq"  # noqa: S608

        def read(connection: sqlite3.Connection) -> list[Entry]:
            return [Entry(*row) for row in connection.execute(waiting)]

        found: list[Entry] = await self._order(read)
        return found

    async def last(self) -> int:
        """The highest `seq` so far."""
        found: tuple[int] = await self._order(
            lambda connection: connection.execute("SELECT coalesce(max(seq), 0) FROM requests").fetchone()
        )
        return found[0]

    def forget(self, *, runs: int, size: int) -> asyncio.Future[Any]:
        """Drop results whose time is over, then the oldest until no more are left than there may be.

        Args:
            runs: How many may be left.
            size: How many bytes their bodies may have together.
        """
        return self._order(lambda connection: _forget(connection, runs, size))

    async def close(self) -> None:
        """Write what has come, and let the file go; safe to call twice."""
        self._closed = True
        self._orders.put(None)
        await asyncio.to_thread(self._thread.join)

    def _order(
        self,
        call: Callable[[sqlite3.Connection], Any] | None,
        entry: Entry | None = None,
        given: bytes | None = None,
    ) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        if self._closed:
            raise JournalFailed(f"{self.path} is closed, because the server ends")
        order = _Order(loop, loop.create_future(), call, entry, given)
        # Whoever does not wait is not told by a warning either: trouble was said where it was found.
        order.future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._orders.put(order)
        return order.future

    def _work(self) -> None:
        """Write batch after batch until told to end."""
        open_ = True
        while open_:
            batch, size = [], 0
            order = self._orders.get()
            while order is not None:
                batch.append(order)
                size += len(order.given or b"")
                if len(batch) >= _AT_ONCE or size >= _BATCH_BYTES or self._orders.empty():
                    break
                order = self._orders.get()
            open_ = order is not None
            self._tell(batch)
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _tell(self, batch: list[_Order]) -> None:
        """Perform a batch in one transaction; where that fails, each of it in its own."""
        if not batch:
            return
        try:
            results: list[Any] = self._performed(batch)
        except sqlite3.Error:
            results = []
            for order in batch:
                try:
                    results += self._performed([order])
                except sqlite3.Error as error:
                    results.append(JournalFailed(f"{self.path} cannot be written: {error}"))
        with contextlib.suppress(RuntimeError):  # the loop has gone, and with it all who waited
            batch[0].loop.call_soon_threadsafe(_deliver, batch, results)

    def _performed(self, batch: list[_Order]) -> list[Any]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            _write(connection, batch)
            results = [order.call(connection) if order.call else None for order in batch]
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # some failures have rolled it back already
                connection.execute("ROLLBACK")
            raise
        return results


class _Order(NamedTuple):
    """Something to do, and the future that tells when it is done."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    call: Callable[[sqlite3.Connection], Any] | None
    entry: Entry | None
    given: bytes | None


def _deliver(batch: list[_Order], results: list[Any]) -> None:
    for order, result in zip(batch, results, strict=True):
        if order.future.done():
            continue
        if isinstance(result, JournalFailed):
            order.future.set_exception(result)
        else:
            order.future.set_result(result)


def _write(connection: sqlite3.Connection, batch: list[_Order]) -> None:
    """Write all requests of a batch by one statement each for rows, inputs and inputs to drop.

    Each statement lets go of Python's lock and has to get it back from a busy loop, so there are few of them.
    """
    entries = {order.entry.id: order.entry for order in batch if order.entry}  # the last word on each
    ended = [entry.id for entry in entries.values() if entry.ended is not None]
    inputs = [(order.entry.id, order.given) for order in batch if order.entry and order.given is not None]
    _insert(connection, "requests", list(entries.values()))
    _insert(connection, "inputs", [pair for pair in inputs if entries[pair[0]].ended is None])
    if ended:
        marks = ",".join("?" * len(ended))
        connection.execute(f"DELETE FROM inputs WHERE id IN ({marks})", ended)  # noqa: S608 - question marks


def _insert(connection: sqlite3.Connection, table: str, rows: list[Any]) -> None:
    if rows:
        row = f"({','.join('?' * len(rows[0]))})"
        values = [value for row in rows for value in row]
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES {','.join([row] * len(rows))}", values)  # noqa: S608


def _forget(connection: sqlite3.Connection, runs: int, size: int) -> None:
    connection.execute("DELETE FROM requests WHERE expires <= ?", (time.time(),))
    newest = connection.execute(
        "SELECT seq, length(body) FROM requests WHERE ended IS NOT NULL ORDER BY ended DESC, seq DESC"
    )
    kept, total, gone = 0, 0, []
    for seq, length in newest:
        kept, total = kept + 1, total + length
        if kept > runs or total > size:
            gone.append((seq,))
    connection.executemany("DELETE FROM requests WHERE seq = ?", gone)
    connection.execute("PRAGMA incremental_vacuum")
