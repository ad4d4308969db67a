"""Metadata in WebP files, which stands in chunks behind the picture."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from nbkit.metadata import packets
from nbkit.metadata.edit import Edit, Unclear, length, read_at

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = 8
_FIRST = 12
_HAS_ALPHA, _HAS_EXIF, _HAS_XMP = 0x10, 0x08, 0x04
_SIDE = 0x3FFF
_KEY_FRAME = b"\x9d\x01\x2a"
_LOSSLESS = 0x2F
_SIGNED = b"C2PA"
_MOST_CHUNKS = 100_000
_LONGEST_TEXT = 4 * 1024 * 1024
_LARGEST = 2**32 - 10


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    at: int
    size: int  # without what stands around it

    @property
    def whole(self) -> int:
        return _HEAD + self.size + self.size % 2


def is_webp(head: bytes) -> bool:
    """Whether a file begins like one."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def notes(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Each text in the file with the place where it stands, as far as the file can be read."""
    try:
        for chunk in _chunks(file):
            if chunk.kind in (b"EXIF", b"XMP "):
                data = read_at(file, chunk.at + _HEAD, min(chunk.size, _LONGEST_TEXT))
                if chunk.kind == b"EXIF":
                    yield "EXIF", packets.readable(data)
                else:
                    yield "XMP", data.decode("utf-8", "replace")
    except Unclear:
        return


def edits(file: BinaryIO, recipe: str, parameters: str) -> list[Edit]:
    """What adds a recipe, and the text that other tools read where there is one.

    Raises:
        Unclear: The file should not be changed.
    """
    chunks = list(_chunks(file))
    (size,) = struct.unpack("<I", read_at(file, 4, 4))
    kinds = [chunk.kind for chunk in chunks]
    if not chunks or size + _HEAD != length(file) or size % 2 or _SIGNED in kinds:
        raise Unclear("it is no whole WebP, or it is signed")
    old = [chunk for chunk in chunks if chunk.kind == b"XMP "]
    if not all(packets.is_own_xmp(read_at(file, chunk.at + _HEAD, chunk.size)) for chunk in old):
        raise Unclear("it has XMP of its own")
    added = _chunk(b"XMP ", packets.xmp(recipe))
    flags = _HAS_XMP
    if parameters and b"EXIF" not in kinds:
        added = _chunk(b"EXIF", packets.exif(parameters)) + added
        flags |= _HAS_EXIF
    extended = _extended(file, chunks[0], flags)
    changes = [extended, *(Edit(it.at, it.whole, b"") for it in old), Edit(size + _HEAD, 0, added)]
    grown = size + sum(len(change.put) - change.drop for change in changes)
    if grown > _LARGEST:
        raise Unclear("it would grow too large")
    return [Edit(4, 4, struct.pack("<I", grown)), *changes]


def recipe_in(file: BinaryIO) -> str:
    """The recipe in the file, an empty string where there is none."""
    found = (packets.recipe_in_xmp(text) for place, text in notes(file) if place == "XMP")
    return next(filter(None, found), "")


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    end, at = length(file), _FIRST
    for _ in range(_MOST_CHUNKS):
        if at >= end:
            return
        kind, size = struct.unpack("<4sI", read_at(file, at, _HEAD))
        chunk = _Chunk(kind, at, size)
        if at + chunk.whole > end:
            raise Unclear("a chunk is cut off")
        yield chunk
        at += chunk.whole
    raise Unclear("it has too many chunks")


def _extended(file: BinaryIO, first: _Chunk, flags: int) -> Edit:
    """The header that says what the file holds: with more flags where it has one, else made from its picture."""
    data = read_at(file, first.at + _HEAD, min(first.size, 10))
    if first.kind == b"VP8X" and len(data) == 10:  # noqa: PLR2004 - its size
        return Edit(first.at + _HEAD, 1, bytes((data[0] | flags,)))
    if first.kind == b"VP8 " and data[3:6] == _KEY_FRAME and len(data) == 10:  # noqa: PLR2004 - up to its sides
        width, height = (side & _SIDE for side in struct.unpack("<HH", data[6:10]))
    elif first.kind == b"VP8L" and len(data) >= 5 and data[0] == _LOSSLESS:  # noqa: PLR2004 - up to its flags
        (bits,) = struct.unpack("<I", data[1:5])
        width, height = (bits & _SIDE) + 1, (bits >> 14 & _SIDE) + 1
        flags |= _HAS_ALPHA if bits >> 28 & 1 else 0
    else:
        raise Unclear("its picture is not of a known kind")
    if not width or not height:
        raise Unclear("it has no size")
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return Edit(first.at, 0, _chunk(b"VP8X", struct.pack("<I", flags) + sides))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
