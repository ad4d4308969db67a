"""The port at which relays call in, and what is said with each."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from typing import TYPE_CHECKING, Any

from nbkit.errors import ServerError
from nbkit.server import frames
from nbkit.server.executors import handshake

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

    from nbkit.server.frames import Message

GREETING_SECONDS = 5.0
_MOST_STRANGERS = 100
_KEEP_ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


class LineLost(Exception):
    """The connection to a relay ended before its outcome came."""


class Visit:
    """The connection of one relay.

    Attributes:
        facts: What the relay says of itself: `version`, `machine` and `pid`.
    """

    def __init__(self, reader: StreamReader, writer: StreamWriter, facts: Message) -> None:
        self.reader = reader
        self.writer = writer
        self.facts = facts

    def __str__(self) -> str:
        return f"process {self.facts.get('pid')} on {str(self.facts.get('machine'))[:80]}"

    async def send(self, message: Message) -> None:
        """Say something.

        Raises:
            LineLost: The relay is gone.
        """
        try:
            self.writer.write(frames.pack(message))
            await self.writer.drain()
        except OSError as error:
            raise LineLost(str(error)) from error

    async def receive(self) -> bytes:
        """Wait for the next message; gives its JSON.

        Raises:
            LineLost: The relay is gone.
        """
        try:
            return await frames.read_bytes_async(self.reader)
        except (OSError, EOFError, ServerError) as error:
            raise LineLost(str(error)) from error

    def cut(self) -> None:
        """End the connection at once; the relay then ends what it computes."""
        hang_up(self.writer)


class Expected:
    """A task that was submitted, and whose relay is waited for.

    Attributes:
        task: What it is called.
        token: What its relay knows, and nobody else.
        arrivals: The relays that called in: one, and others where the executor runs the task again.
    """

    def __init__(self) -> None:
        self.task = secrets.token_hex(8)
        self.token = secrets.token_hex(32)
        self.arrivals: asyncio.Queue[Visit] = asyncio.Queue()


class Line:
    """Listens for relays. Whoever does not know a token is hung up on, and nothing that it says is heeded.

    Args:
        host: The address by which the machines of the executor reach this one.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._server: asyncio.Server | None = None
        self._expected: dict[str, Expected] = {}
        self._strangers = 0

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            ServerError: The address is none of this machine's.
        """
        try:
            self._server = await asyncio.start_server(self._meet, self._host, 0)
        except OSError as error:
            raise ServerError(
                f"cannot listen for workers on {self._host}: {error.strerror or error}",
                hint="name an address of this machine that the workers reach with --worker-host",
            ) from error

    @property
    def address(self) -> tuple[str, int]:
        """Where relays call."""
        if self._server is None:
            raise ServerError("the line to the workers is not open")
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def expect(self) -> Expected:
        """Expect the relay of one more task."""
        expected = Expected()
        self._expected[expected.task] = expected
        return expected

    def forget(self, expected: Expected) -> None:
        """Expect a relay no more: if it calls all the same, it is hung up on."""
        self._expected.pop(expected.task, None)
        while not expected.arrivals.empty():
            expected.arrivals.get_nowait().cut()

    def close(self) -> None:
        """Listen no more."""
        for expected in list(self._expected.values()):
            self.forget(expected)
        if self._server is not None:
            self._server.close()

    async def _meet(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._strangers >= _MOST_STRANGERS:
            hang_up(writer)
            return
        self._strangers += 1
        met = False
        try:
            keep_alive(writer)
            async with asyncio.timeout(GREETING_SECONDS):
                task = await handshake.answer(reader, writer, self._token_of)
                facts = await frames.read_async(reader, handshake.LONGEST)
            self._expected[task].arrivals.put_nowait(Visit(reader, writer, facts))
            met = True
        except (OSError, EOFError, ValueError, KeyError, RecursionError, ServerError):
            pass  # nobody that is expected; TimeoutError is an OSError
        finally:
            self._strangers -= 1
            if not met:
                hang_up(writer)

    def _token_of(self, task: str) -> str:
        if task not in self._expected:
            raise ServerError("nobody expects this task")
        return self._expected[task].token


def keep_alive(writer: StreamWriter) -> None:
    """Have the system notice, within half a minute, that the machine on the other side is gone."""
    connection: Any = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def hang_up(writer: StreamWriter) -> None:
    """End a connection, also where a process that was forked meanwhile holds it open."""
    connection: Any = writer.get_extra_info("socket")
    # A socket of its own for the same connection, because uvloop's cannot do this.
    with (
        contextlib.suppress(OSError, ValueError),
        socket.fromfd(connection.fileno(), connection.family, connection.type) as same,
    ):
        same.shutdown(socket.SHUT_RDWR)
    writer.transport.abort()
