"""Files that go to a Dify server and come from it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from nbkit.wire.dify.addresses import file_identity
from nbkit.wire.dify.files import find_files, local_file, read_upload, upload_form, upload_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from nbkit.model.media import Media
    from nbkit.providers.dify import DifyService
    from nbkit.providers.files import Look, Upload
    from nbkit.providers.outputs import Collector
    from nbkit.providers.uploads import OnProgress

_UPLOADS_AT_ONCE = 4
_MOST_KNOWN = 500
_MOST_ADDRESSES = 2


class DifyUploader:
    """Uploads files to one server, the same one once.

    Args:
        service: Where to.
    """

    def __init__(self, service: DifyService) -> None:
        self._service = service
        self._slots = asyncio.Semaphore(_UPLOADS_AT_ONCE)
        self._known: dict[tuple[str, str, str], dict[str, Any]] = {}

    async def upload(self, file: Upload, *, on_progress: OnProgress | None = None) -> dict[str, Any]:
        """Upload a file and return what names it in an input.

        Raises:
            MediaError: It cannot be read, or is empty, or changed meanwhile.
            ServiceError: The server refused it.
            ConnectionFailed: The server was never reached.
            RequestLost: The connection broke, again and again.
        """
        look = await asyncio.to_thread(file.look)
        name = upload_name(file.file_name, file.content_type)
        known = (look.identity, file.content_type, name)
        if known not in self._known:
            async with self._slots:
                named = local_file(await self._send(look, name, on_progress), file.content_type)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[known] = named
        return dict(self._known[known])

    async def _send(self, look: Look, name: str, on_progress: OnProgress | None) -> str:
        boundary = secrets.token_hex(16)
        head, tail = upload_form(boundary, self._service.user, name, look.file.content_type)

        async def body() -> AsyncIterable[bytes]:
            yield head
            sent = 0
            async for piece in look.pieces(0, look.size):
                yield piece
                sent += len(piece)
                if on_progress:
                    on_progress(sent, look.size)
            yield tail

        answer = await self._service.transport.send(
            "POST",
            self._service.place.upload,
            content=body,
            headers={
                "content-type": f"multipart/form-data; boundary={boundary}",
                "content-length": str(len(head) + look.size + len(tail)),
            },
            of_file=True,
        )
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self._service.refusal(answer.status, answer.content).error(f"uploading {name}")
        parsed = None
        with contextlib.suppress(ValueError, RecursionError):
            parsed = json.loads(answer.content)
        return read_upload(parsed, name)


class DifyCollector:
    """Fetches the files of a run's outputs at once, without the key: their addresses die after five minutes.

    Args:
        service: Whose files they are.
        collector: Fetches and keeps.
    """

    def __init__(self, service: DifyService, collector: Collector) -> None:
        self._service = service
        self._collector = collector
        self._known: dict[str, Media] = {}

    async def collect(self, outputs: Any, request_id: str = "") -> tuple[Media, ...]:
        """Every file in an output, with its copy on this machine, or with the reason why there is none.

        Args:
            outputs: What a step or the whole workflow gave.
            request_id: The run it is of, named where a file is gone.
        """
        found = find_files(outputs, self._service.place)
        # The last event of a run signs the files of its steps again: the same files at other addresses.
        got = {name: kept for it in found if (name := _name(it)) and (kept := self._kept(name))}
        wanted = [it for it in found if it.url and _name(it) not in got]
        for turn in range(_MOST_ADDRESSES):
            to_try = [replace(it, url=url) for it in wanted for url in self._addresses(it)[turn : turn + 1]]
            for media in await self._collector.fetch(to_try, request_id):
                if (
                    turn == 0 or media.path is not None
                ):  # of two reasons the first, which is of the better address
                    got[_name(media)] = media
            wanted = [it for it in wanted if got[_name(it)].path is None]
        self._remember(got)
        return tuple(replace(got[_name(it)], place=it.place) if it.url else it for it in found)

    def _addresses(self, media: Media) -> tuple[str, ...]:
        return self._service.place.file_addresses(media.url)

    def _kept(self, name: str) -> Media | None:
        known = self._known.get(name)
        return known if known and known.path is not None and known.path.is_file() else None

    def _remember(self, got: dict[str, Media]) -> None:
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        self._known |= {name: media for name, media in got.items() if not name.startswith("data:")}


def _name(media: Media) -> str:
    return file_identity(media.url) or media.url
