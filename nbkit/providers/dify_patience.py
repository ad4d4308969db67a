"""How long a Dify server is waited for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what, in seconds.

    Attributes:
        first_event: For the first event of a stream. A server that works sends it at once, one that has many runs to
            do a little later, and Dify 1.13 does not send it at all where an input is not valid.
        silence: Between two pieces of a stream. Servers send a sign of life every 10 s.
        blocking: For the answer of a blocking call. Servers end a run after 1200 s.
        followed: For the end of a run whose stream is gone, and for the next event of one whose stream is there.
        forgetful: The same, at servers that never record it; it may have ended at that moment.
        outage: For a server that cannot be asked.
        quickest: Between two questions, at first.
        slowest: Between two questions, later.
    """

    first_event: float = 60.0
    silence: float = 45.0
    blocking: float = 1260.0
    followed: float = 1260.0
    forgetful: float = 20.0
    outage: float = 60.0
    quickest: float = 0.5
    slowest: float = 5.0


PATIENCE = Patience()
