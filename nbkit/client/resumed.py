"""What became of runs that were resumed, as a table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbkit.client.run import Run
    from nbkit.history import RunRecord
    from nbkit.model.result import Result

_COLUMNS = ("", "run", "endpoint", "input", "state", "what is known")
_SHORT_ID = 8
_TICK = 0.05  # seconds


@dataclass(frozen=True)
class Standing:
    """Where one run stands.

    Attributes:
        record: The run as the history had it.
        run: The run that follows it, None where it cannot be followed.
        advice: What is known and what can be done, where it is not followed.
        candidates: The service's ids of requests that may be it.
    """

    record: RunRecord
    run: Run | None = None
    advice: str = ""
    candidates: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """The state of the run that is followed, else that of the history."""
        from nbkit.history.queries import get

        return self.run.status if self.run else get(self.record.id).state

    @property
    def result(self) -> Result | None:
        """What it gave, None where it gave nothing (yet)."""
        if self.run is None:
            return self.record.result if self.record.state == "succeeded" else None
        return self.run.result() if self.run.status == "succeeded" else None

    @property
    def known(self) -> str:
        """What there is to say of it."""
        error = self.run.error if self.run and self.run.is_done else None
        ids = f": {', '.join(self.candidates)}" if self.candidates else ""
        return str(error) if error else f"{self.advice}{ids}"


class Resumed(Sequence[Standing]):
    """Runs that were resumed, the oldest first. In a notebook they show themselves as a table."""

    def __init__(self, standings: Iterable[Standing]) -> None:
        self._standings = tuple(standings)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all are over. An interrupt ends the waiting alone.

        Args:
            timeout: Seconds to wait at the most.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self.going_on and (until is None or time.monotonic() < until):
            time.sleep(_TICK)

    @property
    def results(self) -> list[Result]:
        """What came back."""
        return [result for it in self._standings if (result := it.result)]

    @property
    def going_on(self) -> list[Run]:
        """The runs that are not over; they are followed while this program goes on."""
        return [it.run for it in self._standings if it.run and not it.run.is_done]

    @property
    def unknown(self) -> list[RunRecord]:
        """The runs of which nobody knows what became."""
        return [it.record for it in self._standings if it.state == "unknown"]

    @property
    def title(self) -> str:
        """How many came back, how many go on, and how many are not known."""
        ended = len(self) - len(self.results) - len(self.going_on) - len(self.unknown)
        parts = [
            (len(self.results), "came back"),
            (len(self.going_on), "not over yet"),
            (ended, "ended without a result"),
            (
                len(self.unknown),
                "unknown: %nbkit resume --resend ID sends one again, and may be billed twice",
            ),
        ]
        told = ", ".join(f"{number} {what}" for number, what in parts if number)
        return f"runs: {told}" if told else "no run waits to be resumed"

    @overload
    def __getitem__(self, index: int) -> Standing: ...
    @overload
    def __getitem__(self, index: slice) -> Resumed: ...
    def __getitem__(self, index: int | slice) -> Standing | Resumed:
        return Resumed(self._standings[index]) if isinstance(index, slice) else self._standings[index]

    def __len__(self) -> int:
        return len(self._standings)

    def __repr__(self) -> str:
        return f"<{self.title}>"

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        from nbkit.display import table

        rows = [_row(it) for it in self._standings]
        pictures = [_thumbnail(it) for it in self._standings]
        return table.pictured(self.title, rows, _COLUMNS, pictures)


def _row(standing: Standing) -> list[str]:
    from nbkit.display.state import mark

    record, state = standing.record, standing.state
    said = record.input.get("prompt") or ", ".join(f"{name}: {value}" for name, value in record.input.items())
    return [mark(state), record.id[:_SHORT_ID], record.endpoint, str(said)[:200], state, standing.known]


def _thumbnail(standing: Standing) -> object:
    result = standing.result
    return result.images[0].thumbnail() if result is not None and result.images else ""
