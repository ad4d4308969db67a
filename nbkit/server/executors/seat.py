"""A seat in an executor: one request, handed in as a task, and seen through whatever becomes of the task.

What counts is what comes over the line. The executor's own word is heeded only where nobody calls in, or does not any
more.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import nbkit
from nbkit.errors import NbkitError, ServerError
from nbkit.server import frames
from nbkit.server.executors import carrying
from nbkit.server.executors.line import LineLost
from nbkit.server.runs import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from nbkit.server.executors.line import Expected, Visit
    from nbkit.server.executors.workplace import ExecutorWorkplace
    from nbkit.server.frames import Message

_TRIES = 2
_PREPARING_SECONDS = 300.0  # for what the worker's machine has not
_GRACE_SECONDS = 2.0  # that a relay has to tell that its time is up, before it counts as stuck
_SILENCE_SECONDS = 60.0
_SAY_SECONDS = 10.0  # after which a run says that it waits
_AGAIN_SECONDS = 60.0  # for the executor to run by itself what it lost


class _Stopped(Exception):
    """The request is not wanted any more."""


class ExecutorSeat:
    """Computes one request in an executor.

    Args:
        place: Whose seat it is.
        resources: What the worker must have.
    """

    def __init__(self, place: ExecutorWorkplace, resources: Mapping[str, float]) -> None:
        self._place = place
        self._resources = resources
        self._stopped = asyncio.Event()
        self._visit: Visit | None = None

    async def compute(self, order: Message, note: Callable[[Message], None], *, time_limit: float) -> Outcome:
        """Let the executor compute one request; where a worker is lost, once more.

        Args:
            order: The request, as `nbkit.server.worker` reads it.
            note: Called with each log line and each piece of progress.
            time_limit: Seconds after which a worker that computes it is ended.
        """
        task = _Task(self._place, self._resources, self._stopped, note)
        lost: list[str] = []
        try:
            while len(lost) < _TRIES:
                if lost:
                    note({"log": f"{lost[-1]}; this is computed again", "level": "WARN"})
                try:
                    self._visit = await task.visit(again=bool(lost))
                    return await self._talk(self._visit, order, note, time_limit)
                except LineLost:
                    if self._stopped.is_set():
                        raise _Stopped from None
                    lost.append(f"the worker ({self._visit}) was lost")
                except _TaskBroke as error:
                    lost.append(str(error))
                finally:
                    self._hang_up()
        except TimeoutError:
            task.over()  # not withdrawn: the executor shall believe that worker busy for as long as it stands still
            words = f"Stopped after computing for {time_limit:g} s; the worker did not answer any more"
            return Outcome.failed(504, words, "request_timeout")
        except (_Stopped, NbkitError) as error:
            return Outcome.failed(503, str(error) or "The request was stopped", "runner_disconnected")
        else:
            words = f"It was begun {_TRIES} times, and no worker saw it through: {lost[-1]}"
            return Outcome.failed(503, words, "runner_disconnected")
        finally:
            task.withdraw()

    async def cancel(self) -> None:
        """Ask the model to stop; what no worker has begun stops at once."""
        if self._visit is None:
            self._stopped.set()
        else:
            with contextlib.suppress(LineLost):
                await self._visit.send({"cancel": True})

    async def end(self) -> None:
        """Stop at once: the relay ends what it computes when its line ends."""
        self._stopped.set()
        self._hang_up()

    def _hang_up(self) -> None:
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.cut()

    async def _talk(
        self, visit: Visit, order: Message, note: Callable[[Message], None], time_limit: float
    ) -> Outcome:
        """Give a relay the order, and hear what comes of it."""
        if visit.facts.get("version") != nbkit.__version__:
            theirs = str(visit.facts.get("version"))[:40]
            words = f"the worker ({visit}) has nbkit {theirs}, this server {nbkit.__version__}"
            await visit.send({"refused": words})
            raise ServerError(words, hint="install the same version on both")
        try:
            async with asyncio.timeout(_PREPARING_SECONDS):
                await self._prepare(visit, order, time_limit)
        except (OSError, EOFError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise LineLost(str(error)) from error
        return await self._listen(visit, note, time_limit)

    async def _prepare(self, visit: Visit, order: Message, time_limit: float) -> None:
        """Send the order, and what the relay's machine has not of it."""
        files, code = self._place.files, self._place.code
        named = await files.away(carrying.own_files, order["input"], files)
        digest = carrying.code_of(order["model"])
        wanted = {
            **self._place.facts,
            "order": order,
            "time_limit": time_limit,
            "files": [carrying.described(address, file) for address, file in named.items()],
            "code": [digest] if digest else [],
        }
        await visit.send(wanted)
        lacks = frames.parse(await visit.receive())
        for file_id in {file.id for file in named.values()} & set(lacks["files"]):
            await carrying.send_file(visit.writer, {"input": file_id}, file_id, files)
        if lacks["code"]:
            content = code.get(digest)
            visit.writer.write(frames.pack({"code": digest, "size": len(content)}) + content)

    async def _listen(self, visit: Visit, note: Callable[[Message], None], time_limit: float) -> Outcome:
        """Take what the relay says until the outcome comes; what it names its files by, becomes this server's."""
        addresses: dict[bytes, bytes] = {}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + time_limit + _GRACE_SECONDS
        while True:
            async with asyncio.timeout_at(deadline):
                said = await visit.receive()
                for there, here in addresses.items():
                    said = said.replace(there, here)
                try:
                    message = frames.parse(said)
                    if "made" in message:
                        there_, here_ = await carrying.take_in(visit.reader, message, self._place.files)
                        addresses[there_.encode()] = here_.encode()
                except (EOFError, KeyError, ValueError, ServerError) as error:
                    raise LineLost(str(error)) from error
            if "status" in message:
                return Outcome(message["status"], message["body"].encode("ascii"), message["headers"])
            if "computed" in message:
                deadline = loop.time() + _SILENCE_SECONDS
            elif "made" not in message:
                note(message)


class _TaskBroke(Exception):
    """The executor's task ended and nobody had called in."""


class _Task:
    """A request's task in the executor, and the relays that call in for it."""

    def __init__(
        self,
        place: ExecutorWorkplace,
        resources: Mapping[str, float],
        stopped: asyncio.Event,
        note: Callable[[Message], None],
    ) -> None:
        self._place = place
        self._resources = resources
        self._stopped = stopped
        self._note = note
        self._expected: Expected | None = None
        self._future: Future[Any] | None = None
        self._over = asyncio.Event()

    async def visit(self, *, again: bool) -> Visit:
        """Wait for a relay, having handed in the task where it is not with the executor (any more).

        Args:
            again: Whether one was lost. Then the executor may know, and run the task again by itself, or not.

        Raises:
            _TaskBroke: The task ended with no relay.
            _Stopped: The request is not wanted any more.
            NbkitError: The executor takes no tasks.
        """
        alone = again and self._future is not None
        while True:
            expected = self._expected or await self._hand_in()
            visit = await self._next(expected, _AGAIN_SECONDS if alone else None)
            if visit is not None:
                return visit
            why = self._end_of_task()
            self.withdraw()
            if not alone:
                raise _TaskBroke(why)
            self._note({"log": why, "level": "DEBUG"})
            alone = False

    def over(self) -> None:
        """Expect no relay of the task any more."""
        if self._expected is not None:
            self._place.line.forget(self._expected)
        self._expected = self._future = None

    def withdraw(self) -> None:
        """Take the task back from the executor where it is not over."""
        future = self._future
        self.over()
        if future is not None and not future.done():
            self._place.withdraw(future)

    async def _hand_in(self) -> Expected:
        self._expected, self._over = self._place.line.expect(), asyncio.Event()
        over, loop = self._over, asyncio.get_running_loop()

        def told(_future: object) -> None:
            with contextlib.suppress(RuntimeError):  # the server is gone
                loop.call_soon_threadsafe(over.set)

        self._future = await self._place.submit(self._expected, self._resources)
        self._future.add_done_callback(told)
        return self._expected

    async def _next(self, expected: Expected, patience: float | None) -> Visit | None:
        """The next relay, None where none will come; says that it waits where that takes long."""
        arrival = asyncio.create_task(expected.arrivals.get())
        others = [asyncio.create_task(self._over.wait()), asyncio.create_task(self._stopped.wait())]
        try:
            for seconds in (_SAY_SECONDS, patience):
                done, _ = await asyncio.wait(
                    {arrival, *others}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                )
                if self._stopped.is_set():
                    raise _Stopped
                if arrival in done:
                    return arrival.result()
                if done:
                    return None
                if seconds == _SAY_SECONDS:
                    self._note({"log": self._place.waiting(self._resources), "level": "INFO"})
            return None
        finally:
            for wish in (arrival, *others):
                wish.cancel()

    def _end_of_task(self) -> str:
        """What the executor says about a task whose relay nobody heard of."""
        future = self._future
        if future is None or not future.done() or future.cancelled():
            return f"{self._place.name} gave the task up"
        error = future.exception()
        if error is None:
            return f"{self._place.name} ended the task: {str(future.result())[:200]}"
        return f"{self._place.name} could not run the task: {type(error).__name__}: {str(error)[:500]}"
