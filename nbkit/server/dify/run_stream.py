"""The event stream of a run, with a ping every few seconds while it lasts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

from nbkit.server.replies import gone, until_one_ends
from nbkit.wire.dify.answers import PING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from nbkit.server.dify.live_run import LiveRun
    from nbkit.server.keys import Keys


class RunStream(Response):
    """Sends a run's events until the run or the client ends.

    Args:
        run: The run.
        headers: Of the answer.
        ping: Seconds between two pings.
        keys: Whose keys are taken: the stream ends with its caller's.
    """

    def __init__(self, run: LiveRun, headers: dict[str, str], *, ping: float, keys: Keys) -> None:
        super().__init__(headers={**headers, "content-type": "text/event-stream; charset=utf-8"})
        del self.headers["content-length"]
        self._run = run
        self._ping = ping
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, and stop when the client has gone; the run goes on."""
        del scope
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            await until_one_ends(
                self._tell(send), gone(receive), self._keys.until_revoked(self._run.app.owner)
            )
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if not self._run.is_over and not self._run.era.records_dropped:
                self._run.was_dropped = True

    async def _tell(self, send: Send) -> None:
        async def say(content: bytes) -> None:
            await send({"type": "http.response.body", "body": content, "more_body": True})

        if self._run.era.pings_at_once:
            await say(PING)
        pinging = asyncio.create_task(self._keep_alive(say_ping=lambda: say(PING)))
        try:
            async for event in self._run.follow():
                await say(event)
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)

    async def _keep_alive(self, say_ping: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._ping)
            await say_ping()
