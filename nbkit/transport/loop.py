"""One thread with one event loop does all network work of a process; callers only wait.

A notebook's own loop is busy while a cell runs and idle while none does, so neither may carry a run. Waiting ticks:
a kernel delivers an interrupt only to a thread, or to a loop, that wakes up (an idle ipykernel loop does not).
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 - registers its hook before ours, so that it runs after ours
import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

T = TypeVar("T")

TICK = 0.2
"""Seconds between two looks of somebody who waits."""


class LoopThread:
    """A daemon thread that runs one event loop."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name="nbkit-network", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


_lock = threading.Lock()
_current: LoopThread | None = None
_at_exit: list[weakref.WeakMethod[Callable[[], Coroutine[Any, Any, None]]]] = []
_EXIT_GRACE = 2.0


def network_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process, started at first use and made anew after a fork."""
    global _current  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = LoopThread()
        return _current.loop


def on_network_thread() -> bool:
    """Whether the caller is the network thread itself, which must never wait for its own work."""
    return _current is not None and threading.current_thread() is _current.thread


def hand_over(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Start work on the network thread.

    The caller's context variables go along: that is how a kernel knows which cell an output belongs to.
    """
    return asyncio.run_coroutine_threadsafe(work, network_loop())


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Do work on the network thread and wait for it; an interrupt cancels it.

    Raises:
        RuntimeError: Called on the network thread, which would wait for ever.
    """
    if on_network_thread():
        work.close()
        raise RuntimeError("a blocking nbkit call was made on nbkit's own network thread: await it instead")
    future = hand_over(work)
    try:
        while True:
            with contextlib.suppress(TimeoutError):
                return future.result(TICK)
            if future.done():
                return future.result()
    except BaseException:
        future.cancel()
        raise


async def awaiting(work: Coroutine[Any, Any, T]) -> T:
    """Do work on the network thread and await it from any loop; cancelling the wait cancels the work."""
    future = hand_over(work)
    waiter = asyncio.wrap_future(future)
    try:
        while not waiter.done():
            await asyncio.wait({waiter}, timeout=TICK)
        return waiter.result()
    except asyncio.CancelledError:
        future.cancel()
        raise


def at_exit(closing: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Have a method called on the network thread when the process ends, in bounded time, if its object still lives."""
    _at_exit[:] = [reference for reference in _at_exit if reference()]
    _at_exit.append(weakref.WeakMethod(closing))


def _close_all() -> None:
    if _current is None or _current.pid != os.getpid() or not _at_exit:
        return

    async def close() -> None:
        living = [closing for reference in list(_at_exit) if (closing := reference())]
        await asyncio.gather(*(closing() for closing in living), return_exceptions=True)

    with contextlib.suppress(Exception):
        asyncio.run_coroutine_threadsafe(close(), _current.loop).result(_EXIT_GRACE)


def _forget() -> None:
    """A child process has no thread of its parent's, and maybe a lock that nobody will release."""
    global _current, _lock
    _current, _lock = None, threading.Lock()
    _at_exit.clear()


# Looking up a host needs the interpreter's threads, which are closed before `atexit` runs its hooks.
threading._register_atexit(_close_all)  # type: ignore[attr-defined]  # noqa: SLF001 - the only hook early enough
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
