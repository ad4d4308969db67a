"""Uploads: where to ask for a place, and what the answer says. Fact: fal docs, "Storage"; fal's JavaScript client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from nbkit.errors import MediaError

if TYPE_CHECKING:
    from nbkit.wire.fal.addresses import Hosts


def initiate_url(hosts: Hosts) -> str:
    """Where to ask for a place for a file."""
    return f"{hosts.rest}/storage/upload/initiate?storage_type=fal-cdn-v3"


def read_place(body: Any, hosts: Hosts) -> tuple[str, str]:
    """The address to put the file to, and the one it will have.

    Raises:
        MediaError: The answer has neither.
    """
    named = body if isinstance(body, dict) else {}
    upload, file = named.get("upload_url"), named.get("file_url")
    if not isinstance(upload, str) or not isinstance(file, str):
        raise MediaError("the service gave no place to upload to")
    try:
        return urljoin(hosts.rest, upload), urljoin(hosts.rest, file)
    except ValueError as error:
        raise MediaError(f"the service gave an address that is none: {error}") from error
