"""Files that an input names: had from a data URI, from the server's own files, or from elsewhere, inside a worker."""

from __future__ import annotations

import asyncio
import base64
import binascii
import mimetypes
import shutil
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from nbkit.server.field_refused import FieldRefused
from nbkit.server.files import StoredFile
from nbkit.server.remote_file import fetch, unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.server.files import FileStore

_LONGEST_ADDRESS = 2000
_LARGEST = 2**30


def load_file(url: str, field: str, files: FileStore, folder: Path, *, public_only: bool = False) -> Path:
    """Get the file that an input field names, under its own name where it has one.

    Args:
        url: A data URI, an address of one of this server's files, or any http(s) address.
        field: The field's name, for errors.
        files: The server's files.
        folder: Where to put it.
        public_only: Whether other addresses than those of the server's files must be on the public internet.

    Raises:
        FieldRefused: It cannot be had, or is too large.
    """
    own = own_file(url, files)
    if own is not None and (path := files.path(own.id)):
        return shutil.copyfile(path, folder / own.name)
    content, kind = content_of(url, field, files, public_only=public_only)
    last = "" if url[:5].lower() == "data:" else unquote(urlsplit(url).path.rpartition("/")[2])
    name = StoredFile.new(last or f"file{mimetypes.guess_extension(kind.partition(';')[0]) or ''}", "").name
    target = folder / name
    target.write_bytes(content)
    return target


def content_of(url: str, field: str, files: FileStore, *, public_only: bool) -> tuple[bytes, str]:
    """The bytes of the file that an input field names, and the type that it is said to have.

    Raises:
        FieldRefused: It cannot be had, or is too large.
    """
    scheme = url.partition(":")[0].lower()
    if scheme == "data":
        return _from_data_uri(url, field)
    own = own_file(url, files)
    if own is not None:
        return files.read(own.id, _LARGEST), own.content_type
    if scheme not in ("http", "https"):
        raise unreachable(
            url, f"{scheme[:20]!r} is not a scheme that can be fetched; use https or a data URI", field
        )
    return asyncio.run(fetch(url, field, public_only=public_only))


def _from_data_uri(url: str, field: str) -> tuple[bytes, str]:
    head, comma, body = url.partition(",")
    kind = head[5:].partition(";")[0]
    if not comma:
        raise FieldRefused("The data URI has no data", field=field, kind="image_load_error")
    if not head.endswith(";base64"):
        return unquote_to_bytes(body), kind
    try:
        return base64.b64decode(body, validate=False), kind
    except (binascii.Error, ValueError) as error:
        raise FieldRefused("The data URI is not base64", field=field, kind="image_load_error") from error


def own_file(url: str, files: FileStore) -> StoredFile | None:
    """One of our own files, whatever host its address names."""
    # What follows the last three slashes, whether it is a whole address or the mark that models write.
    *_, signature, file_id, _name = ["", "", *url[-_LONGEST_ADDRESS:].split("/")]
    return files.find(file_id) if files.allows(signature, file_id) else None
