"""What the server has to remember when it is gone: requests of the queue, their inputs and results.

One thread reads and writes it all, so that the loop never waits for the disk. It takes together whatever has come
since it wrote last, so that a thousand requests a second are some hundred transactions. Where things are written is
the subclass's matter: a file of this server's own (`journal_sqlite`), or a database that several servers share
(`journal_postgres`).
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from nbkit.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_ONCE = 500  # orders; a batch of large inputs holds fewer, see `_BATCH_BYTES`
_BATCH_BYTES = 32 * 2**20

Connection = TypeVar("Connection")


class JournalFailed(ServerError):
    """Something could not be written down, or not be read again."""


class TakenOver(JournalFailed):
    """The request belongs to another server by now."""


class DatabaseAway(JournalFailed):
    """The database cannot be reached now; nothing is lost, and the same works later."""


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


COLUMNS = ", ".join(Entry._fields)


class Order(NamedTuple, Generic[Connection]):
    """Something to do, and the future that tells when it is done.

    Attributes:
        loop: Where the future is waited for.
        future: Tells the result.
        call: Reads or changes something else than one request; None where a request is written.
        entry: The request to write down.
        given: Its input as it came.
        is_new: Whether the request was never written before.
    """

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    call: Callable[[Connection], Any] | None = None
    entry: Entry | None = None
    given: bytes | None = None
    is_new: bool = False


class Journal(ABC, Generic[Connection]):
    """What is written down, and the thread that does it.

    Args:
        place: Where it stands, for people.

    Attributes:
        is_shared: Whether other servers could take over what is written here.
    """

    is_shared = False

    def __init__(self, place: str) -> None:
        self.place = place
        self._orders: queue.SimpleQueue[Order[Connection] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="nbkit-journal", daemon=True)
        self._thread.start()

    def add(self, entry: Entry, given: bytes | None) -> asyncio.Future[Any]:
        """Write a new request down.

        Args:
            entry: The request.
            given: Its input as it came; None where it is not to be kept.

        Returns:
            Done once it is safe, or failed with `JournalFailed`.
        """
        return self.order(None, entry, given, is_new=True)

    def write(self, entry: Entry) -> asyncio.Future[Any]:
        """Write a request down as it is now, in place of what was known of it; its input goes once it has ended.

        Returns:
            Done once it is safe, or failed with `JournalFailed`.
        """
        return self.order(None, entry)

    @abstractmethod
    async def given(self, request_id: str) -> bytes:
        """The input of a request that has not ended.

        Raises:
            JournalFailed: It cannot be read.
        """

    @abstractmethod
    async def ended(self, request_id: str) -> Entry | None:
        """A request that has ended and whose time is not over; None where there is none.

        Raises:
            JournalFailed: It cannot be read.
        """

    @abstractmethod
    async def named(self, name: str) -> list[tuple[str, str, float, str]]:
        """The id, endpoint, time and user of each request that its caller gave a name.

        Raises:
            JournalFailed: They cannot be read.
        """

    @abstractmethod
    async def unfinished(self) -> list[Entry]:
        """The requests that have not ended, or whose end has still to be told, in the order in which they came.

        Raises:
            JournalFailed: They cannot be read.
        """

    @abstractmethod
    async def last(self) -> int:
        """The highest `seq` so far."""

    @abstractmethod
    def forget(self, *, runs: int, size: int) -> asyncio.Future[Any]:
        """Drop results whose time is over, then the oldest until no more are left than there may be.

        Args:
            runs: How many may be left.
            size: How many bytes their bodies may have together.
        """

    @abstractmethod
    def perform(self, orders: list[Order[Connection]]) -> None:
        """Do some orders, on the journal's thread, and `tell` each result, `JournalFailed` where it failed."""

    @abstractmethod
    def let_go(self) -> None:
        """Close what is open, on the journal's thread, when nothing more will come."""

    def order(
        self,
        call: Callable[[Connection], Any] | None,
        entry: Entry | None = None,
        given: bytes | None = None,
        *,
        is_new: bool = False,
    ) -> asyncio.Future[Any]:
        """Have something done on the journal's thread.

        Raises:
            JournalFailed: The journal is closed.
        """
        loop = asyncio.get_running_loop()
        if self._closed:
            raise JournalFailed(f"{self.place} is closed, because the server ends")
        order = Order(loop, loop.create_future(), call, entry, given, is_new)
        # Whoever does not wait is not told by a warning either: trouble was said where it was found.
        order.future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._orders.put(order)
        return order.future

    async def close(self) -> None:
        """Write what has come, and let the journal go; safe to call twice."""
        self._closed = True
        self._orders.put(None)
        await asyncio.to_thread(self._thread.join)

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
            if batch:
                self.perform(batch)
        self.let_go()


def tell(orders: list[Order[Any]], results: list[Any]) -> None:
    """Tell those who wait, from the journal's thread, how their orders ended."""
    if orders:
        with contextlib.suppress(RuntimeError):  # the loop has gone, and with it all who waited
            orders[0].loop.call_soon_threadsafe(_deliver, orders, results)


def _deliver(orders: list[Order[Any]], results: list[Any]) -> None:
    for order, result in zip(orders, results, strict=True):
        if order.future.done():
            continue
        if isinstance(result, JournalFailed):
            order.future.set_exception(result)
        else:
            order.future.set_result(result)
