"""Requests in flight and over."""

from __future__ import annotations

import asyncio
import json
import math
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from nbkit.wire.fal.answers import (
    CANCELLED,
    COMPLETED,
    IN_PROGRESS,
    IN_QUEUE,
    RequestUrls,
    error_summary,
    status,
)

UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended: the answer that its result is.

    Attributes:
        status: HTTP status code.
        body: JSON, with the files' mark in place of this server's address.
        headers: Besides the usual ones.
        worker_end: Why its worker was ended or ended by itself, in a word; an empty string where it was not.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    worker_end: str = ""

    @classmethod
    def of(cls, status: int, body: Any, **headers: str) -> Outcome:
        """One made by the server itself. Names of headers are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(body, separators=(",", ":")).encode("ascii"), named)

    @classmethod
    def refused(cls, detail: list[dict[str, Any]]) -> Outcome:
        """The input is not valid. Nothing was computed, so nothing is billed."""
        return cls.of(UNPROCESSABLE, {"detail": detail}, x_fal_billable_units="0")

    @classmethod
    def failed(cls, status: int, message: str, error_type: str) -> Outcome:
        """The server could not let it run to its end."""
        return cls.of(status, {"detail": message, "error_type": error_type})

    @classmethod
    def cancelled(cls) -> Outcome:
        """Somebody stopped it."""
        return cls.of(499, CANCELLED)

    @classmethod
    def start_timeout(cls, seconds: float) -> Outcome:
        """It did not begin within the time that the caller gave it (fal docs: `X-Fal-Request-Timeout`)."""
        body = {"detail": f"Request did not start within {seconds:g} s", "error_type": "request_timeout"}
        return cls.of(504, body, x_fal_request_timeout_type="user")

    @property
    def ok(self) -> bool:
        """Whether the model gave a result."""
        return self.status < 400  # noqa: PLR2004 - where HTTP's errors begin

    def value(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Run:
    """One request, from its submit to its outcome.

    Attributes:
        id: The request id.
        endpoint: What was called, with its sub-path.
        app: The same without it, which its addresses hold.
        input: What was sent, None where only the journal holds it; let go once the run is over.
        stand_in: The local model that answers, an empty string where the endpoint is nbkit's own.
        priority: 0 for what is not queued by its caller (direct calls, steps), 1 normal, 2 low.
        depth: How many workflows it is inside of.
        file_seconds: How long the files that it makes are kept, None for ever.
        keeps_input: Whether its input may be kept; without, it is let go as soon as nothing needs it.
        caller_name: What its caller calls it, an empty string where it does not say.
        user: Whose it is: the name of its caller's key, an empty string for the server's owner.
        state: `IN_QUEUE`, `IN_PROGRESS` or `COMPLETED`.
        position: How many are ahead of it in the queue.
        logs: Its log entries so far.
        outcome: How it ended, None before.
        is_workflow: Whether it is a graph of steps, whose stream tells its own result.
        feed: What it tells those who watch it, None after the last; there is no feed where nobody watches.
        version: Grows with every change.
        seq: Its place in the order of the journal, 0 where it is not written there.
        submitted: When it came, in seconds since 1970.
        start_by: By when it has to start, in seconds since 1970, None for no such wish.
        starts: How many times it was begun, before this server's start too.
        seconds: How long it was computed, None where it was not.
        expires: When its result may be forgotten, in seconds since 1970; infinite before its end.
        webhook: Whom to tell its end, and by which address of this server; None once that is done.
        away: Whether only the journal holds its input.
        cancelled: Whether its cancel was asked for while it was computed.
        left: Whether this server does nothing more about it, and leaves it to another.
        elsewhere: Whether another server sees to it.
    """

    elsewhere = False

    def __init__(
        self,
        *,
        endpoint: str,
        app: str,
        given: Any,
        stand_in: str = "",
        priority: int = 1,
        depth: int = 0,
        watched: bool = False,
        file_seconds: float | None = None,
        keeps_input: bool = True,
        caller_name: str = "",
        user: str = "",
    ) -> None:
        self.id = str(uuid.uuid4())
        self.endpoint = endpoint
        self.app = app
        self.input = given
        self.stand_in = stand_in
        self.priority = priority
        self.depth = depth
        self.file_seconds = file_seconds
        self.keeps_input = keeps_input
        self.caller_name = caller_name
        self.user = user
        self.state = IN_QUEUE
        self.position = 0
        self.logs: list[dict[str, Any]] = []
        self.outcome: Outcome | None = None
        self.error = ("", "")
        self.seq = 0
        self.submitted = time.time()
        self.start_by: float | None = None
        self.starts = 0
        self.seconds: float | None = None
        self.expires = math.inf
        self.webhook: tuple[str, str] | None = None
        self.away = False
        self.cancelled = False
        self.left = False
        self.is_workflow = False
        self.feed: asyncio.Queue[dict[str, Any] | None] | None = asyncio.Queue() if watched else None
        self._began: float | None = None
        self.version = 0
        self._changed: asyncio.Future[None] | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state == COMPLETED

    def belongs_to(self, user: str) -> bool:
        """Whether a user can see it: the server's owner sees all."""
        return user in ("", self.user)

    def log(self, message: str, level: str = "INFO") -> None:
        """Add a log entry, stamped with a naive time in UTC as fal's are."""
        timestamp = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        self.logs.append({"timestamp": timestamp, "message": message, "level": level, "labels": {}})
        self._tell()

    def move(self, position: int) -> None:
        """Note how many are ahead of it now."""
        if position != self.position:
            self.position = position
            self._tell()

    def start(self) -> None:
        """Note that it is being computed."""
        self.state, self._began = IN_PROGRESS, time.monotonic()
        self.starts += 1
        self._tell()

    def stop_clock(self) -> None:
        """Note that computing is over; what follows is only writing down."""
        if self.seconds is None and self._began is not None:
            self.seconds = time.monotonic() - self._began

    def leave(self) -> None:
        """Note that nothing more will come of it from this server."""
        self.left = True
        self._tell()

    def finish(self, outcome: Outcome) -> None:
        """Note how it ended. Only the first end counts."""
        if self.over:
            return
        self.stop_clock()
        self.state, self.outcome, self.input = COMPLETED, outcome, None
        if not outcome.ok:
            self.error = error_summary(outcome.value())
        self._tell()
        self.emit(None)

    def emit(self, event: dict[str, Any] | None) -> None:
        """Tell those who watch something; None is the last."""
        if self.feed is not None:
            self.feed.put_nowait(event)
            self._tell()

    async def change(self, since: int) -> None:
        """Wait until anything about it is other than it was at a version."""
        if self.version == since:
            if self._changed is None:
                self._changed = asyncio.get_running_loop().create_future()
            # Shielded, because all who wait share the one future.
            await asyncio.shield(self._changed)

    async def settle(self) -> None:
        """Wait until it is over, or until this server will do nothing more about it."""
        while not self.over and not self.left:
            await self.change(self.version)

    async def end(self) -> Outcome:
        """Wait until it is over."""
        while self.outcome is None:
            await self.change(self.version)
        return self.outcome

    def status(self, queue_url: str, logs: list[dict[str, Any]] | None) -> dict[str, Any]:
        """Its status answer.

        Args:
            queue_url: The queue's address, as the client calls it.
            logs: The log entries to tell, None where they were not asked for.
        """
        message, kind = self.error
        urls = RequestUrls.of(queue_url, self.app, self.id)
        return status(
            self.state,
            self.id,
            urls,
            position=self.position,
            logs=logs,
            seconds=(self.seconds or 0.0) if self.over else None,
            error=message,
            error_type=kind,
        )

    def _tell(self) -> None:
        self.version += 1
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)
