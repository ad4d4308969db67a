"""Which events a second stream of a run repeats: it begins with what happened before it was opened."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from nbkit.wire.dify.human_forms import form_id, paused_forms

if TYPE_CHECKING:
    from collections.abc import Mapping

    Identity = tuple[str, ...]

_REPEATED = frozenset(
    {
        "node_started",
        "node_retry",
        "node_finished",
        "iteration_started",
        "iteration_next",
        "iteration_completed",
        "loop_started",
        "loop_next",
        "loop_completed",
    }
)
# A state that is repeated has iterations among the steps, where a run under way has events of their own for them.
_AS_STEPS = {"node_started": "started", "node_finished": "completed"}


class Repeats:
    """Knows the events of one run that were told."""

    def __init__(self) -> None:
        self._told: Counter[Identity] = Counter()
        self._here: Counter[Identity] = Counter()

    def begin_again(self) -> None:
        """Another stream of the same run begins."""
        self._here.clear()

    def is_known(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Take an event, and say whether its stream repeats it: as often as it was told before, and no oftener."""
        name = _identity(kind, data)
        if name is None:
            return False
        self._here[name] += 1
        if self._here[name] <= self._told[name]:
            return True
        self._told[name] = self._here[name]
        return False


def _identity(kind: str, data: Mapping[str, Any]) -> Identity | None:
    """What tells an event from others of its run, so that it is known when it is repeated; None for what never is.

    Steps have an id of their own each time they run. An iteration has its step's id, and begins at another moment.
    """
    name = data.get("id")
    if kind in _AS_STEPS and data.get("node_type") in ("iteration", "loop"):
        kind, name = f"{data['node_type']}_{_AS_STEPS[kind]}", data.get("node_id")
    if kind == "workflow_started":
        facts: tuple[Any, ...] = (data.get("reason"),)
    elif kind == "human_input_required":
        facts = (form_id(data),)
    elif kind == "workflow_paused":
        facts = (*paused_forms(data), str(data.get("paused_nodes")))
    elif kind not in _REPEATED or not isinstance(name, str) or not name:
        return None
    elif name == data.get("node_id"):
        facts = (name, data.get("created_at"), data.get("index") if kind.endswith("_next") else None)
    else:
        facts = (name, data.get("retry_index"))
    return (kind, *map(str, facts))
