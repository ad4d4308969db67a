"""A store that is a folder of this machine, or one that is mounted here."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from typing import IO, TYPE_CHECKING

from nbkit.errors import MediaError
from nbkit.stores.store import BLOCK, Listed, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FolderStore(Store):
    """The files below one folder, which is made when something is written. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown = str(folder)

    def path(self, name: str) -> Path:
        """Where a file lies, whether it exists or not."""
        return self.folder / name

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none, or no plain one."""
        try:
            facts = os.lstat(self.folder / name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self.failed(error, f"{name} cannot be looked for in") from error
        return facts.st_size if stat.S_ISREG(facts.st_mode) else None

    def open(self, name: str) -> IO[bytes]:
        """A file to be read."""
        try:
            return (self.folder / name).open("rb")
        except OSError as error:
            raise self.failed(error, f"{name} cannot be read from") from error

    def write(self, name: str, content: bytes | Path) -> None:
        """Write beside the name, and then give it the name."""
        draft = self._beside(name)
        try:
            with self._opened(draft) as to:
                if isinstance(content, bytes):
                    to.write(content)
                else:
                    with content.open("rb") as file:
                        shutil.copyfileobj(file, to, BLOCK)
            os.replace(draft, self.folder / name)  # noqa: PTH105 - the atomic one
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise self.failed(error, f"{name} cannot be written to") from error

    def take(self, name: str, draft: Path) -> None:
        """Move a file here; one that lies on another disk is copied."""
        try:
            os.replace(draft, self.folder / name)  # noqa: PTH105 - the atomic one
        except OSError:  # another disk, or a folder that is not there yet
            super().take(name, draft)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that only its owner can read, unless there is one: others see all of it or none."""
        draft = self._beside(name)
        try:
            draft.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
            try:
                os.link(draft, self.folder / name)
            except FileExistsError:
                return False
            finally:
                draft.unlink()
        except OSError as error:
            raise self.failed(error, f"{name} cannot be written to") from error
        return True

    def delete(self, name: str) -> None:
        """Drop a file, if it is there."""
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise self.failed(error, f"{name} cannot be deleted from") from error

    def listing(self, folder: str) -> Iterator[Listed]:
        """The files of a folder."""
        try:
            entries = list(os.scandir(self.folder / folder))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self.failed(error, f"{folder} cannot be listed in") from error
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another process may be at it too
                if entry.is_file(follow_symlinks=False):
                    facts = entry.stat(follow_symlinks=False)
                    yield Listed(entry.name, facts.st_size, facts.st_mtime)

    def failed(self, error: BaseException, what: str) -> MediaError:
        """The error of something that could not be done."""
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return MediaError(f"{what} {self.shown}: {why}")

    @staticmethod
    def _opened(draft: Path) -> IO[bytes]:
        try:
            return draft.open("xb")
        except FileNotFoundError:
            draft.parent.mkdir(parents=True, exist_ok=True)
            return draft.open("xb")

    def _beside(self, name: str) -> Path:
        return (self.folder / name).with_name(f".part-{secrets.token_hex(8)}")
