"""The shape of JSON: which keys, which types; and how one shape differs from what was seen before.

One example cannot tell whether a field may be null, so shapes are joined over all the examples there are. A type that
none of them has is a difference, null as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_NAMES = {bool: "bool", int: "integer", float: "number", str: "string", type(None): "null"}


@dataclass(frozen=True)
class Shape:
    """What was seen at one place.

    Attributes:
        types: The types, of `null`, `bool`, `integer`, `number`, `string`, `object`, `array`.
        fields: The shape of each key that an object had.
        always: The keys that every object had.
        items: The shape of all items that an array had, None where there were none.
    """

    types: frozenset[str] = frozenset()
    fields: Mapping[str, Shape] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    items: Shape | None = None

    def __or__(self, other: Shape) -> Shape:
        """What was seen in either."""
        names = self.fields.keys() | other.fields.keys()
        both = [it.always for it in (self, other) if "object" in it.types]
        return Shape(
            self.types | other.types,
            {name: joined(it.fields[name] for it in (self, other) if name in it.fields) for name in names},
            frozenset.intersection(*both) if both else frozenset(),
            joined(it.items for it in (self, other) if it.items) if self.items or other.items else None,
        )


def joined(shapes: Iterable[Shape]) -> Shape:
    """What was seen in any."""
    return reduce(Shape.__or__, shapes, Shape())


def shape(value: Any) -> Shape:
    """The shape of one example."""
    if isinstance(value, dict):
        return Shape(
            frozenset({"object"}), {name: shape(item) for name, item in value.items()}, frozenset(value)
        )
    if isinstance(value, list):
        return Shape(frozenset({"array"}), items=joined(map(shape, value)) if value else None)
    return Shape(frozenset({_NAMES[type(value)]}))


def differences(seen: Shape, got: Shape, *, free: Collection[str] = (), at: str = "$") -> Iterator[str]:
    """How a shape differs from what was seen before.

    Args:
        seen: What was seen, over all examples.
        got: What is to be like it.
        free: Keys whose inside may differ: an object in place of another object, say.
        at: Where this is, for the messages.
    """
    for kind in sorted(got.types - seen.types):
        yield f"{at} is {kind}, not {' or '.join(sorted(seen.types))}"
    if "object" in got.types & seen.types:
        yield from (f"{at}.{name} is missing" for name in sorted(seen.always - got.always))
        for name, inner in sorted(got.fields.items()):
            if name not in seen.fields:
                yield f"{at}.{name} is new"
            elif name in free:
                strange = inner.types - seen.fields[name].types
                yield from (f"{at}.{name} is {kind}" for kind in sorted(strange))
            else:
                yield from differences(seen.fields[name], inner, free=free, at=f"{at}.{name}")
    if got.items and "array" in seen.types:
        if seen.items is None:
            yield f"{at}[] has items"
        else:
            yield from differences(seen.items, got.items, free=free, at=f"{at}[]")
