"""Which requests an experiment consists of, before any is sent."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nbkit.errors import InputError
from nbkit.experiments.axes import SEED, Axis, Request, copied, read_axis

Where = Callable[[Mapping[str, Any]], bool]
Mode = Literal["grid", "zip"]
MOST_CELLS = 10_000
_MOST_LOOKED_AT = 1_000_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One request of an experiment.

    Attributes:
        position: The index of its value on each axis.
        labels: Its value on each axis, for people.
        endpoint: What is called.
        input: Its input.
    """

    position: tuple[int, ...]
    labels: tuple[str, ...]
    endpoint: str
    input: dict[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """Its values, for a message or a caption."""
        return " · ".join(self.labels) or self.endpoint


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of an experiment: what they share, and what varies.

    Attributes:
        endpoint: What is called where no axis says.
        input: What every request has.
        axes: What varies.
        mode: `grid` for every combination, `zip` for the first values together, then the second ones, and so on.
        where: Which combinations are wanted, by their values; all where it is None.
        sample: How many of them, drawn at random; all where it is None.
        sample_seed: Of the draw.
    """

    endpoint: str
    input: Mapping[str, Any]
    axes: tuple[Axis, ...]
    mode: Mode = "grid"
    where: Where | None = None
    sample: int | None = None
    sample_seed: int = 0

    @classmethod
    def of(
        cls,
        endpoint: str,
        input: Mapping[str, Any],  # noqa: A002 - the field's word
        axes: Mapping[str, Any],
        *,
        seeds: Any = None,
        **choice: Any,
    ) -> Plan:
        """Read the axes.

        Args:
            endpoint: What is called, empty where an axis says.
            input: What every request has.
            axes: Name → values, see `read_axis`.
            seeds: Seeds that every combination is run with, or how many; the same for all, so that columns can be
                compared in pairs.
            choice: `mode`, `where`, `sample`, `sample_seed`.

        Raises:
            InputError: An axis or a choice is not one.
        """
        read = [read_axis(name, given) for name, given in axes.items()]
        if seeds is not None:
            if SEED in axes:
                raise InputError("seeds are given twice: as an axis and as seeds=", field=SEED)
            read.append(read_axis(SEED, _seeds(seeds)))
        plan = cls(endpoint, input, tuple(read), **choice)
        plan._check()
        return plan

    @property
    def combinations(self) -> int:
        """How many there are before `where` and `sample` choose among them."""
        return math.prod(len(group[0]) for group in self._groups())

    def cells(self, most: int = MOST_CELLS) -> list[Cell]:
        """The requests, in the order of their axes, the last one running fastest.

        Raises:
            InputError: There are more than `most`, none is left, or an axis cannot be applied.
        """
        total = self.combinations
        if total > _MOST_LOOKED_AT and self.where is not None:
            raise _too_many(total, _MOST_LOOKED_AT, "where= can look at")
        if total > sys.maxsize:
            raise _too_many(total, most, "are run without being asked for")
        if self.where is None:
            numbers: Sequence[int] = range(total)
        else:
            numbers = [number for number in range(total) if self._wanted(self._position(number))]
        if self.sample is not None and self.sample < len(numbers):
            # The draw is the same on every machine and on every day: a sweep that is run again finds its cells.
            numbers = sorted(random.Random(self.sample_seed).sample(numbers, self.sample))  # noqa: S311
        if len(numbers) > most:
            raise _too_many(len(numbers), most, "are run without being asked for")
        if not numbers:
            raise InputError("no combination is left: where= refuses every one", field="where")
        return [self._cell(self._position(number)) for number in numbers]

    def _check(self) -> None:
        if self.mode not in ("grid", "zip"):
            raise InputError(f"mode is 'grid' or 'zip', not {self.mode!r:.40}", field="mode")
        for group in self._groups():
            if len({len(axis) for axis in group}) > 1:
                listed = ", ".join(f"{axis.name} {len(axis)}" for axis in group)
                raise InputError(f"axes that go together have as many values: {listed}", field="mode")
        if self.sample is not None and self.sample < 1:
            raise InputError(f"sample is at least 1, not {self.sample!r:.40}", field="sample")
        places = {place for axis in self.axes for place in axis.fields}
        for outer, inner in itertools.permutations(sorted(places), 2):
            if inner.startswith(f"{outer}."):
                raise InputError(f"the axes {outer} and {inner} both say what {inner} is", field=inner)

    def _groups(self) -> list[tuple[Axis, ...]]:
        """Axes that run together, outermost first; seeds are run with every one of the others' combinations."""
        if self.mode == "grid":
            return [(axis,) for axis in self.axes]
        together = tuple(axis for axis in self.axes if axis.name != SEED)
        return [
            group for group in (together, tuple(axis for axis in self.axes if axis.name == SEED)) if group
        ]

    def _position(self, number: int) -> tuple[int, ...]:
        places: dict[str, int] = {}
        for group in reversed(self._groups()):
            number, index = divmod(number, len(group[0]))
            places |= {axis.name: index for axis in group}
        return tuple(places[axis.name] for axis in self.axes)

    def _wanted(self, position: tuple[int, ...]) -> bool:
        assert self.where is not None  # noqa: S101 - asked only then
        values = {axis.name: axis.values[index] for axis, index in zip(self.axes, position, strict=True)}
        return bool(self.where(values))

    def _cell(self, position: tuple[int, ...]) -> Cell:
        request = Request(self.endpoint, {name: copied(value) for name, value in self.input.items()})
        places = list(zip(self.axes, position, strict=True))
        for axis, index in places:
            axis.changes[index].apply(request)
        labels = tuple(axis.labels[index] for axis, index in places)
        if not request.endpoint:
            raise InputError("no endpoint is given", field="endpoint", hint='give one, or an axis "endpoint"')
        return Cell(position, labels, request.endpoint, request.input)


def identity(name: str, plan: Plan) -> str:
    """What the runs of a sweep are marked with: the same for the same experiment on another day."""
    if name:
        return name
    about = [plan.endpoint, sorted(map(str, plan.input.items())), [axis.name for axis in plan.axes]]
    return hashlib.sha256(json.dumps(about, default=str).encode()).hexdigest()[:16]


def _seeds(given: Any) -> Any:
    if isinstance(given, bool) or not isinstance(given, int):
        return given
    if given < 1:
        raise InputError(f"seeds is how many, at least 1, or a list of them, not {given}", field=SEED)
    return list(range(1, given + 1))


def _too_many(count: int, most: int, what: str) -> InputError:
    return InputError(
        f"these are {count:,} requests, more than the {most:,} that {what}",
        field="max_runs",
        hint="leave values out, take a part of them with sample=, or allow them with max_runs=",
    )
