"""The two forms of metadata that JPEG and WebP share: EXIF for what other tools read, XMP for the recipe."""

from __future__ import annotations

import json
import re
import struct
from html import unescape
from xml.sax.saxutils import escape

_XMP_HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:nbkit="https://github.com/nbkit-media/nbkit/recipe/1/"><nbkit:recipe>'
)
_XMP_TAIL = '</nbkit:recipe></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
_IN_XMP = re.compile(r"<nbkit:recipe>([^<]*)</nbkit:recipe>|\snbkit:recipe=(?:\"([^\"]*)\"|'([^']*)')")
_EXIF_POINTER, _USER_COMMENT = 0x8769, 0x9286
_LONG, _UNDEFINED = 4, 7


def xmp(recipe: str) -> bytes:
    """An XMP packet that holds a recipe."""
    only_ascii = json.dumps(json.loads(recipe))  # some characters that JSON takes, XML does not
    return f"{_XMP_HEAD}{escape(only_ascii)}{_XMP_TAIL}".encode()


def is_own_xmp(packet: bytes) -> bool:
    """Whether a packet holds a recipe and nothing of anybody else."""
    return packet.startswith(_XMP_HEAD.encode()) and packet.endswith(_XMP_TAIL.encode())


def recipe_in_xmp(packet: str) -> str:
    """The recipe in an XMP packet, also one that another tool wrote anew; an empty string where there is none."""
    found = _IN_XMP.search(packet)
    return unescape(next(filter(None, found.groups()), "")) if found else ""


def exif(comment: str) -> bytes:
    """An EXIF block whose only entry is a comment: the place where other tools look for parameters."""
    text = b"UNICODE\0" + comment.encode("utf-16-be", "replace")
    first = 8
    inner = first + 2 + 12 + 4
    head = b"MM\0*" + struct.pack(">I", first)
    pointer = struct.pack(">HHHII", 1, _EXIF_POINTER, _LONG, 1, inner) + bytes(4)
    entry = struct.pack(">HHHII", 1, _USER_COMMENT, _UNDEFINED, len(text), inner + 2 + 12 + 4) + bytes(4)
    return head + pointer + entry + text


def readable(block: bytes) -> str:
    """The texts in an EXIF block, run together for a search: as ASCII, and once more as UTF-16 of either order."""
    text = block.replace(b"UNICODE\0", b"\0\0").decode("latin-1")
    return text.replace("\0", " ") + "\n" + text.replace("\0\0", " ").replace("\0", "")
