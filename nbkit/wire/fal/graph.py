"""Workflow definitions that can be carried out: steps in an order that works, and what comes of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.wire.fal.definition import MAX_STEPS, Definition, Step, read_definition
from nbkit.wire.fal.reference import INPUT, references

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Graph:
    """A workflow: steps, and how their outputs make the workflow's own.

    Attributes:
        name: What its author calls it, or an empty string.
        steps: Step id → step, in an order in which every step comes after those that it depends on. What a step
            depends on is steps alone.
        output: The JSON of the result, references unresolved.
        defaults: Input field → value for what the caller leaves out.
        required: Input fields that the caller must give.
    """

    name: str
    steps: dict[str, Step]
    output: Any
    defaults: dict[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    @classmethod
    def of(cls, definition: Definition) -> Graph:
        """The graph of a definition.

        Raises:
            InputError: It cannot be carried out; `field` says where (`nodes.sketch.depends`).
        """
        steps = definition.steps
        if not steps:
            raise InputError(f"a workflow has 1 to {MAX_STEPS} steps, this one 0", field="nodes")
        if definition.output is None:
            raise InputError("the workflow has no output", field="output")
        for step in steps.values():
            for other in step.depends:
                _known(other, definition, f"nodes.{step.id}.depends")
        for one in references(definition.output, "output"):
            _known(one.root, definition, "output")
        inputs = definition.inputs
        defaults = {name: facts["default"] for name, facts in inputs.items() if "default" in facts}
        required = tuple(name for name in inputs if name not in defaults)
        return cls(definition.name, ordered(among(steps)), definition.output, defaults, required)


def read_graph(document: Any) -> Graph:
    """Read a workflow definition of any dialect that can be carried out.

    Raises:
        InputError: It is not one; `field` says where (`nodes.sketch.app`).
    """
    return Graph.of(read_definition(document))


def ordered(steps: Mapping[str, Step]) -> dict[str, Step]:
    """The steps, each after those that it depends on.

    Raises:
        InputError: Some wait for each other.
    """
    if circle := circle_in(steps):
        words = " → ".join(circle)
        raise InputError(f"steps wait for each other in a circle: {words}", field="nodes")
    return {name: steps[name] for name in _sorter(steps).static_order()}


def circle_in(steps: Mapping[str, Step]) -> list[str]:
    """Steps that wait for each other, the first again at the end; empty where none do."""
    try:
        _sorter(steps).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def among(steps: Mapping[str, Step]) -> dict[str, Step]:
    """The steps, each depending on those alone that are there."""
    return {name: replace(step, depends=step.depends & steps.keys()) for name, step in steps.items()}


def _sorter(steps: Mapping[str, Step]) -> TopologicalSorter[str]:
    return TopologicalSorter({step.id: step.depends for step in steps.values()})


def _known(name: str, definition: Definition, place: str) -> None:
    if name != INPUT and name not in definition.steps and name not in definition.displays:
        raise InputError(f"{place} speaks of {name!r}, which is no step of this workflow", field=place)
