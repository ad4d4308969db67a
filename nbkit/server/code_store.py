"""The code of users' functions, each under the hash of its content.

A worker on any machine asks for code by this name, so what it runs is what was declared, whatever became of the file.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from typing import TYPE_CHECKING

from nbkit.errors import ServerError

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST = re.compile(r"[0-9a-f]{64}")


class CodeStore:
    """Pieces of code below one folder. Several processes may use it at once.

    Args:
        folder: Where they are kept; made when the first one comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Keep a piece of code, and give the name that it has from now on: its SHA-256, in hexadecimal digits."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._folder / digest
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = self._folder / f"draft-{secrets.token_hex(8)}"
            # Pickled code runs where it is loaded, so nobody else may put or read any here.
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
            draft.replace(path)
        return digest

    def get(self, digest: str) -> bytes:
        """A piece of code.

        Raises:
            ServerError: There is none of this name, or it is not what was put.
        """
        try:
            content = (self._folder / digest).read_bytes() if _DIGEST.fullmatch(digest) else b""
        except FileNotFoundError:
            content = b""
        if hashlib.sha256(content).hexdigest() != digest:
            raise ServerError(
                f"the code {digest[:16]!r} is not in {self._folder}, or was damaged there",
                hint="declare the function again: run its cell, or start the server with its file",
            )
        return content

    def remove(self, digest: str) -> None:
        """Keep a piece of code no more."""
        if _DIGEST.fullmatch(digest):
            (self._folder / digest).unlink(missing_ok=True)
