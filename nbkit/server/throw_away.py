"""Folders of the servers that kernels start: each has one of its own, and none stays behind.

What such a server knows is of use to one kernel only, which is gone when the server is. One that was killed cannot
clean up; the next one does it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit.config import data_dir
from nbkit.server.journal_file import in_use
from nbkit.server.journal_sqlite import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEING_MADE = 60.0  # seconds in which a server has surely locked its new folder


@contextlib.contextmanager
def throw_away_folder() -> Iterator[Path]:
    """A new folder in nbkit's data folder, removed at the end; those that killed servers left are removed too."""
    home = data_dir() / "embedded"
    home.mkdir(parents=True, exist_ok=True)
    threading.Thread(target=drop_stale, args=(home,), name="nbkit-stale", daemon=True).start()
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def drop_stale(home: Path) -> None:
    """Remove the folders that no server uses any more."""
    youngest = time.time() - _BEING_MADE
    for folder in home.iterdir():
        with contextlib.suppress(OSError):  # another server may be at it too
            if folder.stat().st_mtime < youngest and not in_use(folder / FILE):
                shutil.rmtree(folder, ignore_errors=True)
