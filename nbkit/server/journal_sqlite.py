"""The journal in one SQLite file of this server's own.

What a call's future has told is safe from the end of this process, however that ends (write-ahead log,
`synchronous=NORMAL`); after a power cut the last moments may be missing, and nothing is torn.

The file is locked for as long as the server runs, which keeps a second server out of the same folder.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from nbkit.server.journal import COLUMNS, Entry, Journal, JournalFailed, Order, tell
from nbkit.server.journal_file import open_journal

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

FILE = "journal.sqlite"


class SqliteJournal(Journal[sqlite3.Connection]):
    """The file, and the thread that reads and writes it.

    Args:
        folder: Where the file is, or shall be.

    Raises:
        ServerError: Another server uses the folder, it cannot be written, or a newer nbkit wrote the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._connection = open_journal(self.path)
        super().__init__(str(self.path))

    async def given(self, request_id: str) -> bytes:
        """The input of a request that has not ended."""

        def read(connection: sqlite3.Connection) -> Any:
            found = connection.execute("SELECT body FROM inputs WHERE id = ?", (request_id,)).fetchone()
            return found and found[0]

        body: bytes | None = await self.order(read)
        if body is None:
            raise JournalFailed(f"the input of request {request_id} is not in {self.place}")
        return body

    async def ended(self, request_id: str) -> Entry | None:
        """A request that has ended and whose time is not over; None where there is none."""
        known = f"SELECT {COLUMNS} FROM requests WHERE id = ? AND expires > ?"  # noqa: S608 - our own words

        def read(connection: sqlite3.Connection) -> Entry | None:
            found = connection.execute(known, (request_id, time.time())).fetchone()
            return found and Entry(*found)

        found: Entry | None = await self.order(read)
        return found

    async def named(self, name: str) -> list[tuple[str, str, float, str]]:
        """The id, endpoint, time and user of each request that its caller gave a name."""
        query = (
            "SELECT id, endpoint, submitted, coalesce(json_extract(options, '$.user'), '') FROM requests"
            " WHERE json_extract(options, '$.caller_name') = ? ORDER BY seq"
        )
        found: list[tuple[str, str, float, str]] = await self.order(
            lambda connection: connection.execute(query, (name,)).fetchall()
        )
        return found

    async def unfinished(self) -> list[Entry]:
        """The requests that have not ended, or whose end has still to be told, in the order in which they came."""
        waiting = f"SELECT {COLUMNS} FROM requests WHERE ended IS NULL OR webhook IS NOT NULL ORDER BY seq"  # noqa: S608

        def read(connection: sqlite3.Connection) -> list[Entry]:
            return [Entry(*row) for row in connection.execute(waiting)]

        found: list[Entry] = await self.order(read)
        return found

    async def last(self) -> int:
        """The highest `seq` so far."""
        found: tuple[int] = await self.order(
            lambda connection: connection.execute("SELECT coalesce(max(seq), 0) FROM requests").fetchone()
        )
        return found[0]

    def forget(self, *, runs: int, size: int) -> asyncio.Future[Any]:
        """Drop results whose time is over, then the oldest until no more are left than there may be."""
        return self.order(lambda connection: _forget(connection, runs, size))

    def perform(self, orders: list[Order[sqlite3.Connection]]) -> None:
        """Perform a batch in one transaction; where that fails, each of it in its own."""
        tell(orders, self._attempted(orders))

    def let_go(self) -> None:
        """Close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _attempted(self, orders: list[Order[sqlite3.Connection]]) -> list[Any]:
        try:
            return self._performed(orders)
        except sqlite3.Error as error:
            if len(orders) == 1:
                return [JournalFailed(f"{self.place} cannot be written: {error}")]
            return [result for order in orders for result in self._attempted([order])]

    def _performed(self, batch: list[Order[sqlite3.Connection]]) -> list[Any]:
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


def _write(connection: sqlite3.Connection, batch: list[Order[sqlite3.Connection]]) -> None:
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
