"""What a service says of a request when it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Status:
    """The state of a request at one moment.

    Attributes:
        state: `queued`, `running`, `completed`, `failed`, or the service's own word where nbkit has none.
        position: How many requests are ahead of it, None where the service does not say.
        logs: Lines that the model printed; None where they were not asked for.
        metrics: What the service measured.
        error: Why it failed, in the service's words.
        error_type: The service's machine-readable word for that.
        raw: The answer as it came.
    """

    state: str
    position: int | None = None
    logs: tuple[str, ...] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    error_type: str = ""
    raw: Any = field(default=None, repr=False)
