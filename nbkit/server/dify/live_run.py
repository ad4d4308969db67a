"""A run on its way: what it has told so far, and a way to follow it."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from nbkit.wire.dify.answers import event
from nbkit.wire.dify.event_answers import EventWriter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from typing import Any

    from nbkit.server.dify.apps import WorkflowApp
    from nbkit.wire.dify.answers import RunRecord
    from nbkit.wire.dify.era import Era


class LiveRun:
    """One run, from its start to its end.

    Attributes:
        app: Its workflow.
        record: What is known of it.
        origin: The server's address, as its caller knows it.
        era: How it is told.
        task_id: The id it is stopped by.
        writer: Writes its events.
        is_over: Whether its last event is told.
        was_dropped: Whether its stream broke off, in an era that then never records its end.
    """

    def __init__(self, app: WorkflowApp, record: RunRecord, origin: str, era: Era) -> None:
        self.app = app
        self.record = record
        self.origin = origin
        self.era = era
        self.task_id = str(uuid.uuid4())
        self.writer = EventWriter(era, record, self.task_id)
        self.is_over = False
        self.was_dropped = False
        self._told: list[bytes] = []
        self._news = asyncio.Event()

    def tell(self, *payloads: Mapping[str, Any]) -> None:
        """Tell events to all who follow."""
        self._told += [event(payload, self.era) for payload in payloads]
        self._wake()

    def end(self) -> None:
        """Note that there is nothing more to tell."""
        self.is_over = True
        self._wake()

    async def over(self) -> None:
        """Wait until it is over."""
        while not self.is_over:
            await self._news.wait()

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """Its events from the first on, as they are told."""
        count = 0
        while True:
            while count < len(self._told):
                yield self._told[count]
                count += 1
            if self.is_over:
                return
            await self._news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
