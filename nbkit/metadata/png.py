"""Texts in PNG files, which stand in chunks of their own."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from nbkit.metadata import packets
from nbkit.metadata.edit import Edit, Unclear, length, read_at

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RECIPE, _PARAMETERS = "nbkit", "parameters"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")
_SIGNED = b"caBX"  # a manifest of C2PA, which vouches for every byte of the file
_HEAD = 8
_AROUND = 12  # length, kind and checksum
_MOST_CHUNKS = 200_000
_LONGEST_TEXT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    at: int
    size: int


def notes(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Each text in the file with its keyword, as far as the file can be read."""
    try:
        for chunk in _chunks(file):
            if chunk.kind in _TEXTS:
                data = read_at(file, chunk.at + _HEAD, min(chunk.size, _LONGEST_TEXT))
                yield _text(chunk.kind, data)
    except Unclear:
        return


def edits(file: BinaryIO, recipe: str, parameters: str) -> list[Edit]:
    """What adds a recipe, and the text that other tools read where there is one.

    Raises:
        Unclear: The file should not be changed.
    """
    chunks = list(_chunks(file))
    kinds = [chunk.kind for chunk in chunks]
    if kinds[:1] != [b"IHDR"] or b"IDAT" not in kinds or kinds[-1:] != [b"IEND"] or _SIGNED in kinds:
        raise Unclear("it is no whole PNG, or it is signed")
    old = [chunk for chunk in chunks if chunk.kind == b"iTXt" and _keyword(file, chunk) == _RECIPE]
    keywords = {_keyword(file, chunk) for chunk in chunks if chunk.kind in _TEXTS}
    added = _international(_RECIPE, recipe)
    if parameters and _PARAMETERS not in keywords:
        added += _plain(_PARAMETERS, parameters)
    behind_header = chunks[0].at + _AROUND + chunks[0].size
    return [
        Edit(behind_header, 0, added),
        *(Edit(chunk.at, _AROUND + chunk.size, b"") for chunk in old),
    ]


def recipe_in(file: BinaryIO) -> str:
    """The recipe in the file, an empty string where there is none."""
    return next((text for keyword, text in notes(file) if keyword == _RECIPE), "")


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    end, at = length(file), len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        size, kind = struct.unpack(">I4s", read_at(file, at, _HEAD))
        if at + _AROUND + size > end or not kind.isalpha():
            raise Unclear("a chunk is cut off")
        yield _Chunk(kind, at, size)
        if kind == b"IEND":
            return
        at += _AROUND + size
    raise Unclear("it has too many chunks")


def _keyword(file: BinaryIO, chunk: _Chunk) -> str:
    data = read_at(file, chunk.at + _HEAD, min(chunk.size, 80))
    return data.partition(b"\0")[0].decode("latin-1")


def _text(kind: bytes, data: bytes) -> tuple[str, str]:
    if kind == b"eXIf":
        return "EXIF", packets.readable(data)
    keyword, _, rest = data.partition(b"\0")
    if kind == b"tEXt":
        text = rest.decode("latin-1")
    elif kind == b"zTXt":
        text = _inflated(rest[1:]).decode("latin-1")
    else:
        body = rest[2:].split(b"\0", 2)[-1]  # behind the language and the translated keyword
        text = (_inflated(body) if rest[:1] == b"\1" else body).decode("utf-8", "replace")
    return keyword.decode("latin-1"), text


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _LONGEST_TEXT)
    except zlib.error:
        return b""


def _international(keyword: str, text: str) -> bytes:
    return _chunk(b"iTXt", keyword.encode("ascii") + b"\0\0\0\0\0" + text.encode("utf-8"))


def _plain(keyword: str, text: str) -> bytes:
    """The kind that every tool reads, where its characters allow it."""
    try:
        return _chunk(b"tEXt", keyword.encode("ascii") + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return _international(keyword, text)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
