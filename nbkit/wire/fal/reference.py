"""References of a workflow: `$sketch.images.0.url` takes the value that it names.

A string is a reference as a whole or not at all: there is no interpolation inside longer strings, and a `$` before
anything that is no name is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUT = "input"
"""What references call the workflow's own input."""
DEEPEST = 40
NAME = re.compile(r"[A-Za-z0-9_-]+")
"""What a step, and each part of a reference, can be called."""
_REFERENCE = re.compile(rf"\$({NAME.pattern})((?:\.{NAME.pattern})*)")


@dataclass(frozen=True, slots=True)
class Named:
    """A reference, and where it stands.

    Attributes:
        place: Where it stands, as `nodes.sketch.input.prompt`.
        root: The step that it names, or `input`.
        path: Which part of that: names and indexes.
    """

    place: str
    root: str
    path: tuple[str, ...]

    @property
    def text(self) -> str:
        """The reference as it is written."""
        return ".".join((f"${self.root}", *self.path))


def read_reference(text: Any, place: str = "") -> Named | None:
    """The reference that a value is, None where it is none."""
    match = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return Named(place, match[1], tuple(match[2].split(".")[1:])) if match else None


def references(value: Any, place: str, depth: int = 0) -> Iterator[Named]:
    """Every reference in a value.

    Raises:
        InputError: It is nested too deep; `field` is the place.
    """
    if depth > DEEPEST:
        raise InputError(f"{place[:80]} is nested more than {DEEPEST} deep", field=place)
    if isinstance(value, (Mapping, list)):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from references(inner, f"{place}.{key}", depth + 1)
    elif found := read_reference(value, place):
        yield found


def resolve(value: Any, variables: Mapping[str, Any]) -> Any:
    """Replace every reference in a JSON value by what it names.

    Args:
        value: Any JSON.
        variables: `input` and the ids of finished steps → their JSON.

    Raises:
        InputError: A reference names something that is not there; `field` is the reference.
    """
    if isinstance(value, dict):
        return {key: resolve(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, variables) for inner in value]
    named = read_reference(value)
    return _look_up(named, variables) if named else value


def _look_up(named: Named, variables: Mapping[str, Any]) -> Any:
    if named.root not in variables:
        raise InputError(f"{named.text} names no step or input", field=named.text)
    found = variables[named.root]
    for part in named.path:
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and len(part) < DEEPEST and int(part) < len(found):
            found = found[int(part)]
        else:
            raise InputError(f"{named.text} names {part!r}, which is not there", field=named.text)
    return found
