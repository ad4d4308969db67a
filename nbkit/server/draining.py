"""The end of a server that is told to end: nothing new is taken, and what was begun gets its time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from nbkit.server import logs
from nbkit.server.replies import BadRequest
from nbkit.wire.fal.answers import IN_QUEUE

if TYPE_CHECKING:
    from nbkit.server.service import Service


class Draining:
    """Whether a server drains, and how far it is.

    Args:
        service: The server.

    Attributes:
        is_on: Whether it takes nothing new.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ends = 0.0
        self.is_on = False

    def check(self) -> None:
        """Make sure that new requests are taken.

        Raises:
            BadRequest: The server ends (503).
        """
        if self.is_on:
            self._service.telemetry.refused("draining")
            seconds = max(0.0, self._ends - time.monotonic())
            raise BadRequest(503, "The server ends and takes no new requests.", retry_after=seconds)

    def begin(self) -> None:
        """Take nothing new from now on, and begin nothing more of the queue."""
        self.is_on = True
        seconds, dispatcher = self._service.settings.drain_seconds, self._service.dispatcher
        self._ends = time.monotonic() + seconds
        dispatcher.hold()
        if running := dispatcher.running:
            words = "1 running request has" if running == 1 else f"{running} running requests have"
            sentence = f"{words} {seconds:g} s to end; another signal ends them at once"
            logs.warn("draining", sentence, running=running)
        else:
            logs.tell("draining")

    async def settle(self) -> None:
        """Wait until everything that was begun is over and told; what waits in the queue is left to the next server."""
        service = self._service
        while begun := [
            run for run in service.store.unfinished() if run.state != IN_QUEUE or not run.priority
        ]:
            await asyncio.wait([asyncio.ensure_future(run.settle()) for run in begun])
        await service.webhooks.settle()

    async def problem(self) -> str:
        """Why no requests should be sent here, an empty string where they should."""
        return "the server ends" if self.is_on else ""
