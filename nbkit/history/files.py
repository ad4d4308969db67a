"""Files by what is in them: the same bytes are kept once, under their hash."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO

from nbkit.errors import MediaError
from nbkit.history.fetching import fetch
from nbkit.history.sharing import go_on, mark

ORIGINALS = "nbkit_files"
"""The folder of whole files beside a notebook."""
_PREFIX = 16
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
# A browser would run what stands in these, with the notebook server as its origin.
_ACTIVE = (
    ".html",
    ".htm",
    ".xhtml",
    ".shtml",
    ".svg",
    ".svgz",
    ".xml",
    ".xsl",
    ".js",
    ".mjs",
    ".mht",
    ".ipynb",
)


def name_beside(sha256: str, name: str) -> str:
    """The name of a file in the folder beside a notebook, by its hash and the name or path that it has elsewhere."""
    inert = tuple(f"{suffix}.txt" for suffix in _ACTIVE)
    suffix = PurePath(name.removesuffix(".txt") if name.endswith(inert) else name).suffix.lower()
    if not _SUFFIX.fullmatch(suffix):
        suffix = ""
    return sha256[:_PREFIX] + (f"{suffix}.txt" if suffix in _ACTIVE else suffix)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is kept.

    Attributes:
        path: Where.
        sha256: Hexadecimal hash of its bytes.
        size: Bytes.
    """

    path: Path
    sha256: str
    size: int


class FileStore:
    """A folder of files named by their SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def incoming(self) -> Incoming:
        """A file to be written piece by piece.

        Raises:
            MediaError: The folder cannot be written.
        """
        return Incoming(self)

    def path_of(self, sha256: str, suffix: str) -> Path:
        """Where the bytes with a hash are kept."""
        clean = suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else ""
        return self.folder / sha256[:2] / f"{sha256}{clean.lower()}"

    def find(self, sha256: str) -> Path | None:
        """The kept file with a hash, fetched from a shared store where it is not here; None where there is none."""
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            return None
        return next((self.folder / sha256[:2]).glob(f"{sha256}*"), None) or fetch(self, sha256)


class Incoming:
    """A file that is being received; nobody sees it until it is kept."""

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self._hash = hashlib.sha256()
        self.size = 0
        try:
            store.folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed by keep or drop
                dir=store.folder, prefix=".incoming-", delete=False
            )
        except OSError as error:
            raise _unwritable(store.folder, error) from error
        self.path = Path(self._file.name)

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            MediaError: The disk is full or failing.
        """
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _unwritable(self.store.folder, error) from error
        self._hash.update(chunk)
        self.size += len(chunk)

    def flush(self) -> Path:
        """Bring what was written to the file, and return its path, so that it can be looked at.

        Raises:
            MediaError: The disk is full or failing.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.store.folder, error) from error
        return self.path

    def keep(self, suffix: str, *, shares: bool = True) -> Stored:
        """Put it into the store.

        Args:
            suffix: The end of its name.
            shares: Whether it goes to the store that a lab shares, too, where there is one.

        Raises:
            MediaError: The disk is full or failing.
        """
        sha256 = self._hash.hexdigest()
        target = self.store.path_of(sha256, suffix)
        try:
            self._file.close()
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o644)
            if shares:
                mark(self.store.folder, target.name)
            os.replace(self.path, target)  # noqa: PTH105 - the atomic one
        except OSError as error:
            raise _unwritable(self.store.folder, error) from error
        if shares:
            go_on(self.store.folder)
        return Stored(target, sha256, self.size)

    def drop(self) -> None:
        """Forget it."""
        with contextlib.suppress(OSError):  # closing writes what is left, and a full disk refuses it again
            self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> MediaError:
    return MediaError(
        f"cannot write to {folder}: {error.strerror or error}",
        hint="free some space, or set NBKIT_HOME to another folder",
    )
