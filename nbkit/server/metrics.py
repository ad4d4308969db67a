"""What is counted while a server runs. Plain numbers: counting must cost a request nothing that could be measured."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from itertools import accumulate

OTHER = "other"
_MOST_ENDPOINTS = 200
_MOMENTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (*_MOMENTS[3:], 30.0, 60.0, 120.0, 300.0, 600.0)


class Histogram:
    """How often something took how long.

    Args:
        bounds: Upper bounds of its buckets, in seconds and in order; one for all that is longer is added.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Each upper bound, as text, and how many were not above it."""
        names = [*map(str, self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))


class Metrics:
    """The numbers of one server.

    Attributes:
        accepted: Requests taken in, by endpoint.
        ended: Requests that ended, by endpoint and outcome.
        queued: Seconds that requests waited before they were begun, by endpoint.
        computing: Seconds for which requests were computed, by endpoint.
        refused: Requests that were not taken in, by reason.
        http: Answers, by method, route template and status.
        bytes_in: Bytes of bodies that came.
        bytes_out: Bytes of bodies that were sent.
        webhooks: Attempts to deliver webhooks, by outcome.
        workers: What became of worker processes, by event.
        journal: Seconds that writing a request down took.
        journal_failures: How many writes failed.
    """

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()
        self.queued: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(_LONG))
        self.computing: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(_LONG))
        self.refused: Counter[str] = Counter()
        self.http: Counter[tuple[str, str, int]] = Counter()
        self.bytes_in = 0
        self.bytes_out = 0
        self.webhooks: Counter[str] = Counter()
        self.workers: Counter[str] = Counter()
        self.journal = Histogram(_MOMENTS)
        self.journal_failures = 0
        self._endpoints: set[str] = set()

    def label(self, endpoint: str) -> str:
        """What an endpoint is counted as: itself, or `other` where there are too many already.

        Callers can save workflows and drop them again, each an endpoint with a name of its own.
        """
        if endpoint not in self._endpoints:
            if len(self._endpoints) >= _MOST_ENDPOINTS:
                return OTHER
            self._endpoints.add(endpoint)
        return endpoint
