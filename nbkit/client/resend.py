"""An input of the history as it can be sent again, where all of it was kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.history.canonical import below, fingerprint
from nbkit.history.files import FileStore

if TYPE_CHECKING:
    from nbkit.history import RunRecord

_HASHED = re.compile(r"data:[^;,]*;sha256=([0-9a-f]{64});bytes=\d+")


def input_again(record: RunRecord) -> dict[str, Any]:
    """The input of a run as it was sent, files of the store in place of their hashes.

    Raises:
        InputError: Something of it was not kept: a file, the end of a long text, a key.
    """
    known = {file.place: file.sha256 for file in record.input_files if file.sha256}
    store = FileStore(record.path.parent / "files")
    given: dict[str, Any] = _restored(record.input, store, known, "")
    if fingerprint(given, known) != record.input_sha256:
        raise InputError(
            f"the input of run {record.id[:8]} was not kept whole: long texts are cut, and keys are taken out",
            field="resend",
            hint="call the endpoint with the whole input",
        )
    return given


def _restored(value: Any, store: FileStore, known: dict[str, str], place: str) -> Any:
    if isinstance(value, dict):
        return {name: _restored(it, store, known, below(place, name)) for name, it in value.items()}
    if isinstance(value, list):
        return [_restored(it, store, known, below(place, at)) for at, it in enumerate(value)]
    hashed = _HASHED.fullmatch(value) if isinstance(value, str) else None
    sha256 = hashed[1] if hashed else known.get(place, "")
    path = store.find(sha256)
    if hashed and path is None:
        raise InputError(
            f"{place}: the bytes of the file are not on this machine, only their hash {sha256[:12]}…",
            field=place,
            hint="call the endpoint with the file itself",
        )
    if hashed:
        known[place] = sha256
    return path or value
