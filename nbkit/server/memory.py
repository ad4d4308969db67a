"""How much memory a worker holds, watched from outside."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

_LOOK_SECONDS = 0.2
_LOOKS_BETWEEN_CHILDREN = 5  # finding children reads a file for each process of the machine
_SHARE = 0.75
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def _default_limit() -> int:
    """Three quarters of what this machine has, or the container that this is."""
    import psutil

    total = int(psutil.virtual_memory().total)
    with contextlib.suppress(OSError, ValueError):  # "max" is no number, and other systems have no such file
        total = min(total, int(_CONTAINER.read_text("ascii")))
    return int(total * _SHARE)


async def watch_memory(pid: int, limit: int | None, passed: Callable[[int, int], None]) -> None:
    """Look at a process and its children now and then, until they hold too much or the process is gone.

    Args:
        pid: The process.
        limit: Bytes that they may hold together, None for three quarters of the machine's.
        passed: Called once, with the bytes that they hold and those that they may, when that is more.
    """
    # Off the loop: the first load of a library takes a while.
    await asyncio.to_thread(importlib.import_module, "psutil")
    import psutil

    most = limit or _default_limit()
    with contextlib.suppress(psutil.NoSuchProcess):
        process, children, looks = psutil.Process(pid), 0, 0
        while True:
            if looks % _LOOKS_BETWEEN_CHILDREN == 0:
                children = await asyncio.to_thread(_held_by_children, process)
            if (held := _resident(process) + children) > most:
                passed(held, most)
                return
            looks += 1
            await asyncio.sleep(_LOOK_SECONDS)


async def holds_more(pid: int, limit: int | None) -> bool:
    """Whether a process and its children hold more than a number of bytes; what has no limit holds no more."""
    if limit is None:
        return False
    await asyncio.to_thread(importlib.import_module, "psutil")
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return _resident(process) + await asyncio.to_thread(_held_by_children, process) > limit
    return False


def _resident(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def _held_by_children(process: psutil.Process) -> int:
    """The bytes of all children; what they share with others is counted in part, where the system can tell."""
    import psutil

    held = 0
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            try:
                held += int(child.memory_full_info().pss)
            except (psutil.AccessDenied, AttributeError):
                held += _resident(child)
    return held
