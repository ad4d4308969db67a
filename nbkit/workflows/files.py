"""Workflow definitions in files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.model.address import is_loopback
from nbkit.model.saving import written_whole
from nbkit.providers.files import inlined
from nbkit.providers.inputs import Draft
from nbkit.transport.loop import wait
from nbkit.wire.fal.definition import LARGEST

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.providers.files import Upload

_MIB = 2**20


class _Inside:
    """Takes files by writing them into their addresses."""

    async def upload(self, file: Upload, **_options: Any) -> str:
        """Give the address that holds a file."""
        return inlined(file)


def save(document: dict[str, Any], path: Path) -> Path:
    """Write a definition into a file, all of it or nothing.

    Raises:
        InputError: It is larger than a definition may be, or a value in it is not one of JSON.
        MediaError: A file in it cannot be read.
        OSError: The target cannot be written.
    """
    draft = Draft.of(document)
    whole = wait(draft.sent(_Inside(), lambda url: not is_loopback(url)))
    try:
        content = json.dumps(whole, indent=1).encode()
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"the workflow cannot be written: {error}", field="workflow") from error
    if len(content) > LARGEST:
        raise InputError(
            f"with the files in it the definition has {len(content) / _MIB:.1f} MiB, and {LARGEST // _MIB} is the most",
            field="workflow",
            hint="upload its files with client.upload(…) and give their addresses",
        )
    with written_whole(path) as file:
        file.write(content)
    return path


def load(path: Path) -> Any:
    """The JSON in a file.

    Raises:
        InputError: It cannot be read, is too large, or is no JSON.
    """
    try:
        if not path.is_file():
            raise InputError(f"there is no file {path}", field="path")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", field="path") from error
    if len(content) > LARGEST:
        raise InputError(f"{path} is larger than {LARGEST // _MIB} MiB, so it is no workflow", field="path")
    try:
        return json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}", field="path") from error


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")
