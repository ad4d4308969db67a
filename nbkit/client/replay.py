"""Answers calls from history alone: nothing is opened, nothing is sent (`NBKIT_MODE=replay`)."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any

from nbkit.client.reuse import Reuse, retell
from nbkit.config import cache_dir
from nbkit.errors import InputError, NotInHistory
from nbkit.history.database import history_path
from nbkit.history.past import nearest, recorded
from nbkit.history.queries import get, search
from nbkit.model.event import Log
from nbkit.model.status import Status
from nbkit.providers.reply import end_event
from nbkit.providers.schema_cache import SchemaCache
from nbkit.wire.fal.addresses import Hosts
from nbkit.wire.fal.openapi import document_url, read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from nbkit.client.run import Run
    from nbkit.history.past import Asked
    from nbkit.history.record import RunRecord
    from nbkit.model.endpoint import Endpoint
    from nbkit.model.schema import Schema
    from nbkit.providers.files import Upload
    from nbkit.providers.inputs import Draft

    Way = Callable[["ReplayConductor"], Coroutine[Any, Any, RunRecord]]

_STATES = {"succeeded": "completed"}
_told: dict[tuple[Path, str, str, str], int] = {}


class ReplayConductor:
    """Drives one run as it went once. Equal requests give what they gave, in the same order; then the last again."""

    def __init__(self, run: Run, endpoint: Endpoint) -> None:
        self.run = run
        self.endpoint = endpoint
        self._task: asyncio.Task[None] | None = None

    async def start(self, way: Way) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._conduct(way))

    async def _conduct(self, way: Way) -> None:
        try:
            retell(self.run, await way(self), is_replay=True)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, whoever waits must hear of it
            self.run._publish(end_event(error))  # noqa: SLF001 - a run is changed by its conductor alone
            self.run._settle(None, error)  # noqa: SLF001

    async def queued(self, draft: Draft, options: Mapping[str, Any]) -> RunRecord:
        """What a submit gave."""
        return await self._next(draft, "queue", str(options.get("workflow_id", "")))

    async def direct(self, draft: Draft, _headers: Mapping[str, str]) -> RunRecord:
        """What a direct call gave."""
        return await self._next(draft, "direct")

    async def streamed(self, draft: Draft, _headers: Mapping[str, str]) -> RunRecord:
        """What a stream gave."""
        return await self._next(draft, "stream")

    async def attached(self, request_id: str) -> RunRecord:
        """What a request gave that is known by its id."""
        return await asyncio.to_thread(record_of, self.endpoint, request_id)

    async def _next(self, draft: Draft, way: str, version: str = "") -> RunRecord:
        asked = await Reuse(self.endpoint, draft, way, version).asked()
        if asked is None:
            raise NotInHistory(
                f"{self.endpoint} is given a file too large to be compared with one of the history"
            )
        records = await asyncio.to_thread(recorded, asked)
        if not records:
            hint = await asyncio.to_thread(nearest, asked)
            raise NotInHistory(f"the history holds no call of {self.endpoint} with this input", hint=hint)
        return records[min(_count(asked), len(records) - 1)]


def record_of(endpoint: Endpoint, request_id: str) -> RunRecord:
    """The run of the history that a service called by an id.

    Raises:
        NotInHistory: There is none.
    """
    try:
        record = get(request_id)
    except InputError as error:
        raise NotInHistory(f"the history holds no run {request_id} of {endpoint}") from error
    if record.endpoint != str(endpoint):
        raise NotInHistory(f"run {request_id} is one of {record.endpoint}, not of {endpoint}")
    return record


def status_of_record(record: RunRecord, *, logs: bool) -> Status:
    """Where a run of the past stands: at its end."""
    lines = tuple(event.message for event in record.events if isinstance(event, Log)) if logs else None
    state = _STATES.get(record.state, record.state)
    return Status(state, logs=lines, metrics=record.metrics, error=record.error, error_type=record.error_type)


def kept_schema(endpoint: Endpoint) -> Schema:
    """What an endpoint of fal takes and gives, as it was kept when it was asked for.

    Raises:
        NotInHistory: It was not.
    """
    url = document_url(Hosts.of_fal(os.environ), endpoint) if endpoint.provider == "fal" else ""
    kept = SchemaCache(cache_dir() / "schemas").read(url) if url else None
    if kept is None:
        raise NotInHistory(f"the schema of {endpoint} was not kept")
    return read_document(kept.content, str(endpoint), kept.fetched_at)


def address_of(file: Upload) -> str:
    """What an upload of the same bytes gave.

    Raises:
        NotInHistory: There was none.
    """
    source = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
    sha256 = hashlib.sha256(source).hexdigest()
    for record in search(limit=None):
        for media in record.input_files:
            if media.sha256 == sha256 and media.url:
                return media.url
    raise NotInHistory(
        f"the history does not know the address that {file.file_name} was uploaded to",
        hint="put the file itself into the input: there it is known by what is in it",
    )


def _count(asked: Asked) -> int:
    """How often a request was made in this process before."""
    name = (history_path(), asked.endpoint, asked.way, asked.sha256)
    _told[name] = count = _told.get(name, -1) + 1
    return count
