"""Files that are not on this machine any more, fetched by their hash from the store that a lab shares."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import threading
import time
import warnings
from typing import TYPE_CHECKING

from nbkit.errors import MediaError, NbkitError
from nbkit.history.sharing import name_in_store
from nbkit.stores.address import shown
from nbkit.stores.chosen import chosen_store
from nbkit.stores.opening import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.history.files import FileStore, Incoming
    from nbkit.stores.store import Store

LARGEST = 2 * 2**30
"""Bytes of a file that is fetched."""
PATIENCE = 10.0
"""Seconds that a fetch may take, and one more for each MiB that has come."""
_SPARE = 256 * 2**20  # bytes that stay free on the disk
_PAUSE = 60.0  # seconds in which a store that failed, or does not have a file, is not asked again
_TICK = 0.2
_MiB = 2**20
_SHA256 = re.compile("[0-9a-f]{64}")

_not_before: dict[str, float] = {}  # a store's address, or that and a hash → when it may be asked again
_told: set[str] = set()


def fetch(files: FileStore, sha256: str, suffix: str = "", size: int | None = None) -> Path | None:
    """Fetch a file into the folder of kept files; None where it cannot be had, which a warning tells once.

    Args:
        files: The folder.
        sha256: Its hash. What has another one is not taken.
        suffix: The end of its name, as `.png`.
        size: Its bytes, where they are known.
    """
    url = chosen_store().url
    now = time.monotonic()
    earliest = max(_not_before.get(url, 0.0), _not_before.get(url + sha256, 0.0))
    if not url or not _SHA256.fullmatch(sha256) or earliest > now:
        return None
    try:
        fetching = _Fetching(open_store(url), files, sha256, suffix, size)
        found = fetching.wait()
    except (NbkitError, OSError, _Another) as error:
        held_back = url + sha256 if isinstance(error, _Another) else url
        _not_before[held_back] = time.monotonic() + _PAUSE
        _warn(url, str(error))
        return None
    if found is None:
        _not_before[url + sha256] = time.monotonic() + _PAUSE
    return found


def check(url: str) -> str:
    """What is wrong with a store, in words; an empty string where it can be written and read back."""
    trouble = [f"{shown(url)} does not answer within {PATIENCE:g} s"]

    def try_out() -> None:
        try:
            store, name, content = open_store(url), f"check/{secrets.token_hex(8)}", secrets.token_bytes(64)
            store.write(name, content)
            same = store.read(name, len(content)) == content
            store.delete(name)
            trouble[0] = "" if same else f"{shown(url)} gives other bytes than were written"
        except NbkitError as error:
            trouble[0] = " ".join(str(error).split())

    thread = threading.Thread(target=try_out, name="nbkit-store-check", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return trouble[0]


class _Another(Exception):
    """What stands under a hash is another file."""


class _Fetching:
    """One fetch, on a thread of its own, which is left behind where the store hangs."""

    def __init__(self, store: Store, files: FileStore, sha256: str, suffix: str, size: int | None) -> None:
        self._store, self._files = store, files
        self._sha256, self._suffix, self._size = sha256, suffix, size
        self._received = 0
        self._path: Path | None = None
        self._error: NbkitError | OSError | _Another | None = None
        self._is_over = threading.Event()
        threading.Thread(target=self._work, name="nbkit-fetching", daemon=True).start()

    def wait(self) -> Path | None:
        """The file, None where the store does not have it."""
        begun = time.monotonic()
        while not self._is_over.wait(_TICK):
            if time.monotonic() - begun > PATIENCE + self._received / _MiB:
                raise MediaError(f"{self._store.shown} is too slow: {self._received} bytes of a file came")
        if self._error is not None:
            raise self._error
        return self._path

    def _work(self) -> None:
        try:
            self._path = self._fetch()
        except (NbkitError, OSError, _Another) as error:
            self._error = error
        finally:
            self._is_over.set()

    def _fetch(self) -> Path | None:
        name = name_in_store(self._sha256)
        size = self._store.size(name)
        if size is None:
            return None
        if size > LARGEST or self._size not in (None, size):
            raise self._refused(_Another, f"has {size} bytes, so it was not taken")
        incoming = self._files.incoming()
        try:
            self._receive(name, size, incoming)
            return incoming.keep(self._suffix, shares=False).path
        except BaseException:
            incoming.drop()
            raise

    def _receive(self, name: str, size: int, incoming: Incoming) -> None:
        if shutil.disk_usage(self._files.folder).free - size < _SPARE:
            raise self._refused(MediaError, "has no room on this disk")
        digest = hashlib.sha256()
        for block in self._store.blocks(name, 0, size):
            incoming.write(block)
            digest.update(block)
            self._received += len(block)
        if digest.hexdigest() != self._sha256:
            raise self._refused(_Another, "is not what its name says")

    def _refused(self, kind: type[Exception], why: str) -> Exception:
        return kind(f"{name_in_store(self._sha256)} in {self._store.shown} {why}")


def _warn(url: str, trouble: str) -> None:
    if url not in _told:
        _told.add(url)
        warnings.warn(f"a file was not fetched: {trouble}", RuntimeWarning, stacklevel=2)
