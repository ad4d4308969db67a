"""One request in flight or over, as its caller holds it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from nbkit.client.answering import Answering
from nbkit.client.progress_line import wait_with_line
from nbkit.client.showing import Showing
from nbkit.errors import RunTimeout, RunUnknown
from nbkit.model.event import Event, Log, Queued, Started
from nbkit.providers.reply import status_after
from nbkit.transport.loop import TICK, network_loop, on_network_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping

    from nbkit.model.endpoint import Endpoint
    from nbkit.model.result import Result

INTERRUPT_GRACE = 5.0
"""Seconds that an interrupted wait gives the service to confirm that it cancelled."""


class Run(Answering, Showing):
    """One request: what was asked, what happened to it so far, and what came of it.

    Wait for it (`run.result()`), await it (`await run`), or go through its events as they come (`for event in run`,
    `async for event in run`). It is safe to use from any thread and any event loop.

    Attributes:
        began: When it began, in seconds since 1970; of a run that is taken from history, when that one did.
        is_from_history: Whether its result was taken from history, and nothing was sent.
    """

    def __init__(self, endpoint: Endpoint, payload: Mapping[str, Any]) -> None:
        self._endpoint = endpoint
        self._input = dict(payload)
        self._id = ""
        self._status = "submitting"
        self._stand_in = ""
        self._events: list[Event] = []
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._over = False
        self._uploaded = (0, 0)
        self._began, self.began = time.monotonic(), time.time()
        self.is_from_history = False
        self._ended: float | None = None
        self._changed = threading.Condition()
        self._listeners: list[Callable[[Event | None], None]] = []
        self._canceller: Callable[[], None] = lambda: None
        self._is_unwanted = False
        self._is_resumed = False
        self._process = os.getpid()

    @property
    def id(self) -> str:
        """The service's id of the run; an empty string until the service has given one."""
        return self._id

    @property
    def request_id(self) -> str:
        """The same id by the name that results and services call it."""
        return self._id

    @property
    def endpoint(self) -> str:
        """What was called."""
        return str(self._endpoint)

    @property
    def input(self) -> dict[str, Any]:
        """What was sent; files are replaced by their addresses once they are uploaded."""
        return dict(self._input)

    @property
    def status(self) -> str:
        """`submitting`, `queued`, `running`, `succeeded`, `failed`, `cancelled` or `unknown`."""
        return self._status

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that happened so far, oldest first."""
        with self._changed:
            return tuple(self._events)

    @property
    def logs(self) -> tuple[str, ...]:
        """The lines that the model printed so far, oldest first."""
        return tuple(event.message for event in self.events if isinstance(event, Log))

    @property
    def is_done(self) -> bool:
        """Whether it ended, in whatever way, and its files are here."""
        return self._over

    @property
    def error(self) -> BaseException | None:
        """Why it ended badly; None while it runs and when it ended well."""
        return self._error

    @property
    def seconds(self) -> float:
        """Seconds since it began, or that it took."""
        return (self._ended or time.monotonic()) - self._began

    @property
    def stand_in(self) -> str:
        """The local model that answers in place of the endpoint; an empty string for the real one."""
        return self._stand_in

    @property
    def uploaded(self) -> tuple[int, int]:
        """Bytes of its input files that are sent so far, and those of the files that are on their way or there."""
        return self._uploaded

    def cancel(self) -> None:
        """Ask the service to stop it. Returns at once; a run that is over stays as it is."""
        if not self._over:
            self._check_process()
            self._is_unwanted = True  # it may not have begun yet
            network_loop().call_soon_threadsafe(self._stop)

    def result(self, timeout: float | None = None) -> Result:
        """Wait until it is over and return what it gave. An interrupt (■, Ctrl-C) cancels it at the service.

        Args:
            timeout: Seconds to wait at the most. The run itself goes on after that.

        Raises:
            RunFailed: It failed.
            RunCancelled: It was cancelled.
            RunUnknown: Nobody knows what became of it.
            RunTimeout: It is not over yet.
            NbkitError: It could not be sent.
        """
        wait_with_line(self, timeout)
        if not self._over:
            raise RunTimeout(
                f"{self.endpoint} is not over after {timeout:g} s; it goes on",
                endpoint=self.endpoint,
                request_id=self._id,
                hint="wait again with run.result(), or stop it with run.cancel()",
            )
        return self._outcome()

    def listen(self, callback: Callable[[Event | None], None]) -> Callable[[], None]:
        """Have a function called on the network thread with each new event, and with None at the end.

        It must return quickly and not wait for anything.

        Returns:
            A function that ends it.
        """
        with self._changed:
            self._listeners.append(callback)
            over_already = self._over
        if over_already:
            callback(None)

        def stop() -> None:
            with self._changed, contextlib.suppress(ValueError):
                self._listeners.remove(callback)

        return stop

    def __iter__(self) -> Iterator[Event]:
        """Each event as it comes, from the first; raises at the end if the run ended badly."""
        yield from self._each()
        self._outcome()

    def _each(self) -> Iterator[Event]:
        told, is_over = 0, False
        while not is_over:
            self._wait(None, until=lambda: len(self._events) > told)  # noqa: B023 - asked before `told` changes
            events, is_over = self._news(told)
            yield from events
            told += len(events)

    def __await__(self) -> Generator[Any, None, Result]:
        return self._awaited().__await__()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Each event as it comes, from the first; raises at the end if the run ended badly."""
        async for event in self._each_async():
            yield event
        self._outcome()

    async def _each_async(self) -> AsyncGenerator[Event, None]:
        told, is_over = 0, False
        async with self._noticing() as notice:
            while not is_over:
                events, is_over = self._news(told)
                for event in events:
                    yield event
                told += len(events)
                if not events and not is_over:
                    await notice()

    def _news(self, told: int) -> tuple[list[Event], bool]:
        """The events after the first `told`, and whether these are all."""
        with self._changed:
            return self._events[told:], self._over

    async def _awaited(self) -> Result:
        await self._until(lambda: self._over)
        return self._outcome()

    async def _until(self, reached: Callable[[], bool]) -> None:
        self._check_process()
        async with self._noticing() as notice:
            while not (self._over or reached()):
                await notice()

    async def _accepted(self) -> Self:
        """Await the id that the service gives it; raise if it ended before it had one."""
        await self._until(lambda: bool(self._id))
        return self._begun()

    def _wait_accepted(self) -> Self:
        """Wait for the id that the service gives it; raise if it ended before it had one."""
        self._wait(None, until=lambda: bool(self._id))
        return self._begun()

    def _begun(self) -> Self:
        if not self._id:
            self._outcome()
        return self

    @contextlib.asynccontextmanager
    async def _noticing(self) -> AsyncIterator[Callable[[], Any]]:
        """What to await for the next change. It wakes up by itself, too: an idle kernel loop sees no interrupt."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        is_called = False  # waking a loop costs more than an event does, so it is called once for many

        def on_event(_event: Event | None) -> None:
            nonlocal is_called
            if not is_called:
                is_called = True
                with contextlib.suppress(RuntimeError):  # the caller's loop may be closed by now
                    loop.call_soon_threadsafe(changed.set)

        async def notice() -> None:
            nonlocal is_called
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await changed.wait()
            changed.clear()
            is_called = False

        stop = self.listen(on_event)
        try:
            yield notice
        except asyncio.CancelledError:
            self.cancel()
            raise
        finally:
            stop()

    def _wait(self, timeout: float | None, until: Callable[[], bool] = lambda: False) -> None:
        """Wait for the end, or for `until`, in ticks, so that interrupts arrive."""
        if on_network_thread():
            raise RuntimeError(
                "a blocking wait on nbkit's own network thread would never end: await it instead"
            )
        self._check_process()
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            with self._changed:
                while not (self._over or until()):
                    left = TICK if deadline is None else min(TICK, deadline - time.monotonic())
                    if left <= 0:
                        return
                    self._changed.wait(left)
        except KeyboardInterrupt:
            self.cancel()
            with self._changed:
                self._changed.wait_for(lambda: self._over, INTERRUPT_GRACE)
            raise

    def _check_process(self) -> None:
        if self._process != os.getpid() and not self._over:
            raise RunUnknown(
                f"the run of {self.endpoint} belongs to the process that began it",
                endpoint=self.endpoint,
                request_id=self._id,
                hint=f"follow it here with client.attach({self.endpoint!r}, {self._id!r})"
                if self._id
                else "",
            )

    def _outcome(self) -> Result:
        if self._error is not None:
            # Whoever asks again gets the same error, and not the traces of all who asked before.
            raise self._error.with_traceback(None)
        assert self._result is not None, "a run that is over has a result or an error"  # noqa: S101
        return self._result

    # What follows is for the network thread, which alone changes a run.

    def _stop(self) -> None:
        self._canceller()

    def _obey(self, canceller: Callable[[], None]) -> None:
        self._canceller = canceller
        if self._is_unwanted:
            canceller()

    def _attached(self, request_id: str) -> None:
        """It was submitted before; where it stands will be told."""
        with self._changed:
            self._id = self._id or request_id
            self._status = "queued" if self._status == "submitting" else self._status

    def _accept(self, request_id: str, stand_in: str) -> None:
        with self._changed:
            self._id, self._stand_in = request_id or self._id, stand_in or self._stand_in
            self._changed.notify_all()

    def _note_upload(self, sent: int, size: int) -> None:
        self._uploaded = sent, size

    def _publish(self, event: Event) -> None:
        with self._changed:
            if isinstance(event, Queued):
                self._status = "queued"
            elif isinstance(event, Started) or (self._status == "submitting" and not isinstance(event, Log)):
                self._status = "running"
            self._events.append(event)
            self._changed.notify_all()
        self._tell(event)

    def _settle(self, result: Result | None, error: BaseException | None = None) -> None:
        with self._changed:
            self._result, self._error = result, error
            self._status = "succeeded" if error is None else status_after(error, is_there=bool(self._id))
            ended = time.monotonic() if result is None else self._began + result.seconds
            self._ended = self._ended or ended
            self._over = True
            self._changed.notify_all()
        self._tell(None)

    def _tell(self, event: Event | None) -> None:
        with self._changed:
            listeners = tuple(self._listeners)
        for listener in listeners:
            # A listener that fails must not stop the run that it listens to.
            with contextlib.suppress(Exception):
                listener(event)


class Stream(Run):
    """A streamed call: a run whose events are what the model or workflow gives on its way."""

    def done(self, timeout: float | None = None) -> Any:
        """Wait for the end and return the final value: a workflow's output, or the last thing a model gave.

        Raises:
            NbkitError: As `result` does.
        """
        return self.result(timeout).data
