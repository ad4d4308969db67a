"""The processes that compute, seen from the server's loop.

Each is a fresh interpreter with three pipes of its own, so that a model can neither block the loop nor, when it
crashes or is ended, take anything but its own request with it. Two are for messages (`nbkit.server.worker` tells them);
the third takes what is printed. It leads a group of processes, which is ended with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from nbkit.errors import ServerError
from nbkit.server import frames
from nbkit.server.memory import holds_more, watch_memory
from nbkit.server.printed import PrintedPipe, RequestLog
from nbkit.server.runs import Outcome
from nbkit.server.worker import INPUTS_VARIABLE, PUBLIC_ONLY, STORE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbkit.server.frames import Message

WARM_UP = "nbkit.server.models:warm_up"
# One request uses one core: as many workers as cores would only take them from each other.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class WorkerProcess:
    """One process, started when it is first needed and again after it was ended.

    Args:
        data_dir: The server's folder.
        public_only: Whether it fetches pictures from the public internet alone.
        store: The address of the store that the server's files are in, an empty string for its folder.
    """

    def __init__(self, data_dir: Path, *, public_only: bool = False, store: str = "") -> None:
        self._store = store
        self._words = (str(data_dir), *((PUBLIC_ONLY,) if public_only else ()))
        self._process: asyncio.subprocess.Process | None = None
        self._printed: PrintedPipe | None = None
        self._inputs = ""
        self._ending: asyncio.Task[None] | None = None
        self._why_ended = ""
        self._limit = ""

    async def warm_up(self) -> None:
        """Start the process and let it load what models need."""
        with contextlib.suppress(OSError, EOFError, ServerError):  # the first request will tell
            process = await self._started()
            await self._send(process, {"warm": WARM_UP})
            await self._receive(process)

    async def compute(self, order: Message, note: Callable[[Message], None], *, time_limit: float) -> Outcome:
        """Let the process compute one request.

        Args:
            order: The request, as `nbkit.server.worker` reads it.
            note: Called with each log line and each piece of progress; lines are bounded.
            time_limit: Seconds after which the process is ended.
        """
        log = RequestLog(note)
        self._why_ended = self._limit = ""
        watching: asyncio.Task[None] | None = None
        memory_limit = order.get("memory_limit")
        try:
            async with asyncio.timeout(time_limit):
                if self._process is not None and await holds_more(self._process.pid, memory_limit):
                    await self.end()  # what others keep in there is no fault of this request
                process = await self._started()
                watching = asyncio.create_task(watch_memory(process.pid, memory_limit, self._too_large))
                message = await self._computed(process, order, log)
        except TimeoutError:
            await self.end()
            epitaph = f"Stopped after computing for {time_limit:g} s"
            return replace(Outcome.failed(504, epitaph, "request_timeout"), worker_end="time_limit")
        except (OSError, EOFError, ValueError, ServerError) as error:
            how = self._why_ended or await self._epitaph()
            await self.end()
            epitaph = self._why_ended or f"The process that computed this request ended: {how or error}"
            failed = Outcome.failed(500, epitaph, "runner_server_error")
            return replace(failed, worker_end=self._limit or "crash")
        finally:
            if watching is not None:
                watching.cancel()
            if self._printed is not None:
                self._printed.listen(None)
            log.end()
        if "spent" in message:
            await self.end()
        headers = {"x-fal-billable-units": "0"} if message["status"] == 422 else {}  # noqa: PLR2004
        return Outcome(message["status"], message["body"].encode("ascii"), headers)

    async def cancel(self) -> None:
        """Ask the model to stop at the next line it logs or step it tells."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                await self._send(self._process, {"cancel": True})

    async def end(self) -> None:
        """End the process, whatever it is doing, and wait until it is gone."""
        process, self._process = self._process, None
        printed, self._printed = self._printed, None
        inputs, self._inputs = self._inputs, ""
        if process is not None:
            _kill_group(process.pid)
            await process.wait()
        if inputs:
            await asyncio.to_thread(shutil.rmtree, inputs, ignore_errors=True)
        if printed is not None:
            printed.close()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            await self.end()
            self._inputs = tempfile.mkdtemp(prefix="nbkit-worker-")
            self._printed = printed = PrintedPipe()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "nbkit.server.worker",
                    *self._words,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=printed.end,
                    env={
                        **_ONE_THREAD,
                        **os.environ,
                        STORE_VARIABLE: self._store,
                        INPUTS_VARIABLE: self._inputs,
                    },
                    start_new_session=True,
                )
            finally:
                printed.hand_over()
            self._ending = asyncio.create_task(_end_with(self._process))
        return self._process

    async def _computed(
        self, process: asyncio.subprocess.Process, order: Message, log: RequestLog
    ) -> Message:
        """Give the process a request and take what it says until it tells the outcome."""
        printed = self._printed
        if printed is None:
            raise ServerError("a worker has no pipe")
        printed.listen(log, self._flooded)
        await self._send(process, order)
        while True:
            message = await self._receive(process)
            printed.drain()  # what was printed before this was said
            if "status" in message:
                return message
            log.take(message)

    def _flooded(self, most: int) -> None:
        self._kill(
            "print_limit",
            f"The function was ended because it printed more than {_in_words(most)}; "
            "print less, or write to a file and return its Path",
        )

    def _too_large(self, held: int, most: int) -> None:
        self._kill(
            "memory_limit",
            f"The function was ended because its process held {_in_words(held)} of memory, and may hold "
            f"{_in_words(most)}; give the endpoint a larger memory_limit, or the server a larger --memory-limit",
        )

    def _kill(self, limit: str, why: str) -> None:
        """End the process at once, for a reason that its request is told."""
        if self._process is not None:
            self._limit, self._why_ended = limit, why
            _kill_group(self._process.pid)

    async def _send(self, process: asyncio.subprocess.Process, message: Message) -> None:
        if process.stdin is None:
            raise ServerError("a worker has no pipe")
        process.stdin.write(frames.pack(message))
        await process.stdin.drain()

    async def _receive(self, process: asyncio.subprocess.Process) -> Message:
        if process.stdout is None:
            raise ServerError("a worker has no pipe")
        return await frames.read_async(process.stdout)

    async def _epitaph(self) -> str:
        """How the process ended, where it ended by itself."""
        if self._process is None:
            return ""
        try:
            async with asyncio.timeout(1):
                code = await self._process.wait()
        except TimeoutError:
            return ""
        if code < 0:
            return f"signal {-code} ({signal.Signals(-code).name})"
        return f"exit code {code}"


async def _end_with(process: asyncio.subprocess.Process) -> None:
    """See to it that what a process started ends when it does: such a child may hold its pipes open for ever."""
    await process.wait()
    _kill_group(process.pid)


def _kill_group(leader: int) -> None:
    """End a process and those that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _in_words(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
