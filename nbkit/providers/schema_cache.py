"""Documents of endpoints, kept on disk: for days without a network, and for checking inputs without waiting."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.wire.fal.openapi import LARGEST_DOCUMENT

if TYPE_CHECKING:
    from pathlib import Path

_MOST_FILES = 500
_MANY_FEWER = 400
_LARGEST_FILE = 2 * LARGEST_DOCUMENT


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as it came.

    Attributes:
        content: The document.
        fetched_at: When the service gave it or confirmed it, in seconds since 1970.
        etag: The service's mark of this version, an empty string where it gives none.
    """

    content: bytes
    fetched_at: float
    etag: str = ""


class SchemaCache:
    """A folder of documents, one file for each address. Broken files and full disks are as if nothing was kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, url: str) -> Kept | None:
        """What is kept of an address, None where nothing is."""
        try:
            path = self._path(url)
            if path.stat().st_size > _LARGEST_FILE:
                return None
            head, _, content = path.read_bytes().partition(b"\n")
            about = json.loads(head)
            if about["url"] != url or about["size"] != len(content):
                return None
            return Kept(content, float(about["fetched_at"]), str(about["etag"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def write(self, url: str, kept: Kept) -> None:
        """Keep a document, all of it or nothing: readers see the old file or the new one."""
        about = {"url": url, "fetched_at": kept.fetched_at, "etag": kept.etag, "size": len(kept.content)}
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(json.dumps(about).encode() + b"\n" + kept.content)
                os.replace(name, self._path(url))  # noqa: PTH105 - the name is text already
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)  # noqa: PTH108
                raise
            self._shrink()

    def _path(self, url: str) -> Path:
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.schema"

    def _shrink(self) -> None:
        """Forget the oldest once there are many."""
        files = list(self._folder.iterdir())
        if len(files) <= _MOST_FILES:
            return
        files.sort(key=lambda path: path.stat().st_mtime)
        for path in files[:-_MANY_FEWER]:
            path.unlink(missing_ok=True)
