"""Runs in the history as a killed kernel leaves them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from nbkit import history
from nbkit.history.database import changing, history_path
from nbkit.history.recorder import Recorder
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Queued, Started

if TYPE_CHECKING:
    from nbkit.history import RunRecord

DEAD = 2**22 + 1
"""A process that cannot be."""


def bury(record: RunRecord) -> RunRecord:
    """Let the process that wrote a run be gone."""
    with changing(history_path()) as connection:
        connection.execute("UPDATE runs SET pid = ?, process = '' WHERE id = ?", (DEAD, record.id))
    return history.get(record.id)


def leave(
    place: str,
    request_id: str = "r1",
    endpoint: str = "acme/imgen",
    *,
    given: dict[str, Any] | None = None,
    way: str = "queue",
    **facts: str,
) -> RunRecord:
    """A run that was sent to a service, and whose kernel has ended; without an id, before the answer came."""

    async def go() -> str:
        recorder = Recorder(Endpoint.parse(endpoint))
        await recorder.begin(given or {"prompt": "a cat"}, way, place)
        if request_id:
            recorder.event(Queued(1))
            recorder.event(Started())
            recorder.accepted(request_id, **facts)
        return recorder.id

    return bury(history.get(asyncio.run(go())))
