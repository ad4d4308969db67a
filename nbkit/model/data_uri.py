"""Files that stand in an address themselves: `data:image/png;base64,…`."""

from __future__ import annotations

import base64
import binascii
import hashlib
from urllib.parse import unquote_to_bytes


def data_uri_hash(uri: str) -> tuple[str, int]:
    """The SHA-256 of the bytes in a data URI, and how many they are."""
    content = data_uri_content(uri)
    return hashlib.sha256(content).hexdigest(), len(content)


def data_uri_content(uri: str) -> bytes:
    """The bytes in a data URI."""
    head, _, body = uri.partition(",")
    content = unquote_to_bytes(body.encode("utf-8", "surrogatepass"))
    if head.endswith(";base64"):
        try:
            return base64.b64decode(content)
        except binascii.Error:  # from outside it may be anything: then what it says is what it is
            return body.encode("utf-8", "surrogatepass")
    return content
