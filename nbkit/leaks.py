"""Looks for keys in what may be passed on: notebooks, texts, what pictures say of themselves, and bundles of these."""

from __future__ import annotations

import base64
import codecs
import io
import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nbkit.errors import InputError
from nbkit.metadata import picture
from nbkit.secrets import find_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LEFT_OUT = (".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache")
_MOST_FILES = 100_000
_MOST_BYTES = 64 * 1024 * 1024  # of one file
_MOST_PACKED = 1024 * 1024 * 1024  # of one bundle, unpacked
_DEEPEST_BUNDLE = 2
_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Leak:
    """A key that was found. It does not hold the key.

    Attributes:
        file: Where; a file in a bundle as `bundle.zip/inside.txt`.
        place: Where in it, as `cell 3, output 1`, `line 12` or `parameters`.
        kind: Whose key it is.
        masked: What may be shown of it.
    """

    file: str
    place: str
    kind: str
    masked: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.kind} {self.masked}"


@dataclass(slots=True)
class Report:
    """What a search found.

    Attributes:
        leaks: The keys.
        skipped: What was not looked at, or not to its end, and why.
        files: How many files were looked at.
    """

    leaks: list[Leak] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    files: int = 0

    @property
    def summary(self) -> str:
        """The outcome in a line."""
        count = len(self.leaks)
        found = "no key" if not count else "one key" if count == 1 else f"{count} keys"
        files = "one file" if self.files == 1 else f"{self.files} files"
        return f"{found} found in {files}"


def scan(path: Path, held: Iterable[str] = ()) -> Report:
    """Look for keys in a file or in everything below a folder.

    Args:
        path: The file or folder.
        held: Keys that are known, found whatever they look like.

    Raises:
        InputError: There is nothing at the path.
    """
    if not path.exists():
        raise InputError(f"there is nothing at {path}", field="--scan")
    search = _Search(Report(), tuple(held))
    for file in search.files_below(path):
        search.look_at(file)
    return search.report


@dataclass(frozen=True, slots=True)
class _Search:
    report: Report
    held: tuple[str, ...]

    def files_below(self, path: Path) -> Iterator[Path]:
        if path.is_file():
            yield path
            return
        count = 0
        for folder, folders, names in os.walk(path, onerror=self._unreadable):
            here = Path(folder)
            self.report.skipped += [(str(here / it), "left out") for it in sorted(folders) if it in _LEFT_OUT]
            folders[:] = sorted(it for it in folders if it not in _LEFT_OUT)
            for name in sorted(names):
                count += 1
                if count > _MOST_FILES:
                    self.report.skipped.append(
                        (str(here / name), f"and what follows: more than {_MOST_FILES} files")
                    )
                    return
                if (here / name).is_file():
                    yield here / name

    def look_at(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._look(str(path), file, 0)
        except OSError as error:
            self._unreadable(error, str(path))

    def _unreadable(self, error: OSError, name: str = "") -> None:
        self.report.skipped.append((name or str(error.filename), error.strerror or "cannot be read"))

    def _look(self, name: str, file: BinaryIO, depth: int) -> None:
        self.report.files += 1
        said = {leak.masked for place, text in picture.notes(file) for leak in self._find(name, place, text)}
        file.seek(0)
        if zipfile.is_zipfile(file):
            self._look_into(name, file, depth)
            return
        file.seek(0)
        data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            self.report.skipped.append((name, f"only its first {_MOST_BYTES // 2**20} MiB were looked at"))
        parts = _parts_of_notebook(data) if name.lower().endswith(".ipynb") else None
        if parts is None:
            self._find_lines(name, data, said)
        for place, text in parts or ():
            self._find(name, place, text)

    def _look_into(self, name: str, file: BinaryIO, depth: int) -> None:
        left = _MOST_PACKED
        try:
            with zipfile.ZipFile(file) as bundle:
                entries = [entry for entry in bundle.infolist() if not entry.is_dir()]
                for number, entry in enumerate(entries):
                    inside = f"{name}/{entry.filename}"
                    if depth == _DEEPEST_BUNDLE or left <= 0 or number == _MOST_FILES:
                        self.report.skipped.append((inside, "too large a bundle, or too deep inside bundles"))
                        return
                    with bundle.open(entry) as packed:
                        data = packed.read(min(left, _MOST_BYTES + 1))
                    left -= len(data)
                    self._look(inside, io.BytesIO(data), depth + 1)
        except Exception as error:  # noqa: BLE001 - each way of packing fails in its own way at a broken file
            self.report.skipped.append((name, f"cannot be unpacked: {error}"))

    def _find_lines(self, name: str, data: bytes, told: set[str]) -> None:
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if wide else "utf-8", "replace")
        is_text = b"\0" not in data[:_HEAD] or wide
        for secret in find_secrets(text, self.held):
            place = f"line {text.count(chr(10), 0, secret.start) + 1}" if is_text else "among its bytes"
            if secret.masked not in told:
                self.report.leaks.append(Leak(name, place, secret.kind, secret.masked))

    def _find(self, name: str, place: str, text: str) -> list[Leak]:
        found = list(
            dict.fromkeys(Leak(name, place, it.kind, it.masked) for it in find_secrets(text, self.held))
        )
        self.report.leaks += found
        return found


def _parts_of_notebook(data: bytes) -> list[tuple[str, str]] | None:
    """Every text in a notebook with its place; None where it is none."""
    try:
        notebook = json.loads(data)
        parts = [("metadata", text) for text in _texts(notebook.get("metadata"))]
        for number, cell in enumerate(notebook["cells"], 1):
            parts += [(f"cell {number}, {place}", text) for place, text in _parts_of_cell(cell)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return parts


def _parts_of_cell(cell: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in cell.items():
        named = enumerate(value, 1) if name == "outputs" else ()
        yield from ((f"output {number}", text) for number, output in named for text in _texts(output))
        if name != "outputs":
            yield from ((name, text) for text in _texts(value))


def _texts(value: Any, name: str = "") -> Iterator[str]:
    """Every text in JSON behind its name, the lines of one joined, and what pictures in it say of themselves."""
    waiting = [(name, value)]
    while waiting:
        name, inner = waiting.pop()
        if isinstance(inner, list) and inner and all(isinstance(it, str) for it in inner):
            inner = "".join(inner)
        if isinstance(inner, str):
            yield f"{name}={inner}" if name else inner
            if name.startswith("image/"):
                yield from _said_by(inner)
        elif isinstance(inner, list):
            waiting += [(name, it) for it in reversed(inner)]
        elif isinstance(inner, dict):
            waiting += [(str(key), it) for key, it in inner.items()]


def _said_by(encoded: str) -> Iterator[str]:
    try:
        data = base64.b64decode(encoded)
    except ValueError:
        return
    yield from (text for _, text in picture.notes(io.BytesIO(data)))
