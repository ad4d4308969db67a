"""Files as a Dify server tells of them: objects in outputs, answers to uploads, and addresses that expire."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbkit.wire.dify.era import Era

SIGNED_SECONDS = 300
"""How long the address of a file is valid, the last second included."""
TOOL_FILE, LOCAL_FILE, REMOTE_URL = "tool_file", "local_file", "remote_url"
_MARK = "__dify__file__"
_VARIANT = "FileVar"
_LONGEST_STAMP = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file of a run.

    Attributes:
        id: The id of its bytes on this server.
        method: `tool_file`, `local_file` or `remote_url`.
        kind: Dify's word for what it is: `image`, `document`, …
        name: What people call it.
        content_type: MIME type.
        size: Bytes.
        source: Where it came from, an empty string for what the server made itself.
        url: Its address, an empty string before it is signed.
    """

    id: str
    method: str
    kind: str
    name: str
    content_type: str
    size: int
    source: str = ""
    url: str = ""

    @property
    def suffix(self) -> str:
        """Its ending, with the dot."""
        return PurePosixPath(self.name).suffix


def signed(value: Any, sign: Callable[[FileFacts], str]) -> Any:
    """A value with a new address for every file in it."""
    if isinstance(value, FileFacts):
        return replace(value, url=sign(value))
    if isinstance(value, dict):
        return {name: signed(item, sign) for name, item in value.items()}
    if isinstance(value, list):
        return [signed(item, sign) for item in value]
    return value


def files_in(value: Any) -> Iterator[FileFacts]:
    """Every file in a value, in order, as often as it is there."""
    if isinstance(value, FileFacts):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from files_in(item)


def told(value: Any, era: Era, tenant: str) -> Any:
    """A value as JSON, with its files as objects of an era."""
    if isinstance(value, FileFacts):
        return _file_object(value, era, tenant)
    if isinstance(value, dict):
        return {name: told(item, era, tenant) for name, item in value.items()}
    if isinstance(value, list):
        return [told(item, era, tenant) for item in value]
    return value


def _file_object(file: FileFacts, era: Era, tenant: str) -> dict[str, Any]:
    kept = None if file.method == REMOTE_URL else file.id
    named = {"filename": file.name, "extension": file.suffix, "mime_type": file.content_type}
    source = file.source or None
    if not era.has_file_identity:
        return {
            "__variant": _VARIANT,
            "tenant_id": tenant,
            "type": file.kind,
            "transfer_method": file.method,
            "url": file.url,
            "remote_url": source,
            "related_id": kept,
            **named,
        }
    return {
        "dify_model_identity": _MARK,
        "id": None,
        "tenant_id": tenant,
        "type": file.kind,
        "transfer_method": file.method,
        "remote_url": source,
        "related_id": kept,
        **named,
        "size": file.size,
        "url": file.url,
    }


def upload_answer(
    file: FileFacts, era: Era, *, created_by: str, created_at: int, tenant: str
) -> dict[str, Any]:
    """What an upload is answered with."""
    answer = {
        "id": file.id,
        "name": file.name,
        "size": file.size,
        "extension": file.suffix.removeprefix(".").lower(),
        "mime_type": file.content_type,
        "created_by": created_by,
        "created_at": created_at,
    }
    if era.has_file_marks:
        answer |= {
            "preview_url": None,
            "source_url": file.url,
            "original_url": None,
            "user_id": None,
            "tenant_id": tenant,
            "conversation_id": None,
            "file_key": None,
        }
    return answer


def signed_path(file: FileFacts, secret: bytes, now: int, nonce: str) -> str:
    """The path of a file and the signature that opens it for a while.

    Args:
        file: The file.
        secret: The server's.
        now: Seconds since 1970.
        nonce: 32 hexadecimal digits, other ones each time.
    """
    signature = _signature(secret, file.id, str(now), nonce)
    if file.method == TOOL_FILE:
        path = f"/files/tools/{file.id}{quote(file.suffix or '.bin')}"
        return f"{path}?timestamp={now}&nonce={nonce}&sign={signature}"
    return f"/files/{file.id}/file-preview?timestamp={now}&nonce={nonce}&sign={quote(signature)}"


def opens(query: Mapping[str, str], file_id: str, secret: bytes, now: int) -> bool:
    """Whether the query of an address was signed for a file, not too long ago."""
    stamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
    right = _signature(secret, file_id, stamp, nonce)
    if not hmac.compare_digest(query.get("sign", "").encode(), right.encode()):
        return False
    return stamp.isdecimal() and len(stamp) < _LONGEST_STAMP and now - int(stamp) <= SIGNED_SECONDS


def _signature(secret: bytes, file_id: str, stamp: str, nonce: str) -> str:
    message = f"file-preview|{file_id}|{stamp}|{nonce}".encode("utf-8", "replace")
    return base64.urlsafe_b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()
