"""Copies kept files to the store that a lab shares, in the background: no run waits for it, or fails by it.

What is to be copied is marked in a folder beside the files before the file appears there, and the mark goes when the
copy is in the store. So a process that ends, however it does, leaves to the next one what it has not copied.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from nbkit.errors import NbkitError
from nbkit.history.process import is_alive, this_process
from nbkit.stores.address import shown
from nbkit.stores.chosen import chosen_store
from nbkit.stores.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbkit.stores.store import Store

EXIT_SECONDS = 5.0
"""How long a process that ends waits for copies."""
_MARKS = ".unshared"
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0  # seconds before a store that failed is tried again
_MOST_FAILURES = 3  # in a row, after which the others need not be tried
_BEING_KEPT = 60.0  # seconds within which a marked file has appeared


def name_in_store(sha256: str) -> str:
    """What a file is called in the store: its hash alone, by which everybody finds it."""
    return f"originals/{sha256[:2]}/{sha256}"


def mark(folder: Path, name: str) -> None:
    """Note that a file is to be copied, if there is a store; call it before the file has its name.

    Args:
        folder: The folder of kept files.
        name: The file's name, which begins with its hash.
    """
    url = chosen_store().url
    if not url:
        return
    with contextlib.suppress(OSError):  # a disk that is full fails the file itself
        marks = _marks(folder, url)
        marks.mkdir(parents=True, exist_ok=True)
        pid, process = this_process()
        (marks / name).write_text(f"{pid} {process}", "ascii")


def go_on(folder: Path) -> None:
    """Copy what is marked, also by processes that have ended; returns at once."""
    if (folder / _MARKS).exists():
        _sharer().wake(folder)


def waiting(folder: Path) -> int:
    """How many files are not in the chosen store yet."""
    url = chosen_store().url
    return sum(1 for _ in _marked(_marks(folder, url))) if url else 0


def troubles() -> list[str]:
    """What the user has not been told yet."""
    return _current.troubles() if _current is not None else []


class Sharer:
    """The one thread of a process that copies files."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._folders: set[Path] = set()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._is_failing = self._was_told = False
        self._trouble: list[str] = []
        with contextlib.suppress(NbkitError):  # told when it is used
            open_store(chosen_store().url)  # while a process ends nothing more can be imported
        self._thread = threading.Thread(target=self._work, name="nbkit-sharing", daemon=True)
        self._thread.start()

    def wake(self, folder: Path) -> None:
        """Look for marked files in a folder, too."""
        self._folders.add(folder)
        self._wake.set()

    def close(self) -> None:
        """Give what is marked a few seconds, unless the store fails anyway; the next process copies the rest."""
        if self.pid != os.getpid():
            return
        self._stop.set()
        self._wake.set()
        if not self._is_failing:
            self._thread.join(EXIT_SECONDS)
        for trouble in self.troubles():
            sys.stderr.write(f"nbkit: {trouble}\n")

    def troubles(self) -> list[str]:
        """What the user has not been told yet."""
        found, self._trouble = self._trouble, []
        return found

    def _work(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stop.is_set() or self._wake.is_set():
            self._wake.wait()
            self._wake.clear()
            self._is_failing = not self._copy_all()
            if self._is_failing:
                if self._stop.wait(pause):
                    return
                self._wake.set()
            pause = min(2 * pause, _LONGEST_PAUSE) if self._is_failing else _FIRST_PAUSE

    def _copy_all(self) -> bool:
        """Copy what is marked; tells whether all of it is in the store, or nowhere else any more."""
        url, failures = chosen_store().url, 0
        try:
            store = open_store(url) if url else None
        except NbkitError as error:
            self._tell(str(error))
            return False
        if store is None:
            return True
        for folder in tuple(self._folders):
            for marked in _marked(_marks(folder, url)):
                try:
                    _copy(folder, marked, store)
                except (NbkitError, OSError) as error:
                    failures += 1
                    self._tell(
                        f"{error}\n  → files stay on this machine, and are copied to {shown(url)} later"
                    )
                    if failures >= _MOST_FAILURES:
                        return False
        return not failures

    def _tell(self, trouble: str) -> None:
        if not self._was_told:
            self._was_told = True
            self._trouble.append(trouble)


def _marks(folder: Path, url: str) -> Path:
    """Where files for a store are marked: what was kept for one store goes to no other."""
    return folder / _MARKS / hashlib.sha256(url.encode()).hexdigest()[:16]


def _marked(marks: Path) -> Iterator[Path]:
    """The marks of this process, and of those that have ended."""
    with contextlib.suppress(OSError):
        for path in sorted(marks.iterdir()):
            with contextlib.suppress(OSError, ValueError):
                pid, _, process = path.read_text("ascii").partition(" ")
                if int(pid or 0) == os.getpid() or not is_alive(int(pid or 0), process):
                    yield path


def _copy(folder: Path, marked: Path, store: Store) -> None:
    """Copy a marked file, unless it is in the store, and remove the mark."""
    sha256 = marked.name.partition(".")[0]
    file = folder / sha256[:2] / marked.name
    if file.is_file():
        try:
            if store.size(name_in_store(sha256)) != file.stat().st_size:
                store.write(name_in_store(sha256), file)
        except (NbkitError, OSError):
            if file.is_file():  # else it was pruned meanwhile
                raise
    elif time.time() - marked.stat().st_mtime < _BEING_KEPT:
        return
    marked.unlink(missing_ok=True)


_lock = threading.Lock()
_current: Sharer | None = None


def _sharer() -> Sharer:
    """The sharer of this process, started at first use and made anew after a fork."""
    global _current  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = Sharer()
            # Drivers need the interpreter's threads, which are closed before `atexit` runs its hooks, and this one
            # runs before those that were registered earlier.
            import concurrent.futures.thread  # noqa: F401 - registers its own

            with contextlib.suppress(RuntimeError):  # the process is ending already
                threading._register_atexit(_current.close)  # type: ignore[attr-defined]  # noqa: SLF001 - the only hook early enough
        return _current


def _forget() -> None:
    """A child process has no thread of its parent's, and maybe a lock that nobody will release."""
    global _current, _lock
    _current, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
