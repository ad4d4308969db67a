"""How a run stands or ended: one value from the three places that say so.

The last event of a stream, the answer of a blocking call and the run's own record have the same fields in other
wrappings. Seen from 0.6.16 to 1.13.2: `outputs` is an object, null, or in records up to 1.8 a JSON string; `error` is
null or, where all is well in 1.8, an empty string; the record of a run that is not known is full of nulls.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNDER_WAY = ("running", "paused", "scheduled", "pending")
_WORDS = {"succeeded": "completed", "partial-succeeded": "completed"}
_IDENTIFIER = re.compile(r"[\w-]{1,200}", re.ASCII)
_METRICS = ("elapsed_time", "total_tokens", "total_steps")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run stands or ended.

    Attributes:
        run_id: The run's id, an empty string where the server knows no such run.
        task_id: The id it is stopped by, an empty string where it is not told.
        status: `running`, `paused`, `succeeded`, `partial-succeeded`, `failed`, `stopped`, or another word.
        outputs: What its end node gave.
        error: Why it failed, in the server's words.
        handled: How many steps failed and were handled by the workflow; 0 where it is not told.
        metrics: `elapsed_time` in seconds, `total_tokens`, `total_steps`.
        raw: The JSON it came from.
    """

    run_id: str
    task_id: str = ""
    status: str = ""
    outputs: Any = None
    error: str = ""
    handled: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    raw: Any = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether it ended, in whatever way."""
        return bool(self.status) and self.status not in _UNDER_WAY

    @property
    def is_well(self) -> bool:
        """Whether it ended and its outputs are here."""
        return self.status in _WORDS

    @property
    def is_partial(self) -> bool:
        """Whether steps failed and the workflow went on without them."""
        return self.status == "partial-succeeded"

    def as_status(self) -> Status:
        """The same as the state of a request."""
        failure = self.error if self.status in ("failed", "stopped") else ""
        word = _WORDS.get(self.status, self.status or "unknown")
        return Status(word, metrics=self.metrics, error=failure, raw=self.raw)


def read_outcome(body: Any) -> Outcome | None:
    """Read the answer of a blocking call, the last event of a stream, or a run's record; None for anything else."""
    if not isinstance(body, dict):
        return None
    data = body.get("data", body)
    if not isinstance(data, dict) or not data.keys() & {"status", "outputs"}:
        return None
    handled = data.get("exceptions_count")
    return Outcome(
        identifier(data.get("id") or body.get("workflow_run_id") or data.get("workflow_run_id")),
        identifier(body.get("task_id")),
        _text(data.get("status")),
        _outputs(data.get("outputs")),
        _text(data.get("error")),
        handled if isinstance(handled, int) else 0,
        {name: data[name] for name in _METRICS if isinstance(data.get(name), (int, float))},
        body,
    )


def identifier(value: Any) -> str:
    """An id that a server tells of a run or task; an empty string for what cannot stand in an address as one."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else ""


def _outputs(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return {} if value is None else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
