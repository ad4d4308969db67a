"""The processes that compute, seen from the server's loop.

Each is a fresh interpreter with two pipes of its own, so that a model can neither block the loop nor, when it
crashes or is ended, take anything but its own request with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from nbkit.errors import ServerError
from nbkit.server import frames
from nbkit.server.runs import Outcome
from nbkit.server.worker import PUBLIC_ONLY

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
    """

    def __init__(self, data_dir: Path, *, public_only: bool = False) -> None:
        self._words = (str(data_dir), *((PUBLIC_ONLY,) if public_only else ()))
        self._process: asyncio.subprocess.Process | None = None

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
            note: Called with each log line and each piece of progress.
            time_limit: Seconds after which the process is ended.
        """
        try:
            async with asyncio.timeout(time_limit):
                process = await self._started()
                await self._send(process, order)
                while "status" not in (message := await self._receive(process)):
                    note(message)
        except TimeoutError:
            await self.end()
            return Outcome.failed(504, f"Stopped after computing for {time_limit:g} s", "request_timeout")
        except (OSError, EOFError, ValueError, ServerError) as error:
            how = await self._epitaph()
            await self.end()
            epitaph = f"The process that computed this request ended: {how or error}"
            return Outcome.failed(500, epitaph, "runner_server_error")
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
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "nbkit.server.worker",
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**_ONE_THREAD, **os.environ},
            )
        return self._process

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
