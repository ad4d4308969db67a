"""What a bundle is: a zip of a notebook, its runs, their files, and a manifest with the hash of each entry."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.history.files import ORIGINALS, name_beside

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Mapping
    from pathlib import PurePath

FORMAT = "nbkit bundle"
VERSION = 1
MANIFEST = "manifest.json"
RUN = re.compile(r"runs/([0-9a-f]{32})\.json")
FILE = re.compile(r"files/(([0-9a-f]{2})/(\2[0-9a-f]{62})(?:\.[a-z0-9]{1,8})?)")
ORIGINAL = re.compile(rf"{ORIGINALS}/[0-9a-f]{{16}}(?:\.[a-z0-9]{{1,8}}){{0,2}}")
NOTEBOOK = re.compile(r"(?![ .])[^/\\:*?\"<>|\x00-\x1f\x7f]{1,200}\.ipynb")
SHA256 = re.compile("[0-9a-f]{64}")

_MOST_ENTRIES = 200_000
_LARGEST_MANIFEST = 64 * 2**20
LARGEST_TEXT = 64 * 2**20
"""Bytes of one run."""
LARGEST_NOTEBOOK = 512 * 2**20
"""Bytes of the notebook."""
_LARGEST_FILE = 16 * 2**30
_SMALL = 256 * 2**20  # what may come of any bundle, however well it is packed
_BEST_RATIO = 100
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a bundle: the hash of its bytes, and how many they are."""

    sha256: str
    size: int


@dataclass(slots=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        notebook: The notebook's entry.
        created: When it was packed, as ISO 8601 in UTC.
        nbkit: The version of nbkit that packed it.
        python: The version of Python.
        entries: Every other entry by its name.
        originals: Files beside the notebook that are files of runs, too: their name, and the entry's.
        missing: Outputs of the notebook whose runs were not found.
        lost: Files of runs that were not kept, or are no longer what they were.
    """

    notebook: str
    created: str
    nbkit: str
    python: str
    entries: dict[str, Entry] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def as_json(self) -> bytes:
        """The manifest as it stands in the bundle."""
        told = {"format": FORMAT, "version": VERSION} | asdict(self)
        return (json.dumps(told, indent=1) + "\n").encode("ascii")


def bad(path: PurePath, why: str, hint: str = "nothing of it was taken; ask for it again") -> InputError:
    """The error of a bundle that cannot be taken."""
    return InputError(f"{path.name} is not a bundle that can be unpacked: {why}", field="bundle", hint=hint)


def read_manifest(bundle: zipfile.ZipFile, path: PurePath) -> Manifest:
    """The manifest of a bundle, once the names and sizes of its entries are what they may be.

    Raises:
        InputError: They are not.
    """
    sizes = _sizes(bundle, path)
    if MANIFEST not in sizes:
        raise bad(path, "it has no manifest")
    told = parsed(bundle.read(MANIFEST), path, MANIFEST)
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise bad(path, "its manifest is not one of nbkit's")
    if told.get("version") != VERSION:
        raise bad(path, "another version of nbkit packed it", hint="update nbkit")
    manifest = _manifest(told, path)
    if strange := sizes.keys() - {MANIFEST} ^ manifest.entries.keys():
        raise bad(path, f"{min(strange)[:80]!r} is not both in it and in its manifest")
    for name, entry in manifest.entries.items():
        if sizes[name] != entry.size:
            raise bad(path, f"{name[:80]!r} has not the size that the manifest says")
    _check_names(manifest, path)
    return manifest


def _sizes(bundle: zipfile.ZipFile, path: PurePath) -> dict[str, int]:
    """How large each entry is, where all of them are what they may be."""
    infos = bundle.infolist()
    if len(infos) > _MOST_ENTRIES:
        raise bad(path, f"it has more than {_MOST_ENTRIES} entries")
    told: set[str] = set()
    for info in infos:
        if info.filename.casefold() in told:
            raise bad(path, f"{info.filename[:80]!r} stands in it twice")
        _check_entry(info, path)
        told.add(info.filename.casefold())
    if sum(info.file_size for info in infos) > max(_SMALL, _BEST_RATIO * _length(bundle)):
        raise bad(path, "it would grow to more than a hundred times its size")
    return {info.filename: info.file_size for info in infos}


def _length(bundle: zipfile.ZipFile) -> int:
    """Bytes of the whole bundle, wherever it lies."""
    return bundle.fp.seek(0, os.SEEK_END) if bundle.fp else 0


def _check_names(manifest: Manifest, path: PurePath) -> None:
    for name, entry in manifest.entries.items():
        if (hashed := FILE.fullmatch(name)) and hashed[3] != entry.sha256:
            raise bad(path, f"{name[:80]!r} is not named by its hash")
    for name in manifest.originals.keys() | filter(ORIGINAL.fullmatch, manifest.entries):
        sha256 = manifest.entries[manifest.originals.get(name, name)].sha256
        if name != f"{ORIGINALS}/{name_beside(sha256, name)}":
            raise bad(path, f"{name[:80]!r} is not the name that its file has beside a notebook")


def parsed(text: bytes, path: PurePath, name: str) -> Any:
    """JSON of an entry.

    Raises:
        InputError: It is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad(path, f"{name[:80]!r} is no JSON that can be read") from error


def _check_entry(info: zipfile.ZipInfo, path: PurePath) -> None:
    name = info.filename
    mode = info.external_attr >> 16
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        raise bad(path, f"{name[:80]!r} is a link or a folder")
    if info.flag_bits & _ENCRYPTED:
        raise bad(path, f"{name[:80]!r} is encrypted")
    limits = (
        (re.compile(re.escape(MANIFEST)), _LARGEST_MANIFEST),
        (RUN, LARGEST_TEXT),
        (FILE, _LARGEST_FILE),
        (ORIGINAL, _LARGEST_FILE),
        (NOTEBOOK, LARGEST_NOTEBOOK),
    )
    limit = next((limit for pattern, limit in limits if pattern.fullmatch(name)), None)
    if limit is None:
        raise bad(path, f"{name[:80]!r} has no place in one")
    if info.file_size > limit:
        raise bad(path, f"{name[:80]!r} is larger than {limit} bytes")


def _manifest(told: Mapping[str, Any], path: PurePath) -> Manifest:
    try:
        entries = {
            _text(name): Entry(_text(entry["sha256"]), int(entry["size"]))
            for name, entry in told["entries"].items()
        }
        manifest = Manifest(
            **{name: _text(told[name]) for name in ("notebook", "created", "nbkit", "python")},
            entries=entries,
            originals={_text(name): _text(file) for name, file in told["originals"].items()},
            missing=[_text(it) for it in told["missing"]],
            lost=[_text(it) for it in told["lost"]],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise bad(path, "its manifest is not complete") from error
    if not NOTEBOOK.fullmatch(manifest.notebook) or manifest.notebook not in entries:
        raise bad(path, "it has no notebook")
    for name, file in manifest.originals.items():
        if not ORIGINAL.fullmatch(name) or name in entries or not FILE.fullmatch(file) or file not in entries:
            raise bad(path, f"{name[:80]!r} is said to be another file, and is not")
    return manifest


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
