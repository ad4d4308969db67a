"""What happens to runs, told to the numbers and to the log alike."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from nbkit.server import logs
from nbkit.server.metrics import OTHER, Metrics

if TYPE_CHECKING:
    from nbkit.server.catalogue import Catalogue
    from nbkit.server.runs import Outcome, Run

HTTP_ID: ContextVar[str] = ContextVar("nbkit_http_id", default="")
"""The id that a proxy in front gave the exchange at hand, an empty string where there is none."""

_OUTCOMES = {422: "refused", 499: "cancelled", 504: "timed_out"}


class Telemetry:
    """One place that is told what happens.

    Attributes:
        metrics: The numbers.
        trouble: Why requests could not be written down, an empty string while they can.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.metrics = Metrics()
        self.trouble = ""
        self._catalogue = catalogue

    def accepted(self, run: Run) -> None:
        """A run was taken in."""
        self.metrics.accepted[self._label(run)] += 1
        if logs.tells():
            self._tell("accepted", run, priority=run.priority, depth=run.depth, http_request_id=HTTP_ID.get())

    def resumed(self, run: Run) -> None:
        """A run that an earlier server left waits again."""
        self._tell("resumed", run, starts=run.starts)

    def started(self, run: Run) -> None:
        """A run is being computed."""
        waited = max(0.0, time.time() - run.submitted)
        self.metrics.queued[self._label(run)].observe(waited)
        if logs.tells():
            self._tell("started", run, waited=round(waited, 3), starts=run.starts)

    def computed(self, run: Run, outcome: Outcome, *, cancelled: bool) -> None:
        """A worker is done with a run, well or not."""
        end = "cancel" if cancelled and outcome.worker_end else outcome.worker_end
        if end:
            self.metrics.workers[end] += 1
        if logs.tells():
            self._tell("computed", run, status=outcome.status, worker_end=end)

    def ended(self, run: Run) -> None:
        """A run is over."""
        outcome = run.outcome
        if outcome is None:
            return
        label, how = self._label(run), "ok" if outcome.ok else _OUTCOMES.get(outcome.status, "failed")
        self.metrics.ended[label, how] += 1
        if run.seconds is not None:
            self.metrics.computing[label].observe(run.seconds)
        if logs.tells():
            seconds = None if run.seconds is None else round(run.seconds, 3)
            event = "finished" if outcome.ok else "cancelled" if how == "cancelled" else "failed"
            self._tell(event, run, status=outcome.status, seconds=seconds, error_type=run.error[1])

    def left(self, run: Run) -> None:
        """A run is left to the next server."""
        self._tell("left", run)

    def refused(self, reason: str) -> None:
        """A request was not taken in."""
        self.metrics.refused[reason] += 1

    def webhook(self, run: Run, outcome: str, attempt: int) -> None:
        """A webhook was sent once: `taken`, `failed` (it is sent again) or `given_up`."""
        self.metrics.webhooks[outcome] += 1
        if logs.tells():
            self._tell("webhook", run, outcome=outcome, attempt=attempt)

    def journalled(self, seconds: float) -> None:
        """A request was written down."""
        self.metrics.journal.observe(seconds)
        self.trouble = ""

    def journal_failed(self, error: BaseException) -> None:
        """A request could not be written down. A trouble is said once, not for each request that meets it."""
        self.metrics.journal_failures += 1
        if str(error) != self.trouble:
            self.trouble = str(error)
            sentence = f"{error}; new requests of the queue are refused until it can be written again"
            logs.warn("journal_failed", sentence)

    def journal_mended(self) -> None:
        """Requests can be written down again."""
        self.trouble = ""

    def _label(self, run: Run) -> str:
        known = run.endpoint in self._catalogue
        return self.metrics.label(run.endpoint) if known else OTHER

    @staticmethod
    def _tell(event: str, run: Run, **facts: Any) -> None:
        if logs.tells():
            logs.tell(event, request_id=run.id, endpoint=run.endpoint, user=run.user, **facts)
