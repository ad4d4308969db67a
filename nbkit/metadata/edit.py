"""Changes to a file as a list of places, so that a copy is written without holding the file in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLOCK = 1024 * 1024


class Unclear(Exception):
    """A file is not what its format says, or holds what would be harmed by a change."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change.

    Attributes:
        at: The byte of the old file where it begins.
        drop: How many of its bytes are left out.
        put: What is written in their place.
    """

    at: int
    drop: int
    put: bytes


def copy(source: BinaryIO, target: BinaryIO, edits: Iterable[Edit]) -> None:
    """Copy a file with its changes, which do not overlap."""
    at = 0
    for edit in sorted(edits, key=lambda edit: edit.at):
        _copy_piece(source, target, at, edit.at - at)
        target.write(edit.put)
        at = edit.at + edit.drop
    _copy_piece(source, target, at, None)


def _copy_piece(source: BinaryIO, target: BinaryIO, at: int, size: int | None) -> None:
    source.seek(at)
    while size is None or size > 0:
        block = source.read(_BLOCK if size is None else min(size, _BLOCK))
        if not block:
            return
        target.write(block)
        if size is not None:
            size -= len(block)


def read_at(file: BinaryIO, at: int, size: int) -> bytes:
    """Bytes of a file.

    Raises:
        Unclear: It ends before them.
    """
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise Unclear("it is cut off")
    return data


def length(file: BinaryIO) -> int:
    """How many bytes a file has."""
    return file.seek(0, 2)
