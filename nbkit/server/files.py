"""Files that the server keeps: uploads and outputs, each behind an address that nobody can guess.

A file is two entries of one folder, `<id>` and `<id>.json`. What clients call it stands only in the latter, so no
name from outside ever becomes part of a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from nbkit.errors import ServerError

if TYPE_CHECKING:
    from pathlib import Path

_ID = re.compile(r"[0-9a-f]{32}")
_TYPE = re.compile(r"[\w.+-]{1,80}/[\w.+-]{1,80}(; ?[\w-]{1,40}=[\w.\"-]{1,80})*", re.ASCII)
_LONGEST_NAME = 120
_SECRET_BYTES = 32
_STALE_SECONDS = 86_400
_OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file.

    Attributes:
        id: 32 hexadecimal digits.
        name: What people call it; safe as the last part of an address.
        content_type: MIME type.
        expires: From when on it is gone, in seconds since 1970; None for never.
    """

    id: str
    name: str
    content_type: str
    expires: float | None = None

    @classmethod
    def new(cls, name: str, content_type: str, seconds: float | None = None) -> StoredFile:
        """A file to be: with a new id, its name and type made safe, to be kept for some seconds or for ever."""
        clean = re.sub(r"[^\w.\-]+", "_", name.replace("\\", "/").rpartition("/")[2]).strip("._")
        kind = content_type.strip()
        return cls(
            secrets.token_hex(16),
            clean[-_LONGEST_NAME:] or "file",
            kind if _TYPE.fullmatch(kind) else _OCTETS,
            None if seconds is None else time.time() + seconds,
        )

    @classmethod
    def named(cls, name: str, content_type: str) -> StoredFile:
        """A file to be, under the very name that it came with, which is safe to tell and in no address."""
        return replace(cls.new("", content_type), name=name)

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= time.time()


class FileStore:
    """The files below one folder. Several processes may use it at once.

    Attributes:
        mark: What stands in a model's output in place of the address of the files, until it is known by which
            address the client reaches the server. Nobody outside can write it.
    """

    def __init__(self, folder: Path) -> None:
        self._files = folder / "files"
        self._parts = folder / "parts"
        self._files.mkdir(parents=True, exist_ok=True)
        self._parts.mkdir(parents=True, exist_ok=True)
        self._secret = kept_secret(folder / "secret")
        self.mark = f"nbkit-file:{self._sign('mark', '')}/"

    def path(self, file_id: str) -> Path | None:
        """Where a file's bytes are, whether they exist or not; None for what is not an id."""
        return self._files / file_id if _ID.fullmatch(file_id) else None

    def part(self, file_id: str, number: int) -> Path | None:
        """Where one part of a file that comes in parts is; None for what is not an id."""
        return self._parts / f"{file_id}.{number}" if _ID.fullmatch(file_id) else None

    def parts(self, file_id: str) -> list[Path]:
        """All parts that have come of a file."""
        return sorted(self._parts.glob(f"{file_id}.*")) if _ID.fullmatch(file_id) else []

    def draft(self) -> Path:
        """A new path for bytes that are on their way in."""
        return self._parts / f"draft-{secrets.token_hex(8)}"

    def drop_stale(self) -> None:
        """Drop parts and drafts of uploads that broke off a day ago or earlier."""
        oldest = time.time() - _STALE_SECONDS
        for path in self._parts.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another server may be at it too
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def drop_expired(self) -> None:
        """Drop the files whose time is over."""
        for path in self._files.glob("*.json"):
            file = self._described(path.stem)
            if file is not None and file.expired:
                (self._files / file.id).unlink(missing_ok=True)
                path.unlink(missing_ok=True)

    def trim(self, seconds: float, size: int) -> None:
        """Drop files that are too old, then the oldest until the rest is not too large.

        Args:
            seconds: How old a file may be.
            size: Bytes that all may have together.
        """
        found = []
        for path in self._files.iterdir():
            with contextlib.suppress(FileNotFoundError):
                facts = path.stat()
                found.append((facts.st_mtime, facts.st_size, path))
        oldest, total = time.time() - seconds, 0
        for written, length, path in sorted(found, reverse=True):
            total += length
            if written < oldest or total > size:
                path.unlink(missing_ok=True)
                if not path.suffix:
                    path.with_suffix(".json").unlink(missing_ok=True)

    def describe(self, file: StoredFile) -> None:
        """Write down what a file is called and which type it has."""
        (self._files / f"{file.id}.json").write_text(json.dumps(asdict(file)), "utf-8")

    def put(self, file: StoredFile, content: bytes | Path) -> None:
        """Keep bytes, or move a finished draft here."""
        draft = content if not isinstance(content, bytes) else self.draft()
        if isinstance(content, bytes):
            draft.write_bytes(content)
        self.describe(file)
        os.replace(draft, self._files / file.id)  # noqa: PTH105 - Path.replace, said plainly: it is atomic

    def find(self, file_id: str) -> StoredFile | None:
        """What a file is called; None where there is none, or only a promise of one."""
        path = self.path(file_id)
        if path is None or path.is_symlink() or not path.is_file():
            return None
        return self.promised(file_id)

    def promised(self, file_id: str) -> StoredFile | None:
        """What a file that has an address will be called, whether its bytes have come or not."""
        file = self._described(file_id)
        return None if file is None or file.expired else file

    def address(self, file: StoredFile, *, purpose: str = "get") -> str:
        """The end of a file's address: signature, id and name, as allows one purpose (`get`, `put`)."""
        return f"{self._sign(purpose, file.id)}/{file.id}/{quote(file.name)}"

    def allows(self, signature: str, file_id: str, *, purpose: str = "get") -> bool:
        """Whether a signature was made here for a file and purpose."""
        return hmac.compare_digest(signature.encode(), self._sign(purpose, file_id).encode())

    def token(self, expires: int) -> str:
        """A token to upload with until a moment, in seconds since 1970."""
        return f"{expires}.{self._sign('token', str(expires))}"

    def allows_token(self, token: str, now: float) -> bool:
        """Whether a token was made here and has not expired."""
        expires, _, signature = token.partition(".")
        return self.allows(signature, expires, purpose="token") and float(expires) > now

    def _described(self, file_id: str) -> StoredFile | None:
        path = self.path(file_id)
        if path is None:
            return None
        try:
            facts = json.loads(path.with_suffix(".json").read_text("utf-8"))
            expires = facts.get("expires")
            return StoredFile(
                file_id, str(facts["name"]), str(facts["content_type"]), expires and float(expires)
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _sign(self, purpose: str, subject: str) -> str:
        message = f"{purpose}:{subject}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:32]


def kept_secret(path: Path) -> bytes:
    """The 32 bytes of a secret, made when they are first needed and readable by their owner alone.

    Raises:
        ServerError: The file has another size.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
        # Linked when it is whole: another process that starts now sees all of one secret or none.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    secret = path.read_bytes()
    if len(secret) != _SECRET_BYTES:
        raise ServerError(
            f"{path} is damaged", hint="delete it; what was signed with it before will not be known"
        )
    return secret
