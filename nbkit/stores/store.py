"""What a store can do, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from nbkit.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

BLOCK = 2**20
"""Bytes that are read at once."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that was found in a folder of a store.

    Attributes:
        name: Its name in that folder.
        size: Bytes.
        written: When it was written, in seconds since 1970; None where the store does not tell.
    """

    name: str
    size: int
    written: float | None


class Store(ABC):
    """Files by name. A name is relative, with `/` between folders; who uses a store makes its names.

    Everything blocks, may be called from any thread, and raises MediaError where the store cannot do it. A file
    appears under its name when it is whole.

    Attributes:
        shown: Its address for people.
    """

    shown: str

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """A file to be read; it can be sought in.

        Raises:
            MediaError: There is none, or it cannot be read.
        """

    @abstractmethod
    def write(self, name: str, content: bytes | Path) -> None:
        """Keep bytes, or a copy of a local file, in place of what was there."""

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Keep a few bytes, unless there is such a file; tells whether there was none."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Drop a file, if it is there."""

    @abstractmethod
    def listing(self, folder: str) -> Iterator[Listed]:
        """The files of a folder, without those below it; none where there is no such folder."""

    @abstractmethod
    def failed(self, error: BaseException, what: str) -> MediaError:
        """The error of something that could not be done."""

    def path(self, name: str) -> Path | None:  # noqa: ARG002 - a store elsewhere has no paths
        """Where a file lies on this machine, whether it exists or not; None in a store that is elsewhere."""
        return None

    def take(self, name: str, draft: Path) -> None:
        """Keep a local file, which is gone from where it was."""
        self.write(name, draft)
        draft.unlink(missing_ok=True)

    def read(self, name: str, limit: int) -> bytes:
        """A file that is small.

        Raises:
            MediaError: There is none, it cannot be read, or it is larger than `limit` bytes.
        """
        content = b"".join(self.blocks(name, 0, limit + 1))
        if len(content) > limit:
            raise MediaError(f"{name} in {self.shown} is larger than {limit} bytes")
        return content

    def blocks(self, name: str, start: int = 0, end: int | None = None) -> Generator[bytes, None, None]:
        """The bytes of a file, from one place to before another, piece by piece."""
        file = self.open(name)
        try:
            if start:
                file.seek(start)
            left = BLOCK if end is None else end - start
            while left > 0 and (block := file.read(min(BLOCK, left))):
                yield block
                left -= 0 if end is None else len(block)
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            raise self.failed(error, f"{name} cannot be read from") from None
        finally:
            file.close()
