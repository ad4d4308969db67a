"""The journal in a PostgreSQL database that several servers share.

A request belongs to the server that wrote it down. Every change of it is made only as long as that is so, in the same
statement. A server whose connection ended goes on under a new number and takes along what is still its own; what
another has taken over meanwhile it learns, and lets go.

While the database is away, new requests are refused, and changes of those at work wait here until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import psycopg

from nbkit.server import postgres_rows as rows
from nbkit.server.database import connect, number_of, open_database, reason
from nbkit.server.journal import DatabaseAway, Entry, Journal, JournalFailed, Order, TakenOver, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from nbkit.server.postgres_rows import Elsewhere

Connection = psycopg.Connection[Any]
_RECONNECT_SECONDS = 0.5
_SETTLING_SECONDS = 5.0  # after an outage, until which everybody has come back for what is its own


class PostgresJournal(Journal[Connection]):
    """The tables, and the thread that reads and writes them.

    Args:
        url: Address of the database.
        folder: The server's folder, which gets the secrets that all servers share.
        silent_seconds: After how long without a word from this server others take over what is its own.

    Attributes:
        number: Under which this server owns requests now.
        watched: Requests of which other servers want to hear every change.
        on_lost: Called on the loop with the ids of requests that others have taken over.
        away: Why the database cannot be reached, an empty string while it can.

    Raises:
        ServerError: The database cannot be used.
    """

    is_shared = True

    def __init__(self, url: str, folder: Path, *, silent_seconds: float) -> None:
        self._url = url
        self._silent_seconds = silent_seconds
        self._connection = open_database(url, folder)
        self.number = number_of(self._connection, silent_seconds)
        self.watched: set[str] = set()
        self.on_lost: Callable[[set[str]], object] = lambda _ids: None
        self.away = ""
        self._own: set[str] = set()
        self._doubtful: set[str] = set()  # new ones that were refused, and may have been written after all
        self._postponed: list[Order[Connection]] = []
        self._reconnect_from = self._claims_from = 0.0
        super().__init__("the database")

    async def given(self, request_id: str) -> bytes:
        """The input of a request that has not ended; it is waited for while the database is away."""
        query = "SELECT body FROM inputs WHERE id = %s"
        while True:
            try:
                found = await self.order(
                    lambda connection: connection.execute(query, (request_id,)).fetchone()
                )
                break
            except DatabaseAway:
                await asyncio.sleep(_RECONNECT_SECONDS)
        if found is None:
            raise JournalFailed(f"the input of request {request_id} is not in {self.place}")
        body: bytes = found[0]
        return body

    async def ended(self, request_id: str) -> Entry | None:
        """A request that has ended and whose time is not over; None where there is none."""
        query = f"SELECT {rows.READ} FROM requests WHERE id = %s AND ended IS NOT NULL AND expires > %s"  # noqa: S608
        facts = (request_id, time.time())
        found = await self.order(lambda connection: connection.execute(query, facts).fetchone())
        return found and Entry(*found)

    async def named(self, name: str) -> list[tuple[str, str, float, str]]:
        """The id, endpoint, time and user of each request that its caller gave a name, whichever server took it."""
        if "\0" in name:  # PostgreSQL has no such text
            return []
        query = (
            "SELECT id, endpoint, submitted, coalesce(options ->> 'user', '') FROM requests"
            " WHERE options ->> 'caller_name' = %s"
            " ORDER BY submitted, seq"
        )
        found: list[tuple[str, str, float, str]] = await self.order(
            lambda connection: connection.execute(query, (name,)).fetchall()
        )
        return found

    async def unfinished(self) -> list[Entry]:
        """Take over what servers have left that are gone: not ended, or its end still to be told."""
        claimed: list[Entry] = await self.order(self._claim)
        return sorted(claimed, key=lambda entry: (entry.submitted, entry.seq))

    async def last(self) -> int:
        """The highest `seq` so far."""
        query = "SELECT coalesce(max(seq), 0) FROM requests"
        found: tuple[int] = await self.order(lambda connection: connection.execute(query).fetchone())
        return found[0]

    def forget(self, *, runs: int, size: int) -> asyncio.Future[Any]:
        """Drop results whose time is over, then the oldest until no more are left than there may be."""
        return self.order(lambda connection: rows.forget(connection, runs, size))

    async def elsewhere(self, request_ids: Iterable[str]) -> list[Elsewhere]:
        """Requests as they are now, whichever server they belong to.

        Raises:
            JournalFailed: They cannot be read.
        """
        ids = list(request_ids)
        found: list[Elsewhere] = await self.order(lambda connection: rows.elsewhere(connection, ids))
        return found

    async def show(self, states: list[tuple[str, int, str]]) -> None:
        """Show other servers how things stand with requests of this one.

        Args:
            states: Id, place in the queue, and log entries so far as JSON.

        Raises:
            JournalFailed: It cannot be written.
        """
        await self.order(lambda connection: rows.show(connection, self.number, states))

    async def ask(self, word: str, request_ids: Iterable[str]) -> None:
        """Ask the servers of requests for something: to `watch` them, or to `cancel` them.

        Raises:
            JournalFailed: It cannot be written.
        """
        ids = list(request_ids)

        def write(connection: Connection) -> None:
            if word == "cancel":  # remembered, in case that their server is just going
                query = "UPDATE requests SET cancel_asked = true WHERE id = ANY(%s) AND ended IS NULL"
                connection.execute(query, (ids,))
            rows.say(connection, word, ids)

        await self.order(write)

    async def cancels_asked(self) -> list[str]:
        """The requests of this server that others were asked to cancel.

        Raises:
            JournalFailed: They cannot be read.
        """
        query = "SELECT id FROM requests WHERE owner = %s AND cancel_asked AND ended IS NULL"
        found = await self.order(lambda connection: connection.execute(query, (self.number,)).fetchall())
        return [row[0] for row in found]

    def perform(self, orders: list[Order[Connection]]) -> None:
        """Do what was ordered, and what had to wait; changes of requests wait while the database is away."""
        orders, self._postponed = [*self._postponed, *orders], []
        for _ in ("as it is", "connected anew"):
            try:
                results = self._attempted(self._connected(orders[0].loop), orders)
            except psycopg.Error as error:
                self.away = reason(error, self._url)
                self._doubtful |= {order.entry.id for order in orders if order.entry and order.is_new}
            else:
                self._note(orders, results)
                tell(orders, results)
                return
        self._postponed = [order for order in orders if order.entry and not order.is_new]
        refused = [order for order in orders if order.call or order.is_new]
        tell(refused, [DatabaseAway(f"the database cannot be reached: {self.away}")] * len(refused))

    def let_go(self) -> None:
        """Tell the others that this server goes, and close the connection."""
        with contextlib.suppress(psycopg.Error):
            self._connection.execute("SELECT pg_advisory_unlock_all()")
            rows.say(self._connection, "gone", [str(self.number)])
        self._connection.close()

    def _connected(self, loop: asyncio.AbstractEventLoop) -> Connection:
        if not self._connection.closed:
            return self._connection
        if time.monotonic() < self._reconnect_from:
            raise psycopg.OperationalError(self.away)
        self._reconnect_from = time.monotonic() + _RECONNECT_SECONDS
        connection = connect(self._url)
        try:
            number = number_of(connection, self._silent_seconds)
            with connection.transaction():
                kept = rows.keep(connection, number, self.number, self._own, never=self._doubtful)
        except BaseException:
            connection.close()
            raise
        self._connection, self.number, self.away, self._doubtful = connection, number, "", set()
        self._claims_from = time.monotonic() + _SETTLING_SECONDS
        self._lose(self._own - kept, loop)
        return connection

    def _lose(self, ids: set[str], loop: asyncio.AbstractEventLoop) -> None:
        self._own -= ids
        if ids:
            with contextlib.suppress(RuntimeError):  # the loop has gone
                loop.call_soon_threadsafe(self.on_lost, ids)

    def _attempted(self, connection: Connection, orders: list[Order[Connection]]) -> list[Any]:
        """Perform a batch in one transaction; where that fails, each of it in its own.

        Raises:
            psycopg.Error: The connection has ended.
        """
        try:
            with connection.transaction():
                return self._performed(connection, orders)
        except psycopg.Error as error:
            if connection.closed:
                raise
            if len(orders) == 1:
                return [JournalFailed(f"{self.place} cannot be written: {reason(error)}")]
            return [result for order in orders for result in self._attempted(connection, [order])]

    def _performed(self, connection: Connection, orders: list[Order[Connection]]) -> list[Any]:
        given = {order.entry.id: order.given for order in orders if order.entry and order.is_new}
        entries = {order.entry.id: order.entry for order in orders if order.entry}  # the last word on each
        rows.insert(connection, self.number, [entries[id_] for id_ in given], given)
        changed = [entry for id_, entry in entries.items() if id_ not in given]
        written = set(given) | rows.update(connection, self.number, changed)
        rows.say(connection, "changed", written & self.watched)
        results: list[Any] = []
        for order in orders:
            if order.call:
                results.append(order.call(connection))
            elif order.entry and order.entry.id not in written:
                results.append(TakenOver(f"another server has taken over request {order.entry.id}"))
            else:
                results.append(None)
        return results

    def _claim(self, connection: Connection) -> list[Entry]:
        return rows.claim(connection, self.number) if time.monotonic() >= self._claims_from else []

    def _note(self, orders: list[Order[Connection]], results: list[Any]) -> None:
        """Keep count of what this server has to see to its end."""
        lost = set()
        for order, result in zip(orders, results, strict=True):
            entry = order.entry
            if isinstance(result, TakenOver) and entry:
                lost.add(entry.id)
            elif entry and result is None:
                is_done = entry.ended is not None and entry.webhook is None
                (self._own.discard if is_done else self._own.add)(entry.id)
            elif order.call == self._claim and isinstance(result, list):
                self._own |= {each.id for each in result}
        self._lose(lost, orders[0].loop)
