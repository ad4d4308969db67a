"""Files of Dify's runs: the server's own, under the names and addresses that Dify has for them."""

from __future__ import annotations

import asyncio
import mimetypes
import secrets
import time
import uuid
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from nbkit.errors import InputError
from nbkit.server.field_refused import FieldRefused
from nbkit.server.files import FileStore, StoredFile
from nbkit.server.remote_file import fetch
from nbkit.server.secret import kept_secret
from nbkit.wire.dify.file_answers import (
    LOCAL_FILE,
    REMOTE_URL,
    TOOL_FILE,
    FileFacts,
    opens,
    signed,
    signed_path,
    told,
)
from nbkit.wire.dify.files import file_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.server.settings import Settings
    from nbkit.wire.dify.era import Era

_REMOTE_KEPT = 3600.0  # seconds: longer than any run takes
_FETCHES = 8  # at once: each may be tens of megabytes in memory
_MISMATCH = "Detected file type does not match the specified type. Please verify the file."


class DifyFiles:
    """Files of one server.

    Args:
        settings: The server's.
        store: Its files.
        era: How they are told.
        tenant: The id of the workspace.
    """

    def __init__(self, settings: Settings, store: FileStore, era: Era, tenant: str) -> None:
        self.store = store
        self._era = era
        self._tenant = tenant
        self._secret = kept_secret(settings.data_dir / "dify-key")
        self._public_only = not settings.on_loopback
        self._fetches = asyncio.Semaphore(_FETCHES)

    def told(self, value: Any, origin: str) -> Any:
        """A value as JSON; every file in it has a new address.

        Args:
            value: The value.
            origin: The server's address, as the caller knows it.
        """
        return told(signed(value, lambda file: self.address(file, origin)), self._era, self._tenant)

    def address(self, file: FileFacts, origin: str) -> str:
        """A new address of a file."""
        if file.method == REMOTE_URL:
            return file.source
        return origin + signed_path(file, self._secret, int(time.time()), secrets.token_hex(16))

    def addressed(self, file: FileFacts, origin: str) -> FileFacts:
        """A file with a new address."""
        return replace(file, url=self.address(file, origin))

    def opens(self, file_id: str, query: Mapping[str, str]) -> bool:
        """Whether the query of an address was signed here for a file, not too long ago."""
        return opens(query, file_id, self._secret, int(time.time()))

    def find(self, file_id: str) -> StoredFile | None:
        """The file of an id, None where there is none."""
        try:
            return self.store.find(uuid.UUID(file_id).hex)
        except ValueError:
            return None

    def kept(self, file: StoredFile, method: str, source: str = "") -> FileFacts:
        """What is to be told of a file that lies here."""
        size = self.store.size(file.id)
        return FileFacts(
            id=str(uuid.UUID(file.id)),
            method=method,
            kind=kind_of(file.name, file.content_type),
            name=file.name,
            content_type=file.content_type,
            size=-1 if size is None else size,
            source=source,
        )

    def for_model(self, value: Any) -> Any:
        """A value as an endpoint takes it: files as addresses, of a list the first."""
        if isinstance(value, list) and value and isinstance(value[0], FileFacts):
            value = value[0]
        if isinstance(value, FileFacts):
            named = StoredFile(uuid.UUID(value.id).hex, "file", value.content_type)
            return self.store.mark + self.store.address(named)
        return value

    def tool_outputs(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """An endpoint's output as that of a tool: its files, and the rest as JSON."""
        listed = output.get("images") or [output["image"]]
        rest = {name: value for name, value in output.items() if name not in ("images", "image")}
        return {"text": "", "files": [self._made(image) for image in listed], "json": [rest]}

    async def input_file(self, given: Any, origin: str) -> FileFacts:
        """The file that an input names.

        Args:
            given: `{"type", "transfer_method", "upload_file_id" or "url"}`.
            origin: The server's address, as the caller knows it.

        Raises:
            InputError: It names none, or one of another type. The message is Dify's.
        """
        method = given.get("transfer_method") if isinstance(given, dict) else None
        if method == LOCAL_FILE:
            file = await self.store.away(self._uploaded, given, origin)
        elif method == REMOTE_URL:
            file = await self._remote(given)
        else:
            raise InputError(f"No matching enum found for value {str(method)[:80]!r}")
        if given.get("type") not in (file.kind, "custom"):
            raise InputError(_MISMATCH)
        if file.kind != "image":
            raise InputError(f"File validation failed for file: {file.name[:200]}")
        return file

    def _uploaded(self, given: Mapping[str, Any], origin: str) -> FileFacts:
        upload_id = given.get("upload_file_id")
        if not isinstance(upload_id, str) or not upload_id:
            raise InputError("Invalid upload file id")
        try:
            uuid.UUID(upload_id)
        except ValueError:
            raise InputError("Invalid upload file id format") from None
        stored = self.find(upload_id)
        if stored is None:
            raise InputError("Invalid upload file")
        file = self.kept(stored, LOCAL_FILE)
        return replace(file, source=self.address(file, origin))

    async def _remote(self, given: Mapping[str, Any]) -> FileFacts:
        url = given.get("url") or given.get("remote_url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise InputError("Invalid file url")
        stored = await self.store.away(self._own, url)
        if stored is None:
            try:
                async with self._fetches:
                    content, content_type = await fetch(url, "url", public_only=self._public_only)
            except FieldRefused as error:
                raise InputError(str(error)) from error
            name = unquote(PurePosixPath(urlsplit(url).path).name) or "file"
            if not PurePosixPath(name).suffix:
                name += mimetypes.guess_extension(content_type.partition(";")[0].strip()) or ""
            stored = StoredFile.new(name, content_type, _REMOTE_KEPT)
            await self.store.away(self.store.put, stored, content)
        return await self.store.away(self.kept, stored, REMOTE_URL, url)

    def _own(self, url: str) -> StoredFile | None:
        """The file behind an address that was signed here and is still valid, whatever host it names."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        path = PurePosixPath(parts.path)
        file_id = path.parent.name if path.name == "file-preview" else path.stem
        return self.find(file_id) if self.opens(file_id, dict(parse_qsl(parts.query))) else None

    def _made(self, image: Mapping[str, Any]) -> FileFacts:
        file_id = image["url"].split("/")[-2]
        return FileFacts(
            id=str(uuid.UUID(file_id)),
            method=TOOL_FILE,
            kind="image",
            name=image["file_name"],
            content_type=image["content_type"],
            size=image["file_size"],
        )


def kind_of(name: str, content_type: str) -> str:
    """Dify's word for a file, by its ending, else by its type."""
    return file_type(mimetypes.guess_type(name)[0] or content_type)
