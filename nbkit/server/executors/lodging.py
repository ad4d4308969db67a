"""Worker processes that stay beside relays between their tasks, so that weights stay loaded.

They belong to the process that the executor's tasks run in, live on its network thread, and end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit.errors import NbkitError, ServerError
from nbkit.history.process import is_alive, this_process
from nbkit.server.code_store import CodeStore
from nbkit.server.executors import carrying
from nbkit.server.files import FileStore, StoredFile
from nbkit.server.workers import WorkerProcess
from nbkit.transport.loop import at_exit

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

    from nbkit.server.frames import Message

IDLE_SECONDS = 60.0
_PREFIX = "nbkit-relay"


class Lodging:
    """A worker process, and the folder and the files that it works with.

    Args:
        folder: The server's folder, None where this machine does not see it: then it is one of its own.
        order: What the server says of its files with an order: `store`, `mark`, `public_only`.
    """

    def __init__(self, folder: Path | None, order: Message) -> None:
        self._folder = folder or _own_folder()
        self._is_own = folder is None
        store = str(order["store"])
        files = None
        if store and self._is_own:
            # A driver that is missing here, or a folder of this name that is another one, must not lose a file.
            with contextlib.suppress(NbkitError, OSError):
                files = FileStore(self._folder, store)
                files = files if files.mark == order["mark"] else None
            if files is None:
                store = ""
                (self._folder / "secret").unlink(missing_ok=True)
        self.shares_files = not self._is_own or files is not None
        self._files = files or FileStore(self._folder, store, is_joined=True)
        self._code = CodeStore(self._folder / "code")
        self.worker = WorkerProcess(self._folder, public_only=bool(order["public_only"]), store=store)

    def lacks(self, order: Message) -> Message:
        """Which of the files and pieces of code that an order needs are not here."""
        return {
            "files": [] if self.shares_files else [file["id"] for file in order["files"]],
            "code": [digest for digest in order["code"] if not self._has(digest)],
        }

    async def take_in(self, reader: StreamReader, facts: Message, order: Message) -> None:
        """Keep a file or a piece of code that the server sends."""
        draft = self._files.draft()
        await carrying.receive_bytes(reader, int(facts["size"]), draft)
        if "code" in facts:
            self._code.put(draft.read_bytes())
            draft.unlink()
        else:
            told = next(file for file in order["files"] if file["id"] == facts["input"])
            self._files.put(_stored(told), draft)

    def addresses(self, order: Message) -> dict[str, str]:
        """By which addresses the worker finds the files that an order names: the server's → its own."""
        if self.shares_files:
            return {}
        return {
            file["address"]: self._files.mark + self._files.address(_stored(file)) for file in order["files"]
        }

    async def send_made(self, writer: StreamWriter, order: Message) -> None:
        """Send the files that the model made since the last time, where the server does not see them."""
        if self.shares_files:
            return
        given = {file["id"] for file in order["files"]}
        for file in self._files.all():
            if file.id not in given:
                facts = {"name": file.name, "content_type": file.content_type, "expires": file.expires}
                facts["made"] = self._files.mark + self._files.address(file)
                await carrying.send_file(writer, facts, file.id, self._files)
                self._files.drop(file.id)

    def tidy(self) -> None:
        """Remove the files of the last order."""
        if not self.shares_files:
            for file in self._files.all():
                self._files.drop(file.id)

    async def end(self) -> None:
        """End the process, and remove its folder."""
        await self.worker.end()
        if self._is_own:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _has(self, digest: str) -> bool:
        try:
            return bool(self._code.get(digest))
        except ServerError:
            return False


class Lodgings:
    """Those of this process that are idle."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._idle: dict[str, list[tuple[Lodging, asyncio.TimerHandle]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        at_exit(self.close)

    def take(self, server: str, folder: Path | None, order: Message) -> Lodging:
        """One for an order of a server: the last that was at work for it, or a new one."""
        idle = self._idle.get(server)
        if not idle:
            return Lodging(folder, order)
        lodging, ending = idle.pop()
        ending.cancel()
        return lodging

    def give_back(self, server: str, lodging: Lodging) -> None:
        """Keep one for a while."""
        lodging.tidy()
        idle = self._idle.setdefault(server, [])
        loop = asyncio.get_running_loop()

        def end() -> None:
            idle.remove(entry)
            ending = loop.create_task(lodging.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

        entry = (lodging, loop.call_later(IDLE_SECONDS, end))
        idle.append(entry)

    async def close(self) -> None:
        """End all."""
        idle = [entry for entries in self._idle.values() for entry in entries]
        self._idle.clear()
        for _lodging, ending in idle:
            ending.cancel()
        await asyncio.gather(*(lodging.end() for lodging, _ending in idle))


_current: Lodgings | None = None


def lodgings() -> Lodgings:
    """Those of this process."""
    global _current  # noqa: PLW0603 - one per process is the point
    if _current is None or _current.pid != os.getpid():
        _current = Lodgings()
    return _current


def _own_folder() -> Path:
    """A new folder; those of processes that were killed are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid, _, rest = left.name.removeprefix(f"{_PREFIX}-").partition("-")
        marker = rest.rpartition("-")[0]
        with contextlib.suppress(OSError):
            if pid.isdecimal() and left.stat().st_uid == os.getuid() and not is_alive(int(pid), marker):
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="-".join([_PREFIX, *map(str, this_process()), ""])))


def _stored(told: Message) -> StoredFile:
    return StoredFile(str(told["id"]), str(told["name"]), str(told["content_type"]))
