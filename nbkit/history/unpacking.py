"""Takes a bundle in: all of it, checked to the last byte, or nothing."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit.errors import InputError, MediaError
from nbkit.history.bundle import FILE, ORIGINAL, RUN, Manifest, bad, parsed, read_manifest
from nbkit.history.database import changing, history_path
from nbkit.history.elsewhere import fetched
from nbkit.history.files import FileStore
from nbkit.history.imported import BadRun, ImportedRun
from nbkit.history.notebook import parsed_notebook
from nbkit.history.writer import flush
from nbkit.stores.address import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbkit.history.files import Incoming

_BLOCK = 1024 * 1024
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was taken from a bundle.

    Attributes:
        notebook: Where the notebook is.
        runs: How many runs are new in the history.
        known: How many were there already, and stay as they are.
        files: How many files the bundle has.
        missing: The outputs of the notebook whose runs are not in the bundle.
        lost: Files of runs that are not in it.
    """

    notebook: Path
    runs: int
    known: int
    files: int
    missing: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def __str__(self) -> str:
        known = f", {self.known} more were there already" if self.known else ""
        return f"{self.notebook}: the notebook; {self.runs} runs are new in the history{known}"


def unpack(bundle: str | Path, folder: str | Path = ".") -> Unpacked:
    """Take a bundle in: its notebook into a folder, its runs and their files into the history.

    What is there already stays as it is. Every entry is held against its hash before anything is written.

    Args:
        bundle: The file that `pack` wrote: a path, or an address that fsspec reaches.
        folder: Where the notebook goes.

    Raises:
        InputError: It is not a bundle, it was changed, or another notebook of that name is there.
        ConfigError: The history cannot be written, or the address is none, or its driver is not installed.
        MediaError: The disk is full or cannot be written, or the bundle cannot be fetched.
    """
    beside = Path(folder).expanduser()
    if isinstance(bundle, str) and is_url(bundle):
        with fetched(bundle) as copy:
            return _unpack(copy, beside)
    return _unpack(Path(bundle).expanduser(), beside)


def _unpack(path: Path, beside: Path) -> Unpacked:
    try:
        with zipfile.ZipFile(path) as opened:
            manifest = read_manifest(opened, path)
            return _take(_Checked(opened, path, manifest), beside)
    except BadRun as error:
        raise bad(path, str(error)) from error
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", field="bundle") from error
    except _BROKEN as error:
        raise bad(path, f"it is broken ({error})") from error
    except OSError as error:
        raise MediaError(f"{error.filename or path}: {error.strerror or error}") from error


class _Checked:
    """A bundle whose entries are read only as what the manifest says they are."""

    def __init__(self, bundle: zipfile.ZipFile, path: Path, manifest: Manifest) -> None:
        self._bundle = bundle
        self.path = path
        self.manifest = manifest

    def read(self, name: str) -> bytes:
        """The bytes of a small entry."""
        return b"".join(self.blocks(name))

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of an entry, piece by piece; the last one comes only if all were right."""
        entry, digest, size = self.manifest.entries[name], hashlib.sha256(), 0
        with self._bundle.open(name) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
                if size > entry.size:
                    break
                yield block
        if size != entry.size or digest.hexdigest() != entry.sha256:
            raise bad(self.path, f"{name[:80]!r} is not what the manifest says")

    def receive(self, name: str, store: FileStore, undone: ExitStack) -> Incoming:
        """An entry on its way into the store, checked."""
        incoming = store.incoming()
        undone.callback(incoming.drop)
        for block in self.blocks(name):
            incoming.write(block)
        return incoming

    def runs(self) -> list[ImportedRun]:
        """Its runs, the oldest first."""
        found = []
        for name in self.manifest.entries:
            if match := RUN.fullmatch(name):
                told = parsed(self.read(name), self.path, name)
                try:
                    run = ImportedRun.of(told)
                except BadRun as error:
                    raise BadRun(f"{name}: {error}") from error
                if run.id != match[1]:
                    raise bad(self.path, f"{name!r} is another run")
                found.append(run)
        return sorted(found, key=lambda run: run.created)


def _take(bundle: _Checked, beside: Path) -> Unpacked:
    manifest = bundle.manifest
    notebook = beside / manifest.notebook
    text = bundle.read(manifest.notebook)
    if parsed_notebook(text) is None:
        raise bad(bundle.path, "its notebook cannot be read")
    if notebook.exists() and notebook.read_bytes() != text:
        raise InputError(
            f"{notebook} is there and is another notebook", field="folder", hint="unpack into another folder"
        )
    runs = bundle.runs()
    path = history_path()
    store = FileStore(path.parent / "files")
    flush()
    with ExitStack() as undone:
        arrived = {name: bundle.receive(name, store, undone) for name in manifest.entries if FILE.match(name)}
        beside.mkdir(parents=True, exist_ok=True)
        with changing(path) as connection:
            new = [run for run in runs if run.insert(connection)]
            kept = {name: _keep(file, name, undone) for name, file in arrived.items()}
            for name in filter(ORIGINAL.match, manifest.entries):
                _put(beside / name, bundle.blocks(name), undone)
            for name, file in manifest.originals.items():
                _put(beside / name, _blocks(kept[file]), undone)
            _put(notebook, [text], undone)
        undone.pop_all()
    return Unpacked(
        notebook, len(new), len(runs) - len(new), len(kept), tuple(manifest.missing), tuple(manifest.lost)
    )


def _keep(file: Incoming, name: str, undone: ExitStack) -> Path:
    """Put a file that was received where files are kept; what is there already under its hash is checked anew by it."""
    is_new = not file.store.path_of(*_hash_and_suffix(name)).exists()
    kept = file.keep(_hash_and_suffix(name)[1])
    if is_new:
        undone.callback(kept.path.unlink, missing_ok=True)
    return kept.path


def _hash_and_suffix(name: str) -> tuple[str, str]:
    sha256, dot, suffix = name.rpartition("/")[2].partition(".")
    return sha256, dot + suffix


def _put(target: Path, blocks: Iterable[bytes], undone: ExitStack) -> None:
    """Write a file beside the notebook, unless one is there."""
    if target.exists():
        return
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        with unfinished.open("xb") as file:
            file.writelines(blocks)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    undone.callback(target.unlink, missing_ok=True)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
