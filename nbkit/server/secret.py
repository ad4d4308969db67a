"""The secret that addresses of files are signed with: a server's own, or one that all have who share a store."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from typing import TYPE_CHECKING

from nbkit.errors import ConfigError, ServerError

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.stores.store import Store

VARIABLE = "NBKIT_SERVER_SECRET"
_SECRET_BYTES = 32
_SHORTEST = 32


def given_secret() -> bytes | None:
    """The secret that the environment gives, None where it gives none.

    Raises:
        ConfigError: It is so short that it might be guessed.
    """
    given = os.environ.get(VARIABLE, "")
    if given and len(given) < _SHORTEST:
        raise ConfigError(
            f"{VARIABLE} has fewer than {_SHORTEST} characters",
            hint="make one with: python -c 'import secrets; print(secrets.token_hex(32))'",
        )
    return hashlib.sha256(given.encode()).digest() if given else None


def shared_secret(path: Path, store: Store) -> bytes:
    """The secret of a store, made from the folder's when it is first needed; the folder keeps it, too.

    Raises:
        MediaError: The store cannot be reached.
        ServerError: The folder has another one, or the store's is damaged.
    """
    if store.size("secret") is None:
        store.create("secret", kept_secret(path))
    secret = store.read("secret", _SECRET_BYTES)
    if len(secret) != _SECRET_BYTES:
        raise ServerError(
            f"secret in {store.shown} is damaged", hint="delete it, and start all servers again"
        )
    if kept_secret(path, secret) != secret:
        raise ServerError(
            f"{path.parent} belongs to another server than those that share {store.shown}: its secret differs",
            hint=f"choose a new folder with --data-dir, delete {path}, or give all the same {VARIABLE}",
        )
    return secret


def kept_secret(path: Path, secret: bytes | None = None) -> bytes:
    """The 32 bytes of a secret, made when they are first needed and readable by their owner alone.

    Args:
        path: Where it is kept.
        secret: What is kept where there is none yet; something new when not given.

    Raises:
        ServerError: The file has another size.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret or secrets.token_bytes(_SECRET_BYTES))
        # Linked when it is whole: another process that starts now sees all of one secret or none.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    kept = path.read_bytes()
    if len(kept) != _SECRET_BYTES:
        raise ServerError(
            f"{path} is damaged", hint="delete it; what was signed with it before will not be known"
        )
    return kept
