"""How a run looks by itself: as the last value of a cell, and in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from nbkit.client.run import Run


class Showing:
    """What is shown as a card in a notebook, and as a line among other things."""

    def __repr__(self) -> str:
        run = cast("Run", self)
        number = f" {run.id}" if run.id else ""
        return f"<{type(self).__name__}{number} of {run.endpoint}: {run.status}, {run.seconds:.1f} s>"

    def _repr_mimebundle_(self, **_choice: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from nbkit.client.card import shown

        return shown(cast("Run", self))
