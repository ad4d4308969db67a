"""One cell of an experiment, found by its values, with what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.experiments.axes import label_of
from nbkit.model.checking import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbkit.experiments.axes import Axis
    from nbkit.experiments.outcome import Outcome
    from nbkit.experiments.plan import Cell
    from nbkit.model.media import Media


@dataclass(frozen=True, slots=True)
class Selected:
    """One cell, and what came of it.

    Attributes:
        cell: The request: its position, labels, endpoint and input.
        outcome: What came of it, None where nothing did yet.
    """

    cell: Cell
    outcome: Outcome | None = None

    @property
    def image(self) -> Media | None:
        """Its first picture that is on this machine, None where there is none."""
        return self.outcome.image if self.outcome else None

    @property
    def input(self) -> dict[str, Any]:
        """What was, or will be, sent."""
        return self.cell.input

    @property
    def state(self) -> str:
        """What became of it: `waiting`, `succeeded`, `failed`, `cancelled` or `unknown`."""
        return self.outcome.state if self.outcome else "waiting"

    def _repr_mimebundle_(self, **choice: Any) -> Any:
        image = self.image
        return image._repr_mimebundle_(**choice) if image else {"text/plain": repr(self)}

    def __repr__(self) -> str:
        problem = f": {self.outcome.problem}" if self.outcome and self.outcome.problem else ""
        return f"<{self.cell.name}: {self.state}{problem}>"


def find_cell(axes: Sequence[Axis], cells: Sequence[Cell], values: Mapping[str, Any]) -> Cell:
    """The cell that has some values; axes with a single value need not be named.

    Args:
        axes: The axes of the cells.
        cells: The cells.
        values: Values, or their labels, by the names of axes.

    Raises:
        InputError: There is no such axis, value or cell, or more than one cell.
    """
    names = [axis.name for axis in axes]
    for name in values:
        if name not in names:
            near = nearest(name, names)
            raise InputError(
                f"{name[:60]!r} is no axis",
                field=name,
                hint=f"did you mean {near}?" if near else f"there are {', '.join(names) or 'none'}",
            )
    wanted = {
        number: index_of(axis, values[axis.name]) for number, axis in enumerate(axes) if axis.name in values
    }
    found = [cell for cell in cells if all(cell.position[axis] == index for axis, index in wanted.items())]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError("no cell has these values together: it was left out of the sweep")
    free = [axis.name for number, axis in enumerate(axes) if number not in wanted and len(axis) > 1]
    raise InputError(f"{len(found)} cells have these values", hint=f"say {', '.join(free)}, too")


def index_of(axis: Axis, value: Any) -> int:
    """The place of a value, or of its label, on an axis.

    Raises:
        InputError: It has no such value.
    """
    label = label_of(value)
    if label not in axis.labels:
        known = ", ".join(axis.labels[:10])
        raise InputError(f"{axis.name} has no value {label[:60]!r}", field=axis.name, hint=f"it has {known}")
    return axis.labels.index(label)
