"""The keys of a server's users, in a file: a name, a date and a salted hash a line.

A key is 256 random bits, so one round of SHA-256 protects it; whoever reads the file can call nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from nbkit.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_PREFIX = "nbk_"
_SALT_BYTES = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LINE = re.compile(rf"({_NAME.pattern})\s+(\d{{4}}-\d\d-\d\d)\s+sha256\$([0-9a-f]{{32}})\$([0-9a-f]{{64}})")
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_LARGEST = 2**20  # bytes of a file, some six thousand keys


class StoredKey(NamedTuple):
    """What a file knows of one key.

    Attributes:
        name: Whose it is; one user may have several.
        added: The day on which it was made, as `2026-01-31`.
        salt: What is hashed before it.
        digest: SHA-256 of salt and key.
    """

    name: str
    added: str
    salt: bytes
    digest: bytes

    def matches(self, shown: bytes) -> bool:
        """Whether this is the key; takes as long for every other."""
        return hmac.compare_digest(_digest(self.salt, shown), self.digest)


def read_keys(path: Path) -> list[StoredKey]:
    """The keys of a file.

    Raises:
        ConfigError: It is not there, cannot be read, can be written by others, or a line is not one of `nbkit keys`.
            Lines are named by their number alone: one may hold a key as it is.
    """
    try:
        with path.open("rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"the file of keys {path} cannot be read: {error.strerror}",
            hint=f"make it with: nbkit keys add NAME --file {path}",
        ) from error
    if os.name == "posix" and mode & _WRITABLE_BY_OTHERS:
        raise ConfigError(
            f"others can write to the file of keys {path}, and let themselves in", hint=f"chmod 600 {path}"
        )
    if len(content) > _LARGEST:
        raise ConfigError(f"the file of keys {path} is larger than {_LARGEST // 2**20} MiB")
    found = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        words = line.strip()
        if words and not words.startswith("#"):
            found.append(_read_line(words, f"line {number} of {path}"))
    return found


def add_key(path: Path, name: str) -> str:
    """Make a key for a user, and write its hash down; a file is made where there is none.

    Returns:
        The key. It is nowhere else.

    Raises:
        ConfigError: The name cannot be one, or the file is not one of keys or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name[:80]!r} cannot be a user's name; it takes letters, digits and . _ @ -")
    if path.exists():
        read_keys(path)
    key, salt = f"{_PREFIX}{secrets.token_urlsafe(32)}", secrets.token_bytes(_SALT_BYTES)
    line = f"{name} {datetime.now(UTC).date()} sha256${salt.hex()}${_digest(salt, key.encode()).hex()}\n"
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b") as file:
            ended = _ends_a_line(file.fileno())
            file.write(line.encode("ascii") if ended else f"\n{line}".encode("ascii"))
    except OSError as error:
        raise ConfigError(f"the file of keys {path} cannot be written: {error.strerror}") from error
    return key


def revoke_keys(path: Path, name: str) -> int:
    """Take all keys of a user out of the file, at one stroke.

    Returns:
        How many there were.

    Raises:
        ConfigError: The file is not one of keys, or cannot be written.
    """
    count = sum(key.name == name for key in read_keys(path))
    kept = [line for line in path.read_text("utf-8").splitlines(keepends=True) if line.split()[:1] != [name]]
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write("".join(kept).encode())
            os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise ConfigError(f"the file of keys {path} cannot be written: {error.strerror}") from error
    return count


def _read_line(words: str, place: str) -> StoredKey:
    found = _LINE.fullmatch(words)
    if found is None:
        raise ConfigError(f"{place} is not a key's", hint="let `nbkit keys add` write them")
    name, added, salt, digest = found.groups()
    return StoredKey(name, added, bytes.fromhex(salt), bytes.fromhex(digest))


def _digest(salt: bytes, key: bytes) -> bytes:
    return hashlib.sha256(salt + key).digest()


def _ends_a_line(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return not size or os.pread(descriptor, 1, size - 1) == b"\n"
