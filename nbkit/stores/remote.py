"""A store at an address that fsspec reaches: a bucket, another machine, a share."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from nbkit.errors import ConfigError, MediaError
from nbkit.stores.address import check_url, protocol_of, reason, shown
from nbkit.stores.store import BLOCK, Listed, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE = 8 * BLOCK  # what is sent at once; a bucket takes 10,000 pieces of at least 5 MiB
_WRITTEN = ("LastModified", "last_modified", "mtime", "modified", "updated", "modify", "created")
_FINAL = (FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError, NotImplementedError)
_ONE_AT_A_TIME = ("ftp", "sftp", "ssh")  # one connection does one thing
Given = TypeVar("Given")


class RemoteStore(Store):
    """The files below one address.

    Raises:
        ConfigError: fsspec, or what it needs for this protocol, is not installed, or nobody knows the protocol.
    """

    def __init__(self, url: str) -> None:
        self._url = check_url(url).rstrip("/")
        self.shown = shown(self._url)
        self._local = threading.local()
        _check_driver(self._url)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""

        def look(files: Any, root: str) -> int | None:
            files.invalidate_cache()  # another machine may have written since
            try:
                facts = files.info(f"{root}/{name}")
            except FileNotFoundError:
                return None
            return int(facts["size"]) if facts.get("type") == "file" else None

        return self._perform(look, f"{name} cannot be looked for in")

    def open(self, name: str) -> IO[bytes]:
        """A file to be read; a piece at a time is fetched."""
        try:
            # A connection of its own, since the file may be read on other threads than this one.
            files, root = self._connect()
            files.invalidate_cache()
            return cast("IO[bytes]", files.open(f"{root}/{name}", "rb", block_size=_PIECE))
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            raise self.failed(error, f"{name} cannot be read from") from None

    def write(self, name: str, content: bytes | Path) -> None:
        """Send bytes or a file. Buckets show it when all of it is there; elsewhere it has another name until then."""

        def send(files: Any, root: str) -> None:
            target = f"{root}/{name}"
            if files.async_impl and not _moves(files):
                _send(files, target, content)
                return
            draft = f"{target.rpartition('/')[0]}/.part-{secrets.token_hex(8)}"
            _make_folder(files, target)
            try:
                _send(files, draft, content)
                _move(files, draft, target)
            except BaseException:
                with contextlib.suppress(Exception):
                    files.rm_file(draft)
                raise

        self._perform(send, f"{name} cannot be written to")

    def create(self, name: str, content: bytes) -> bool:
        """Send a few bytes, unless there is such a file. Stores that know no such request are looked at before."""

        def send(files: Any, root: str) -> bool:
            target = f"{root}/{name}"
            _make_folder(files, target)
            try:
                with files.open(target, "xb") as to:
                    to.write(content)
            except FileExistsError:
                return False
            except (ValueError, NotImplementedError):
                with files.open(target, "wb") as to:
                    to.write(content)
            return True

        return self.size(name) is None and self._perform(send, f"{name} cannot be written to", again=False)

    def delete(self, name: str) -> None:
        """Drop a file, if it is there."""

        def drop(files: Any, root: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                files.rm_file(f"{root}/{name}")

        if self.size(name) is not None:
            self._perform(drop, f"{name} cannot be deleted from")

    def listing(self, folder: str) -> Iterator[Listed]:
        """The files of a folder."""

        def listed(files: Any, root: str) -> list[dict[str, Any]]:
            files.invalidate_cache()
            try:
                return list(files.ls(f"{root}/{folder}", detail=True))
            except FileNotFoundError:
                return []

        for facts in self._perform(listed, f"{folder} cannot be listed in"):
            name = str(facts["name"]).rstrip("/").rpartition("/")[2]
            if facts.get("type") == "file" and name:
                yield Listed(name, int(facts.get("size") or 0), _written(facts))

    def failed(self, error: BaseException, what: str) -> MediaError:
        """The error of something that could not be done, without what the address holds."""
        return MediaError(f"{what} {self.shown}: {reason(error, self._url)}")

    def _perform(self, act: Callable[[Any, str], Given], what: str, *, again: bool = True) -> Given:
        """Do something with the store; once more with a new connection, since one that was idle may be closed."""
        try:
            files, root, is_new = self._connected()
            try:
                return act(files, root)
            except _FINAL:
                raise
            except Exception:
                # Drivers that connect by themselves try again by themselves.
                if is_new or files.async_impl or not again:
                    raise
                self._local.held = None
                files, root, _ = self._connected()
                return act(files, root)
        except MediaError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            raise self.failed(
                error, what
            ) from None  # a driver's own words may hold the address, password and all

    def _connected(self) -> tuple[Any, str, bool]:
        """The driver for this thread, since many hold one connection; its path; whether it is new."""
        held = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid():
            return held[1], held[2], False
        files, root = self._connect()
        self._local.held = (os.getpid(), files, root)
        return files, root, True

    def _connect(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        files, root = url_to_fs(self._url, skip_instance_cache=protocol_of(self._url) in _ONE_AT_A_TIME)
        return files, str(root).rstrip("/")


def _check_driver(url: str) -> None:
    try:
        from fsspec.registry import get_filesystem_class
    except ImportError as error:
        raise ConfigError(
            f"{shown(url)} needs fsspec, which is not installed", hint="pip install 'nbkit-media[shared]'"
        ) from error
    protocol = protocol_of(url)
    try:
        get_filesystem_class(protocol)
    except ImportError as error:
        hint = _PACKAGES.get(protocol)
        raise ConfigError(
            f"fsspec needs another package for {shown(url)}: {' '.join(str(error).split())}",
            hint=f"pip install {hint}" if hint else "install that package",
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"no protocol {protocol[:40]!r} is known, so {shown(url)} is no address of a store",
            hint="s3, gs, az, sftp, ftp, webdav, smb and file are some",
        ) from error


_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    **dict.fromkeys(("webdav", "webdavs", "dav", "davs"), "webdav4"),
    "smb": "smbprotocol",
    "hf": "huggingface_hub",
}


def _moves(files: Any) -> bool:
    """Whether it has a way of its own to move a file; else moving would be copying."""
    from fsspec import AbstractFileSystem

    return type(files).mv is not AbstractFileSystem.mv


def _make_folder(files: Any, target: str) -> None:
    """Make the folder of a file where there are folders; a bucket is not made by writing to it."""
    if files.async_impl:
        return
    folder = target.rpartition("/")[0]
    for _ in folder.split("/"):
        with contextlib.suppress(Exception):
            files.makedirs(folder, exist_ok=True)
            return
        files.invalidate_cache()  # another writer makes the same folders at this moment
    files.makedirs(folder, exist_ok=True)


def _send(files: Any, target: str, content: bytes | Path) -> None:
    to = files.open(target, "wb", block_size=_PIECE)
    try:
        if isinstance(content, Path):
            with content.open("rb") as file:
                shutil.copyfileobj(file, to, BLOCK)
        else:
            to.write(content)
        to.close()
    except BaseException:
        _abandon(to)
        raise
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    files.invalidate_cache()
    if (arrived := files.info(target)["size"]) != size:
        raise OSError(f"{arrived} bytes of {size} arrived")


def _abandon(to: Any) -> None:
    """Let a file go that was not written to its end. Its driver would send the rest when it is closed or collected."""
    with contextlib.suppress(Exception):
        to.discard()
    with contextlib.suppress(Exception):
        to.closed = True  # what fsspec's own files go by; others do not let it be set
    with contextlib.suppress(Exception):
        to.close()


def _move(files: Any, draft: str, target: str) -> None:
    if not _moves(files):
        files.cp_file(draft, target)
        files.rm_file(draft)
        return
    try:
        files.mv(draft, target)
    except Exception:
        # Some refuse to move to a name that is taken.
        if not files.exists(target):
            raise
        files.rm_file(target)
        files.mv(draft, target)


def _written(facts: dict[str, Any]) -> float | None:
    """When a file was written, from what this kind of store calls it."""
    found = next((facts[name] for name in _WRITTEN if facts.get(name) is not None), None)
    if isinstance(found, str):
        with contextlib.suppress(ValueError):
            found = datetime.fromisoformat(found)
        if isinstance(found, str) and found[:14].isdecimal():
            found = datetime.strptime(found[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if isinstance(found, datetime):
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return float(found) if isinstance(found, (int, float)) else None
