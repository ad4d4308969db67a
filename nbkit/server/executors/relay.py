"""What an executor runs: a relay between the server and a worker process beside it.

The function and its arguments are plain, so that any executor takes them. It holds its place in the executor for as
long as the request is computed, and ends what it computes as soon as the line to the server does.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import nbkit
from nbkit.errors import ServerError
from nbkit.server import frames
from nbkit.server.executors import carrying, handshake
from nbkit.server.executors.line import hang_up, keep_alive
from nbkit.server.executors.lodging import lodgings
from nbkit.transport.loop import wait

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

    from nbkit.server.executors.lodging import Lodging
    from nbkit.server.frames import Message

_CONNECT_SECONDS = 10.0
_FAREWELL_SECONDS = 10.0


def ready() -> bool:
    """Let a process of the executor start and load this, before the first request does."""
    return True


def run(host: str, port: int, task: str, token: str, seen: str) -> str:
    """Compute one request of a server; its outcome goes over the line.

    Args:
        host: Where the server listens for relays.
        port: At which port.
        task: What the server expects.
        token: What shows that this is its relay. It is good for this task alone.
        seen: A file in the server's folder: where it is seen, the folder is used as it is.

    Returns:
        How it went, for whoever looks at the executor's tasks.

    Raises:
        ServerError: The server cannot be reached from here.
    """
    folder = Path(seen).parent if os.access(seen, os.R_OK | os.W_OK) else None
    return wait(_visit((host, port), task, token, folder))


async def _visit(address: tuple[str, int], task: str, token: str, folder: Path | None) -> str:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(*address)
    except OSError as error:
        raise ServerError(
            f"from {socket.gethostname()} the nbkit server cannot be reached at {address[0]}:{address[1]}: {error}",
            hint="name an address of the server's machine that the workers reach with --worker-host",
        ) from error
    try:
        keep_alive(writer)
        async with asyncio.timeout(_CONNECT_SECONDS):
            await handshake.call_in(reader, writer, task, token)
        facts = {"version": nbkit.__version__, "machine": socket.gethostname(), "pid": os.getpid()}
        writer.write(frames.pack(facts))
        wanted = await frames.read_async(reader)
        if "order" not in wanted:
            return str(wanted.get("refused"))
        return await _Relay(reader, writer, wanted).serve(folder, f"{folder or address}")
    except (EOFError, OSError):
        return "the server does not expect this any more"
    finally:
        hang_up(writer)


class _Relay:
    """The conversation about one order."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, wanted: Message) -> None:
        self._reader = reader
        self._writer = writer
        self._wanted = wanted
        self._notes: asyncio.Queue[Message] = asyncio.Queue()

    async def serve(self, folder: Path | None, server: str) -> str:
        """See the order through with a worker of this process."""
        lodging = lodgings().take(server, folder, self._wanted)
        try:
            await self._fetch(lodging)
            done = await self._compute(lodging)
        except BaseException:
            await lodging.end()
            raise
        if not done:
            await lodging.end()
            return "the line to the server broke"
        lodgings().give_back(server, lodging)
        return "computed"

    async def _fetch(self, lodging: Lodging) -> None:
        """Get what this machine has not."""
        lacks = lodging.lacks(self._wanted)
        self._writer.write(frames.pack(lacks))
        for _ in [*lacks["files"], *lacks["code"]]:
            facts = await frames.read_async(self._reader)
            await lodging.take_in(self._reader, facts, self._wanted)
        self._wanted["order"] = carrying.renamed(self._wanted["order"], lodging.addresses(self._wanted))

    async def _compute(self, lodging: Lodging) -> bool:
        """Let the worker compute, and pass on what it and the server say; tells whether the outcome was passed on."""
        work = asyncio.create_task(self._work(lodging))
        telling = asyncio.create_task(self._tell(lodging))
        listening = asyncio.create_task(self._listen(lodging))
        try:
            await asyncio.wait({telling, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not telling.done():
                return False
            telling.result()
            self._writer.write_eof()
            # Closing before the server has read everything could lose the end of it.
            await asyncio.wait({listening}, timeout=_FAREWELL_SECONDS)
            return True
        finally:
            for part in (work, telling, listening):
                part.cancel()
            await asyncio.gather(work, telling, listening, return_exceptions=True)

    async def _work(self, lodging: Lodging) -> None:
        outcome = await lodging.worker.compute(
            self._wanted["order"], self._notes.put_nowait, time_limit=self._wanted["time_limit"]
        )
        self._notes.put_nowait({"computed": True})
        body = outcome.body.decode("ascii")
        self._notes.put_nowait({"status": outcome.status, "body": body, "headers": outcome.headers})

    async def _tell(self, lodging: Lodging) -> None:
        """Say what the worker says, each time after the files that it may speak of."""
        while True:
            message = await self._notes.get()
            await lodging.send_made(self._writer, self._wanted)
            self._writer.write(frames.pack(message))
            await self._writer.drain()
            if "status" in message:
                return

    async def _listen(self, lodging: Lodging) -> None:
        """Heed the server until the line ends."""
        try:
            while "cancel" in await frames.read_async(self._reader):
                await lodging.worker.cancel()
        except (EOFError, OSError, ServerError):
            return
