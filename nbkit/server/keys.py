"""Whose key a caller shows: the server's own, or one of its users' from a file that may change at any time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import TYPE_CHECKING

from nbkit.errors import ConfigError
from nbkit.server import logs
from nbkit.server.key_file import read_keys

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.server.key_file import StoredKey

OWNER = ""
"""Who shows the server's own key, or anybody where no key is needed: sees the requests of all."""

NOBODY = "-"
"""Who shows no key where none is needed: sees no requests."""

_LOOK_AGAIN = 1.0  # seconds


class Keys:
    """The keys that a server takes.

    Args:
        own: The server's own, an empty string for none.
        path: The file of its users' keys, None for none.

    Raises:
        ConfigError: The file cannot be used.
    """

    def __init__(self, own: str, path: Path | None) -> None:
        self._own = own.encode()
        self._path = path
        self._state: tuple[int, ...] | None = None
        self._stored: list[StoredKey] = []
        self._names: frozenset[str] = frozenset()
        self._seen: dict[bytes, str] = {}
        self._news = asyncio.Event()
        if path is not None:
            self._state = _state(path)
            self._take(read_keys(path))

    @property
    def are_needed(self) -> bool:
        """Whether callers have to show one."""
        return bool(self._own) or self._path is not None

    def user_of(self, shown: bytes) -> str | None:
        """Whose a key is, None where it is nobody's."""
        if not self.are_needed:
            return OWNER
        if self._own and hmac.compare_digest(shown, self._own):
            return OWNER
        # What is looked up is a hash, so the time that it takes tells nothing of any key.
        seen = hashlib.sha256(shown).digest()
        if seen not in self._seen:
            found = next((key.name for key in self._stored if key.matches(shown)), None)
            if found is None:
                return None
            self._seen[seen] = found
        return self._seen[seen]

    def know(self, user: str) -> bool:
        """Whether a user still has a key."""
        return user in self._names or (user == OWNER and (bool(self._own) or not self.are_needed))

    def read_again(self) -> None:
        """Take the file as it is now. Where it cannot be used, the keys of before stay, and the log says so."""
        if self._path is None:
            return
        try:
            self._state = _state(self._path)
            stored = read_keys(self._path)
        except ConfigError as error:
            logs.warn("keys_not_read", f"{error}; the keys of before are taken still")
            return
        self._take(stored)
        logs.tell("keys_read", keys=len(stored), users=len(self._names))

    async def watch(self) -> None:
        """Take the file again whenever it changes, until cancelled."""
        while self._path is not None:
            await asyncio.sleep(_LOOK_AGAIN)
            if await asyncio.to_thread(_state, self._path) != self._state:
                self.read_again()

    async def until_revoked(self, user: str) -> None:
        """Wait until a user has no key any more."""
        while self.know(user):
            await self._news.wait()

    def _take(self, stored: list[StoredKey]) -> None:
        self._stored, self._seen = stored, {}
        self._names = frozenset(key.name for key in stored)
        news, self._news = self._news, asyncio.Event()
        news.set()


def _state(path: Path) -> tuple[int, ...] | None:
    """What is other when a file has changed, also where another has taken its place; None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_mode
