"""What endpoints take and give: asked for, kept, and found again when the service cannot be asked."""

from __future__ import annotations

import asyncio
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from nbkit.errors import ConnectionFailed, NbkitError, RequestLost, ServiceError
from nbkit.providers.schema_cache import Kept
from nbkit.wire.fal.openapi import LARGEST_DOCUMENT, document_url, is_fal, read_document
from nbkit.wire.fal.refusals import read_refusal

if TYPE_CHECKING:
    from nbkit.model.endpoint import Endpoint
    from nbkit.model.schema import Schema
    from nbkit.providers.schema_cache import SchemaCache
    from nbkit.transport.http import Transport
    from nbkit.wire.fal.addresses import Hosts

FRESH = 24 * 3600.0
"""Seconds for which a schema is used without asking again."""

TRUSTED = 7 * 24 * 3600.0
"""Seconds for which inputs are checked against a schema. Models change, and an old schema must not stop a call."""

_NEAR_PATIENCE = 0.5
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{1,200}"')
_SILENCE = 15.0
_MOST_IN_MEMORY = 200
_changed: dict[str, float] = {}


class Schemas:
    """The schemas of one service.

    Args:
        transport: The connections.
        hosts: Where the service is.
        cache: Documents on disk; None for a server of this process, which is always there.
    """

    def __init__(self, transport: Transport, hosts: Hosts, cache: SchemaCache | None) -> None:
        self._transport = transport
        self._hosts = hosts
        self._cache = cache
        self._known: dict[str, Schema] = {}
        self._mute_until = 0.0

    async def get(self, endpoint: Endpoint) -> Schema:
        """The schema of an endpoint: what was fetched within a day, else what the service says now.

        Where the service cannot be asked, it is what it said earlier, and `problem` says so.

        Raises:
            ServiceError: The service does not know the endpoint, or describes it in a way that cannot be read.
            ConnectionFailed: It was never reached, and nothing was kept.
            RequestLost: It did not answer, and nothing was kept.
        """
        name = str(endpoint)
        if (known := self._known.get(name)) and not known.problem and _holds(endpoint, known, FRESH):
            return known
        url = document_url(self._hosts, endpoint)
        kept = await asyncio.to_thread(self._cache.read, url) if self._cache else None
        if kept is None or not _holds(endpoint, kept, FRESH):
            try:
                kept = await self._fetch(url, endpoint, kept)
            except (ConnectionFailed, RequestLost, ServiceError) as error:
                gone = isinstance(error, ServiceError) and error.status == HTTPStatus.NOT_FOUND
                if kept is None or gone:
                    raise
                day = time.strftime("%Y-%m-%d", time.localtime(kept.fetched_at))
                problem = f"as of {day}, because the service cannot be asked: {error.args[0]}"
                return self._remember(read_document(kept.content, name, kept.fetched_at, problem))
        return self._remember(read_document(kept.content, name, kept.fetched_at))

    def forget(self, endpoint: str) -> None:
        """Ask for the schema of an endpoint anew when it is needed: it is another now."""
        self._known.pop(endpoint, None)

    async def known(self, endpoint: Endpoint) -> Schema | None:
        """The schema of an endpoint if it is at hand; never waits for a service elsewhere, and never fails."""
        found = self._known.get(str(endpoint))
        if found and not _holds(endpoint, found, TRUSTED):
            found = None
        if found is None and self._cache is None:
            found = await self._from_near(endpoint)
        elif found is None and self._cache is not None:
            kept = await asyncio.to_thread(self._cache.read, document_url(self._hosts, endpoint))
            try:
                found = read_document(kept.content, str(endpoint), kept.fetched_at) if kept else None
            except ServiceError:
                found = None
            if found:
                self._remember(found)
        return found if found and _holds(endpoint, found, TRUSTED) else None

    async def _from_near(self, endpoint: Endpoint) -> Schema | None:
        """Ask the server of this process; one that does not answer at once is left alone for a while."""
        if time.monotonic() < self._mute_until:
            return None
        try:
            async with asyncio.timeout(_NEAR_PATIENCE):
                return await self.get(endpoint)
        except ServiceError:
            return None
        except (NbkitError, TimeoutError):
            self._mute_until = time.monotonic() + _NEAR_PATIENCE
            return None

    async def _fetch(self, url: str, endpoint: Endpoint, kept: Kept | None) -> Kept:
        headers = {"if-none-match": kept.etag} if kept and kept.etag else {}
        async with self._transport.open(
            "GET", url, headers=headers, with_key=not is_fal(self._hosts), read_timeout=_SILENCE
        ) as opened:
            if opened.status == HTTPStatus.NOT_MODIFIED and kept:
                fresh = Kept(kept.content, time.time(), kept.etag)
            else:
                content = await opened.read(LARGEST_DOCUMENT)
                if opened.status != HTTPStatus.OK:
                    raise read_refusal(opened.status, opened.headers, content).error(
                        f"asking for the schema of {endpoint}"
                    )
                if len(content) >= LARGEST_DOCUMENT:
                    raise ServiceError(f"the description of {endpoint} is too large to be one")
                etag = opened.headers.get("etag", "")
                fresh = Kept(content, time.time(), etag if _ETAG.fullmatch(etag) else "")
                read_document(content, str(endpoint), 0.0)  # what cannot be read is not kept
        if self._cache:
            await asyncio.to_thread(self._cache.write, url, fresh)
        return fresh

    def _remember(self, schema: Schema) -> Schema:
        if len(self._known) >= _MOST_IN_MEMORY:
            del self._known[next(iter(self._known))]
        self._known[schema.endpoint] = schema
        return schema


def outdate(endpoint: Endpoint) -> None:
    """Say that an endpoint was changed from here, so that what any client of this process knows of it is old."""
    _changed[str(endpoint)] = time.time()


def _holds(endpoint: Endpoint, what: Schema | Kept, seconds: float) -> bool:
    """Whether what is known of an endpoint is so young, and younger than the last change to it from here."""
    return _age(what.fetched_at) < seconds and what.fetched_at > _changed.get(str(endpoint), 0.0)


def _age(moment: float) -> float:
    """Seconds since a moment; for ever for one that is still to come."""
    return age if (age := time.time() - moment) >= 0 else float("inf")
