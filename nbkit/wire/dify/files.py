"""Files as Dify writes them: in outputs, in inputs, and on their way up.

Output objects differ by version: `{"__variant": "FileVar", …}` up to 0.9, since then
`{"dify_model_identity": "__dify__file__", …}`; either may have nulls, a size of -1, or an address that is relative to
the server's origin.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from nbkit.errors import ServiceError
from nbkit.model.media import Media, find_media
from nbkit.wire.dify.addresses import file_identity

if TYPE_CHECKING:
    from nbkit.wire.dify.addresses import Place

_DEEPEST = 40
_LONGEST_NAME = 150
_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')  # servers from 1.2 on refuse a name with one of these
_NO_ADDRESS = "the server gave no address for it (versions before 0.10 do so for files made in iterations)"


def find_files(outputs: Any, place: Place) -> list[Media]:
    """Every file in an output once, with an absolute address; one that has none tells so as its problem."""
    lost: list[Media] = []
    found: dict[str, Media] = {}
    for media in find_media(_plain(outputs, place, "", 0, lost)):
        found.setdefault(file_identity(media.url) or media.url, media)
    return [*found.values(), *lost]


def is_file_object(value: Any) -> bool:
    """Whether some JSON is a file as a Dify server writes it."""
    if not isinstance(value, dict):
        return False
    is_marked = value.get("dify_model_identity") == "__dify__file__" or value.get("__variant") == "FileVar"
    return is_marked or ("transfer_method" in value and "type" in value and "url" in value)


def _plain(value: Any, place: Place, where: str, depth: int, lost: list[Media]) -> Any:
    """An output with its file objects reduced to what says where they are and what they are."""
    if depth > _DEEPEST:
        return None
    if is_file_object(value):
        return _plain_file(value, place, where, lost)
    if isinstance(value, dict):
        inner = {
            name: _plain(item, place, f"{where}.{name}" if where else str(name), depth + 1, lost)
            for name, item in value.items()
        }
        if isinstance(url := inner.get("url"), str) and url.startswith("/"):
            inner["url"] = place.absolute(url)
        return inner
    if isinstance(value, list):
        return [
            _plain(item, place, f"{where}.{index}" if where else str(index), depth + 1, lost)
            for index, item in enumerate(value)
        ]
    return value


def _plain_file(value: dict[str, Any], place: Place, where: str, lost: list[Media]) -> dict[str, Any]:
    name, suffix = _text(value.get("filename")), _text(value.get("extension"))
    if name and suffix and not name.lower().endswith(suffix.lower()):
        name += suffix if suffix.startswith(".") else f".{suffix}"
    remote = _text(value.get("remote_url"))  # the old source of a file; only of a remote one its address
    url = _text(value.get("url")) or (remote if value.get("transfer_method") == "remote_url" else "")
    kind = _text(value.get("mime_type"))
    if not url:
        lost.append(Media("", kind, name, place=where, problem=_NO_ADDRESS))
        return {}
    return {
        "url": place.absolute(url),
        "mime_type": kind,
        "filename": name,
        "size": value.get("size"),
    }


def file_type(content_type: str) -> str:
    """Dify's word for a kind of file: `image`, `audio`, `video` or `document`."""
    kind = content_type.partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document"


def local_file(upload_id: str, content_type: str) -> dict[str, Any]:
    """An uploaded file, as an input names it."""
    return {"type": file_type(content_type), "transfer_method": "local_file", "upload_file_id": upload_id}


def remote_file(url: str, otherwise: str = "image") -> dict[str, Any]:
    """A file that the server is to fetch itself, as an input names it.

    Args:
        url: Its address.
        otherwise: Dify's word for its kind where the address does not tell.
    """
    kind = mimetypes.guess_type(url.partition("?")[0])[0]
    return {"type": file_type(kind) if kind else otherwise, "transfer_method": "remote_url", "url": url}


def upload_name(name: str, content_type: str) -> str:
    """A file name that servers take, with an ending: they judge a file by it."""
    clean = _FORBIDDEN.sub("_", name).strip(" .") or "file"
    suffix = PurePosixPath(clean).suffix or mimetypes.guess_extension(content_type) or ""
    return PurePosixPath(clean).stem[:_LONGEST_NAME] + suffix[:20]


def upload_form(boundary: str, user: str, name: str, content_type: str) -> tuple[bytes, bytes]:
    """What stands before and after the bytes of an uploaded file (RFC 7578)."""
    clean = "".join(char for char in user if char.isprintable())
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="user"\r\n\r\n{clean}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return head.encode(), f"\r\n--{boundary}--\r\n".encode()


def read_upload(body: Any, file_name: str) -> str:
    """The id of an uploaded file.

    Raises:
        ServiceError: The answer has none.
    """
    upload_id = body.get("id") if isinstance(body, dict) else None
    if not isinstance(upload_id, str) or not upload_id:
        raise ServiceError(f"uploading {file_name}: the server's answer has no id", body=body)
    return upload_id


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
