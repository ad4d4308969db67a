"""Files that the server keeps: uploads and outputs, each behind an address that nobody can guess.

A file is two entries of one folder, `<id>` and `<id>.json`. What clients call it stands only in the latter, so no
name from outside ever becomes part of a path. The folder is the server's, or in a store that it shares.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from nbkit.server.secret import given_secret, kept_secret, shared_secret
from nbkit.stores.folder import FolderStore
from nbkit.stores.opening import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from nbkit.stores.store import Store

Given = TypeVar("Given")

_ID = re.compile(r"[0-9a-f]{32}")
_TYPE = re.compile(r"[\w.+-]{1,80}/[\w.+-]{1,80}(; ?[\w-]{1,40}=[\w.\"-]{1,80})*", re.ASCII)
_LONGEST_NAME = 120
_STALE_SECONDS = 86_400
_OCTETS = "application/octet-stream"
_FILES, _PARTS, _EXPIRING = "files", "parts", "expiring"
_DESCRIPTION_BYTES = 65_536
_AT_ONCE = 32
_NEVER = 10.0**12  # seconds since 1970 that nobody waits for, and whose digits fit into a name


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
    """The files of a server, in its own folder or in a store that it shares with others. Several processes may use it.

    What it does with files may take long: `away` keeps that from the loop.

    Args:
        folder: The server's folder.
        store: The address of a store that other servers and workers use too; an empty string for the folder itself.
        is_joined: Whether the folder has the store's secret already, so that the store need not be asked.

    Attributes:
        mark: What stands in a model's output in place of the address of the files, until it is known by which
            address the client reaches the server. Nobody outside can write it.

    Raises:
        ConfigError: The address is none, or its driver is not installed.
        MediaError: The store cannot be reached.
        ServerError: The folder signs with another secret than the store.
    """

    def __init__(self, folder: Path, store: str = "", *, is_joined: bool = False) -> None:
        self._drafts = folder / _PARTS
        self._drafts.mkdir(parents=True, exist_ok=True)
        if not store:
            (folder / _FILES).mkdir(exist_ok=True)
        self._store: Store = open_store(f"{store.rstrip('/')}/server") if store else FolderStore(folder)
        self._secret = given_secret() or (
            shared_secret(folder / "secret", self._store)
            if store and not is_joined
            else kept_secret(folder / "secret")
        )
        # A store that hangs must not take the threads that everything else needs.
        self._threads = ThreadPoolExecutor(_AT_ONCE, "nbkit-store") if store else None
        self.mark = f"nbkit-file:{self._sign('mark', '')}/"

    async def away(self, act: Callable[..., Given], *given: Any) -> Given:
        """Do something with files on a thread, and give what it gives."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, act, *given)

    async def found(self, file_id: str) -> StoredFile | None:
        """What a file is called; a folder of this machine is looked into at once, which is quicker than a thread."""
        return self.find(file_id) if self._threads is None else await self.away(self.find, file_id)

    def path(self, file_id: str) -> Path | None:
        """Where a file's bytes are, whether they exist or not; None for what is no id, and where they are elsewhere."""
        return self._store.path(f"{_FILES}/{file_id}") if _ID.fullmatch(file_id) else None

    def size(self, file_id: str) -> int | None:
        """Bytes of a file; None where there is none."""
        return self._store.size(f"{_FILES}/{file_id}") if _ID.fullmatch(file_id) else None

    def read(self, file_id: str, limit: int) -> bytes:
        """A file that was found.

        Raises:
            MediaError: It cannot be read, or is larger than `limit` bytes.
        """
        return self._store.read(f"{_FILES}/{file_id}", limit)

    async def pieces(self, file_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a file that was found, from one place to before another."""
        blocks = self._store.blocks(f"{_FILES}/{file_id}", start, end)
        try:
            while block := await self.away(next, blocks, b""):
                yield block
        finally:
            await self.away(blocks.close)

    def put_part(self, file_id: str, number: int, draft: Path) -> None:
        """Keep one part of a file that comes in parts."""
        self._store.take(f"{_PARTS}/{file_id}.{number}", draft)

    def part_size(self, file_id: str, number: int) -> int | None:
        """Bytes of a part; None where it has not come."""
        return self._store.size(f"{_PARTS}/{file_id}.{number}")

    def join(self, file_id: str, numbers: Iterable[int]) -> Path:
        """A draft of some parts, one behind the other; all parts of the file are dropped."""
        draft = self.draft()
        with draft.open("wb") as target:
            for number in numbers:
                target.writelines(self._store.blocks(f"{_PARTS}/{file_id}.{number}"))
        for part in self._store.listing(_PARTS):
            if part.name.startswith(f"{file_id}."):
                self._store.delete(f"{_PARTS}/{part.name}")
        return draft

    def draft(self) -> Path:
        """A new path on this machine for bytes that are on their way in."""
        return self._drafts / f"draft-{secrets.token_hex(8)}"

    def drop_stale(self) -> None:
        """Drop what is left of uploads that broke off a day ago or earlier."""
        oldest = time.time() - _STALE_SECONDS
        for store, folder, beginning in (
            (FolderStore(self._drafts), "", ""),
            (self._store, _PARTS, ""),
            (self._store, _FILES, ".part-"),
        ):
            for left in store.listing(folder):
                if left.name.startswith(beginning) and left.written is not None and left.written < oldest:
                    store.delete(f"{folder}/{left.name}" if folder else left.name)

    def drop_expired(self) -> None:
        """Drop the files whose time is over."""
        for entry in self._store.listing(_EXPIRING):
            moment, _, file_id = entry.name.partition(".")
            if moment.isdecimal() and int(moment) < time.time() and _ID.fullmatch(file_id):
                self.drop(file_id)
                self._store.delete(f"{_EXPIRING}/{entry.name}")

    def trim(self, seconds: float, size: int) -> None:
        """Drop files that are too old, then the oldest until the rest is not too large.

        Args:
            seconds: How old a file may be.
            size: Bytes that all may have together.
        """
        oldest, total = time.time() - seconds, 0
        found = (
            (time.time() if it.written is None else it.written, it) for it in self._store.listing(_FILES)
        )
        for written, entry in sorted(found, key=lambda it: it[0], reverse=True):
            total += entry.size
            if written < oldest or total > size:
                self._store.delete(f"{_FILES}/{entry.name}")
                if _ID.fullmatch(entry.name):
                    self._store.delete(f"{_FILES}/{entry.name}.json")

    def describe(self, file: StoredFile) -> None:
        """Write down what a file is called and which type it has, and when it is to be dropped."""
        if file.expires is not None and file.expires < _NEVER:
            # A folder of its own, so that nobody has to read every description.
            self._store.write(f"{_EXPIRING}/{int(file.expires) + 1}.{file.id}", b"")
        self._store.write(f"{_FILES}/{file.id}.json", json.dumps(asdict(file)).encode())

    def put(self, file: StoredFile, content: bytes | Path) -> None:
        """Keep bytes, or a finished draft, which is gone afterwards."""
        try:
            self.describe(file)
            if isinstance(content, bytes):
                self._store.write(f"{_FILES}/{file.id}", content)
            else:
                self._store.take(f"{_FILES}/{file.id}", content)
        finally:
            if not isinstance(content, bytes):
                content.unlink(missing_ok=True)

    def find(self, file_id: str) -> StoredFile | None:
        """What a file is called; None where there is none, or only a promise of one."""
        return None if self.size(file_id) is None else self.promised(file_id)

    def all(self) -> list[StoredFile]:
        """Every file that is here whole."""
        found = (self.find(entry.name) for entry in self._store.listing(_FILES) if _ID.fullmatch(entry.name))
        return [file for file in found if file is not None]

    def drop(self, file_id: str) -> None:
        """Keep a file no more."""
        self._store.delete(f"{_FILES}/{file_id}")
        self._store.delete(f"{_FILES}/{file_id}.json")

    def promised(self, file_id: str) -> StoredFile | None:
        """What a file that has an address will be called, whether its bytes have come or not."""
        file = self._described(file_id)
        return None if file is None or file.expired else file

    def address(self, file: StoredFile, *, purpose: str = "get") -> str:
        """The end of a file's address: signature, id and name, as allows one purpose (`get`, `put`)."""
        return f"{self._sign(purpose, file.id)}/{file.id}/{quote(file.name)}"

    def allows(self, signature: str, file_id: str, *, purpose: str = "get") -> bool:
        """Whether a signature was made here for a file and purpose."""
        return hmac.compare_digest(
            signature.encode("utf-8", "replace"), self._sign(purpose, file_id).encode()
        )

    def token(self, expires: int) -> str:
        """A token to upload with until a moment, in seconds since 1970."""
        return f"{expires}.{self._sign('token', str(expires))}"

    def allows_token(self, token: str, now: float) -> bool:
        """Whether a token was made here and has not expired."""
        expires, _, signature = token.partition(".")
        return self.allows(signature, expires, purpose="token") and float(expires) > now

    def _described(self, file_id: str) -> StoredFile | None:
        name = f"{_FILES}/{file_id}.json"
        if not _ID.fullmatch(file_id) or self._store.size(name) is None:
            return None
        try:
            facts = json.loads(self._store.read(name, _DESCRIPTION_BYTES))
            expires = facts.get("expires")
            return StoredFile(
                file_id, str(facts["name"]), str(facts["content_type"]), expires and float(expires)
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _sign(self, purpose: str, subject: str) -> str:
        message = f"{purpose}:{subject}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:32]
