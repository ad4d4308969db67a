"""The one place where a running event loop is entered a second time.

A synchronous call made inside a running loop, with a coroutine that belongs to that loop (an asynchronous callback),
cannot be done by the network thread: the coroutine would meet another loop. Nothing is patched before that happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from nbkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

_SAFE_KERNEL = 7
_ADVICE = "use nbkit.AsyncClient and await the call, or make the callback a plain function"


def run_on_callers_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on the caller's own loop, which may be running.

    Raises:
        ConfigError: This loop cannot be entered again without breaking the kernel.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    try:
        _allow_reentry(loop)
    except BaseException:
        work.close()
        raise
    task = loop.create_task(work)
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        raise


def _allow_reentry(loop: asyncio.AbstractEventLoop) -> None:
    try:
        import nest_asyncio2 as nest
    except ImportError:
        _refuse_where_it_breaks()
        import nest_asyncio as nest
    try:
        nest.apply(loop)
    except ValueError as error:  # uvloop
        raise ConfigError(f"this event loop cannot be entered again: {error}", hint=_ADVICE) from error


def _refuse_where_it_breaks() -> None:
    """nest-asyncio 1.6 loses the cells queued behind a synchronous one in ipykernel 7, and all tasks in Python 3.14."""
    kernel = sys.modules.get("ipykernel")
    version = str(getattr(kernel, "__version__", "0")).partition(".")[0]
    if sys.version_info >= (3, 14) or int(version) >= _SAFE_KERNEL:
        raise ConfigError("an asynchronous callback cannot run here without nest-asyncio2", hint=_ADVICE)
