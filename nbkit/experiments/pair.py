"""Two cells of an experiment against each other: their pictures, and what differs in their inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.experiments.difference import differences, shown
from nbkit.widgets.compare import compare

if TYPE_CHECKING:
    from nbkit.experiments.difference import Difference
    from nbkit.experiments.selection import Selected
    from nbkit.widgets.compare import Comparison


class Pair:
    """Two cells. Shown, they are the comparison of their pictures with a table of the inputs that differ.

    Args:
        first: One cell.
        second: The other.

    Attributes:
        first: One cell.
        second: The other.
        comparison: Their pictures, as `nbkit.compare` compares them.
        differences: The inputs that differ, the endpoint among them.

    Raises:
        InputError: One of them has no picture.
    """

    def __init__(self, first: Selected, second: Selected) -> None:
        self.first = first
        self.second = second
        self.differences: list[Difference] = differences(_asked(first), _asked(second))
        self.comparison: Comparison = compare(*map(_picture, (first, second)))

    def _repr_mimebundle_(self, **choice: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle, metadata = self.comparison._repr_mimebundle_(**choice)
        title = f"{self.first.cell.name}  →  {self.second.cell.name}"
        for kind, content in shown(self.differences, title).items():
            bundle[kind] += f"\n{content}"
        return bundle, metadata


def _asked(selected: Selected) -> dict[str, Any]:
    return {"endpoint": selected.cell.endpoint, **selected.cell.input}


def _picture(selected: Selected) -> Any:
    if selected.image is None:
        raise InputError(f"{selected.cell.name} has no picture: {selected!r}")
    return selected.image
