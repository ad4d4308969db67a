"""Metadata in JPEG files, which stands in segments before the picture."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from nbkit.metadata import packets
from nbkit.metadata.edit import Edit, Unclear, read_at

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\xff\xd8\xff"
_APP0, _APP1, _APP11, _COMMENT, _SCAN, _END = 0xE0, 0xE1, 0xEB, 0xFE, 0xDA, 0xD9
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers that no length follows
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_LARGEST = 0xFFFF - 2
_MOST_SEGMENTS = 10_000


@dataclass(frozen=True, slots=True)
class _Segment:
    marker: int
    at: int  # of its marker
    size: int  # with marker and length
    data: bytes


def notes(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Each text in the file with the place where it stands, as far as the file can be read."""
    try:
        for segment in _segments(file):
            if segment.data.startswith(_EXIF):
                yield "EXIF", packets.readable(segment.data)
            elif segment.data.startswith(_XMP):
                yield "XMP", segment.data[len(_XMP) :].decode("utf-8", "replace")
            elif segment.marker == _COMMENT or segment.marker > _APP0:
                yield f"segment {segment.marker:02X}", segment.data.decode("utf-8", "replace")
    except Unclear:
        return


def edits(file: BinaryIO, recipe: str, parameters: str) -> list[Edit]:
    """What adds a recipe, and the text that other tools read where there is one.

    Raises:
        Unclear: The file should not be changed.
    """
    segments = list(_segments(file))
    own = [it for it in segments if it.data.startswith(_XMP) and packets.is_own_xmp(it.data[len(_XMP) :])]
    foreign = [it for it in segments if it.data.startswith((_XMP, _XMP_MORE)) and it not in own]
    if foreign or segments[-1].marker != _SCAN or any(it.marker == _APP11 for it in segments):
        raise Unclear("it has XMP of its own, it is signed, or it is no whole JPEG")
    has_exif = any(it.data.startswith(_EXIF) for it in segments)
    at = len(SIGNATURE) - 1
    for segment in segments:
        if segment.marker != _APP0 and not segment.data.startswith(_EXIF):
            break
        at = segment.at + segment.size
    added = _segment(_XMP + packets.xmp(recipe))
    comment = _EXIF + packets.exif(parameters) if parameters and not has_exif else b""
    if comment and len(comment) <= _LARGEST:
        added = _segment(comment) + added
    return [Edit(at, 0, added), *(Edit(it.at, it.size, b"") for it in own)]


def recipe_in(file: BinaryIO) -> str:
    """The recipe in the file, an empty string where there is none."""
    found = (packets.recipe_in_xmp(text) for place, text in notes(file) if place == "XMP")
    return next(filter(None, found), "")


def _segments(file: BinaryIO) -> Iterator[_Segment]:
    """The segments up to the picture's first scan, that one included."""
    at = len(SIGNATURE) - 1
    for _ in range(_MOST_SEGMENTS):
        begin, marker = read_at(file, at, 2)
        if begin != 0xFF or marker in (*_ALONE, _END, 0x00):  # noqa: PLR2004 - how every marker begins
            raise Unclear("a segment is broken")
        if marker == 0xFF:  # noqa: PLR2004 - markers may be filled up with it
            at += 1
            continue
        (size,) = struct.unpack(">H", read_at(file, at + 2, 2))
        data = read_at(file, at + 4, size - 2) if size > 1 else b""
        if size < 2:  # noqa: PLR2004 - the length counts itself
            raise Unclear("a segment is broken")
        yield _Segment(marker, at, size + 2, data)
        if marker == _SCAN:
            return
        at += size + 2
    raise Unclear("it has too many segments")


def _segment(data: bytes) -> bytes:
    if len(data) > _LARGEST:
        raise Unclear("the recipe is too long for a segment")
    return bytes((0xFF, _APP1)) + struct.pack(">H", len(data) + 2) + data
