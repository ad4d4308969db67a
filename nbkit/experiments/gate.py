"""How many requests of an experiment are under way at once: as many as the account's services work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.model.event import Queued

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST = 4
MOST = 64


class Gate:
    """Learns how many requests a service works on at once, and lets one more wait there, so that it is never idle.

    One request of ours in the service's queue, not hundreds: so two notebooks of one account get their turns alike.

    Args:
        fixed: How many at once, where the user says so; learnt where it is None.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self._is_fixed = fixed is not None
        self.limit = fixed or FIRST

    def has_room(self, under_way: int) -> bool:
        """Whether one more may be sent."""
        return under_way < self.limit

    def look(self, last_events: Iterable[object]) -> None:
        """Learn from where the requests stand: one that waits behind others shows how many are worked on.

        Args:
            last_events: The last event of each request that is under way, None where it has none.
        """
        events = list(last_events)
        waiting = [event for event in events if isinstance(event, Queued)]
        if not self._is_fixed and any(event.position for event in waiting):
            self.limit = max(1, min(self.limit, len(events) - len(waiting) + 1))

    def succeeded(self, last_events: Iterable[object]) -> None:
        """One ended well: where none waits, one more may be tried."""
        if not self._is_fixed and not any(isinstance(event, Queued) for event in last_events):
            self.limit = min(MOST, self.limit + 1)

    def refused(self) -> None:
        """The service said that these are too many."""
        self.limit = max(1, self.limit // 2)
