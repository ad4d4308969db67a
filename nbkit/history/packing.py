"""A notebook and the runs it was made with, in one file for another machine."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import stat
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from nbkit import __version__
from nbkit.credentials import held_keys
from nbkit.errors import InputError, MediaError
from nbkit.history.bundle import (
    FILE,
    LARGEST_NOTEBOOK,
    MANIFEST,
    NOTEBOOK,
    ORIGINAL,
    Entry,
    Manifest,
    read_manifest,
)
from nbkit.history.database import history_path, open_for_reading
from nbkit.history.fetching import fetch
from nbkit.history.files import FileStore
from nbkit.history.notebook import file_name, parsed_notebook, runs_of
from nbkit.history.writer import flush
from nbkit.leaks import scan
from nbkit.stores.address import is_url, shown
from nbkit.stores.folder import FolderStore
from nbkit.stores.opening import open_store, split

if TYPE_CHECKING:
    import sqlite3

    from nbkit.stores.store import Store

_OF_THIS_MACHINE = ("seq", "pid", "process")
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle that was written.

    Attributes:
        path: Where: a path, or an address without user name and password.
        runs: How many runs are in it.
        files: How many files of runs.
        missing: The outputs of the notebook whose runs are not in the history: cell, endpoint and request id.
        lost: Files of the runs that were not kept, or are no longer what they were.
    """

    path: Path | str
    runs: int
    files: int
    missing: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}: the notebook, {self.runs} runs and {self.files} files"


def pack(notebook: str | Path, out: str | Path | None = None, *, allow_secrets: bool = False) -> Packed:
    """Write a notebook, the runs it was made with and their files into one zip; `unpack` takes it from there.

    Args:
        notebook: The notebook's file.
        out: Where to: a path, or an address such as `s3://bucket/folder/` that fsspec reaches; without it beside the
            notebook, as `NAME.zip`.
        allow_secrets: Whether to pack a notebook in which a key stands.

    Raises:
        InputError: That is no notebook, a key stands in it, or another file stands where the bundle belongs.
        ConfigError: The history cannot be read, or the address is none, or its driver is not installed.
        MediaError: The bundle cannot be written.
    """
    source = Path(notebook).expanduser()
    target, where, name = _target(out, source)
    data, cells = _read(source)
    if not allow_secrets:
        _refuse_keys(source)
    _refuse_others(target, where, name)
    flush()
    path = history_path()
    if not path.exists():
        raise InputError(
            f"there is no history at {path}", field="notebook", hint="set NBKIT_HOME to where it is"
        )
    store = FileStore(path.parent / "files")
    near = target.parent if isinstance(target, Path) else path.parent
    try:
        near.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=near, prefix=".nbkit-") as folder,
            open_for_reading(path) as connection,
        ):
            unfinished = Path(folder) / "unfinished.zip"
            with zipfile.ZipFile(unfinished, "x", strict_timestamps=False) as bundle:
                manifest = _Bundle(bundle, source).fill(connection, store, data, cells)
            where.take(name, unfinished)
    except OSError as error:
        raise MediaError(f"{target} cannot be written: {error.strerror or error}") from error
    names = list(manifest.entries)
    return Packed(
        target,
        sum(name.startswith("runs/") for name in names),
        sum(name.startswith("files/") for name in names),
        tuple(manifest.missing),
        tuple(manifest.lost),
    )


class _Bundle:
    """A zip that is being filled, and the manifest that grows with it."""

    def __init__(self, bundle: zipfile.ZipFile, notebook: Path) -> None:
        self._bundle = bundle
        self._notebook = notebook
        created = datetime.now(UTC).isoformat(timespec="seconds")
        self._manifest = Manifest(notebook.name, created, __version__, platform.python_version())

    def fill(self, connection: sqlite3.Connection, store: FileStore, data: bytes, cells: Any) -> Manifest:
        """Write everything, the manifest last."""
        made = runs_of(connection, cells, self._notebook.name)
        self._manifest.missing = made.missing
        for seq in made.rows:
            self._add_run(connection, seq, store)
        for name in sorted({match[0] for match in ORIGINAL.finditer(data.decode("utf-8", "replace"))}):
            self._add_original(name)
        self._write(self._notebook.name, data)
        self._bundle.writestr(_info(MANIFEST), self._manifest.as_json())
        return self._manifest

    def _add_run(self, connection: sqlite3.Connection, seq: int, store: FileStore) -> None:
        run = dict(connection.execute("SELECT * FROM runs WHERE seq = ?", (seq,)).fetchone())
        events = connection.execute("SELECT body FROM events WHERE run = ? ORDER BY id", (seq,)).fetchall()
        files = [
            dict(row) for row in connection.execute("SELECT * FROM files WHERE run = ? ORDER BY id", (seq,))
        ]
        for file in files:
            if not self._keeps(store, file["path"], file["sha256"]) and file["path"]:
                self._manifest.lost.append(f"{run['endpoint']}: {file['place'] or file['role']}")
                file |= {"path": "", "problem": file["problem"] or "it was not in the bundle"}
        if run["result_sha256"]:
            sha256 = run["result_sha256"]
            kept = store.path_of(sha256, ".json").relative_to(store.folder).as_posix()
            if not self._keeps(store, kept, sha256):
                self._manifest.lost.append(f"{run['endpoint']}: its output")
        run["notebook"] = file_name(run["notebook"])
        told = {
            "run": {name: value for name, value in run.items() if name not in _OF_THIS_MACHINE},
            "events": [body for (body,) in events],
            "files": [{name: it for name, it in file.items() if name not in ("id", "run")} for file in files],
        }
        self._write(f"runs/{run['id']}.json", _without_home(json.dumps(told)).encode("ascii"))

    def _keeps(self, store: FileStore, path: str, sha256: str) -> bool:
        """Add a file of the store, unless it is in the bundle already or no longer what it was."""
        name = f"files/{path}"
        if name in self._manifest.entries:
            return True
        file = store.folder / path
        if not FILE.fullmatch(name) or not (file.is_file() or fetch(store, sha256, file.suffix)):
            return False
        if _sha256(file) != sha256:
            return False
        self._copy(name, file, sha256)
        return True

    def _add_original(self, name: str) -> None:
        """Add a file that stands beside the notebook, by its name alone where its bytes are in the bundle."""
        file = self._notebook.parent / name
        if not file.is_file():
            self._manifest.lost.append(name)
            return
        sha256 = _sha256(file)
        same = (it for it, entry in self._manifest.entries.items() if entry.sha256 == sha256)
        if kept := next((it for it in same if FILE.fullmatch(it)), None):
            self._manifest.originals[name] = kept
        else:
            self._copy(name, file, sha256)

    def _write(self, name: str, data: bytes) -> None:
        self._bundle.writestr(_info(name), data)
        self._manifest.entries[name] = Entry(hashlib.sha256(data).hexdigest(), len(data))

    def _copy(self, name: str, path: Path, sha256: str) -> None:
        info = _info(name, zipfile.ZIP_STORED)  # pictures and films are packed in themselves
        with path.open("rb") as file, self._bundle.open(info, "w", force_zip64=True) as to:
            shutil.copyfileobj(file, to)
            self._manifest.entries[name] = Entry(sha256, file.tell())


def _info(name: str, packing: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)  # without a time: when it was packed stands in the manifest
    info.compress_type = packing
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def _read(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", field="notebook") from error
    if not NOTEBOOK.fullmatch(path.name):
        raise InputError(f"{path.name!r:.100} is not the name of a notebook", field="notebook")
    if len(data) > LARGEST_NOTEBOOK:
        raise InputError(f"{path} is larger than {LARGEST_NOTEBOOK} bytes", field="notebook")
    cells = parsed_notebook(data)
    if cells is None:
        raise InputError(f"{path} is not a notebook that can be read", field="notebook")
    return data, cells


def _refuse_keys(notebook: Path) -> None:
    leaks = scan(notebook, held_keys(with_keyring=True)).leaks
    if leaks:
        told = "\n".join(f"  {leak}" for leak in leaks[:_MOST_TOLD])
        raise InputError(
            f"a key stands in the notebook, so it is not packed:\n{told}",
            field="notebook",
            hint="take it out, and make it void where it was passed on; --allow-secrets packs it all the same",
        )


def _target(out: str | Path | None, notebook: Path) -> tuple[Path | str, Store, str]:
    """Where a bundle goes, for people, as a store, and as a name in it."""
    if isinstance(out, str) and is_url(out):
        folder, name = split(f"{out}{notebook.stem}.zip" if out.endswith("/") else out)
        return shown(f"{folder}/{name}"), open_store(folder), name
    path = Path(out).expanduser() if out is not None else notebook.with_suffix(".zip")
    return path, FolderStore(path.parent), path.name


def _refuse_others(target: Path | str, where: Store, name: str) -> None:
    """Only a bundle is written over."""
    is_there = target.exists() if isinstance(target, Path) else where.size(name) is not None
    if not is_there:
        return
    try:
        with where.open(name) as file, zipfile.ZipFile(file) as bundle:
            read_manifest(bundle, PurePath(name))
    except (OSError, ValueError, zipfile.BadZipFile, InputError, MediaError) as error:
        raise InputError(
            f"{target} is there and is not a bundle", field="out", hint="name another file with -o"
        ) from error


def _without_home(text: str) -> str:
    """JSON text in which the user's folder is called `~`."""
    home = json.dumps(str(Path.home()))[1:-1]
    return re.sub(rf"{re.escape(home)}(?=[/\\])", "~", text) if len(home) > 1 else text


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
