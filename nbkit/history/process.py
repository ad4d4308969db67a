"""Which process writes a run, so that runs under way can be told from those whose kernel has died."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path


def this_process() -> tuple[int, str]:
    """Its id, and what tells it from an earlier process of the same id."""
    return os.getpid(), _own_marker(os.getpid())


def is_alive(pid: int, marker: str) -> bool:
    """Whether a process of this machine goes on. On Windows only this very process is known to."""
    if pid == os.getpid():
        return marker == _marker(pid)
    if sys.platform == "win32" or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass
    except (OSError, OverflowError):
        return False
    return marker == _marker(pid)


@cache
def _own_marker(pid: int) -> str:
    return _marker(pid)


def _marker(pid: int) -> str:
    """When it began, as Linux counts since the machine did; an empty string where nobody tells."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
        # The name of a program, in brackets, may hold anything.
        begun = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{boot}-{begun}"
