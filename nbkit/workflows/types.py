"""JSON Schemas beside each other: what a part of a value is, and whether a value of one kind can stand for another.

What is not known is never wrong: a schema without a type, and a part that no schema speaks of, fit everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.model.checking import article, nearest
from nbkit.model.schema import properties_of, type_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Schema = Mapping[str, Any]

_NUMBERS = frozenset({"integer", "number", "boolean"})
# What is asked for → what can be given for it. A text is never taken for a number: what it holds is not known before.
_TAKEN: dict[str, frozenset[str]] = {
    "string": frozenset({"string"}),
    "integer": _NUMBERS,
    "number": _NUMBERS,
    "boolean": _NUMBERS,
    "object": frozenset({"object"}),
    "array": frozenset({"array"}),
}
_ADDRESS = "url"
_MOST_LISTED = 12
_DEEPEST = 8


class UnknownField(InputError, AttributeError):
    """A reference names a part that is not there. As an `AttributeError` it lets `hasattr` work."""


def part_of(schema: Schema, part: str | int, holder: str) -> dict[str, Any]:
    """The schema of a part of a value; an empty one where it is not known.

    Args:
        schema: The schema of the value.
        part: A name or an index.
        holder: What the value is called in the error.

    Raises:
        UnknownField: The value certainly has no such part.
    """
    branches = _branches(schema)
    found, problems = [], []
    for branch in branches:
        try:
            found.append(_part(branch, part, holder))
        except UnknownField as error:
            problems.append(error)
    if problems and not found:
        raise problems[0]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _part(schema: Schema, part: str | int, holder: str) -> dict[str, Any]:
    kind, properties = _kind(schema), properties_of(schema)
    is_index = isinstance(part, int) or part.isdecimal()
    if kind == "array":
        if not is_index:
            raise UnknownField(
                f"{holder} is a list and has no {part!r}", field=holder, hint=f"take one of it: {holder}[0]"
            )
        items = schema.get("items")
        return dict(items) if isinstance(items, dict) else {}
    if kind not in ("object", ""):
        raise UnknownField(f"{holder} is {article(kind)} and has no parts", field=holder)
    if part in properties:
        return dict(properties[str(part)])
    others = schema.get("additionalProperties")
    if properties and (others is None or others is False):
        known = ", ".join(list(properties)[:_MOST_LISTED])
        near = nearest(str(part), properties)
        hint = f"did you mean {near!r}? " if near else ""
        raise UnknownField(f"{holder} gives no {part!r}", field=holder, hint=f"{hint}It gives {known}")
    return dict(others) if isinstance(others, dict) else {}


def mismatch(given: Schema, wanted: Schema) -> str:
    """Why a value of one kind can certainly not stand where another is asked for; an empty string where it may."""
    return _mismatch(given, wanted, 0)


def _mismatch(given: Schema, wanted: Schema, depth: int) -> str:
    reasons = [
        _pair(one, other, depth)
        for one in _branches(given)
        if one.get("type") != "null"
        for other in _branches(wanted)
    ]
    if not reasons or not all(reasons):
        return ""
    return reasons[0] if len(reasons) == 1 else _is_not(given, wanted)


def _pair(given: Schema, wanted: Schema, depth: int) -> str:
    kind, asked = _kind(given), _kind(wanted)
    if depth > _DEEPEST or not kind or not asked:
        return ""
    if kind not in _TAKEN[asked]:
        return _is_not(given, wanted)
    if kind == "array":
        items = [it.get("items") for it in (given, wanted)]
        mine, theirs = (it if isinstance(it, dict) else {} for it in items)
        inner = _mismatch(mine, theirs, depth + 1)
        return f"of what it lists: {inner}" if inner else ""
    if kind == "object":
        return _objects(given, wanted, depth)
    values, choices = _listed(given.get("enum")), _listed(wanted.get("enum"))
    if values and choices and not any(it in choices for it in values):
        return "it can have none of the values that are taken"
    return ""


def _objects(given: Schema, wanted: Schema, depth: int) -> str:
    mine, theirs = properties_of(given), properties_of(wanted)
    is_closed = mine and given.get("additionalProperties") in (None, False)
    promised = _names(given.get("required"))
    for name in _names(wanted.get("required")) if is_closed else ():
        if name not in mine and name not in promised:
            return f"it has no {name!r}, which is needed"
    for name in mine.keys() & theirs.keys():
        if inner := _mismatch(mine[name], theirs[name], depth + 1):
            return f"{name!r}: {inner}"
    return ""


def part_that_fits(given: Schema, wanted: Schema) -> str:
    """What to write behind a reference so that it fits, as `.url` or `[0].url`; an empty string where nothing does."""
    found = [path for path, schema in _parts(given, "", 0) if _surely_fits(schema, wanted)]
    addresses = [path for path in found if path.endswith(f".{_ADDRESS}")]
    return (addresses or (found if len(found) == 1 else [""]))[0]


def _parts(schema: Schema, path: str, depth: int) -> Iterator[tuple[str, Schema]]:
    if path:
        yield path, schema
    if depth < 2:  # noqa: PLR2004 - a file in a list has its address two steps down
        for name, inner in properties_of(schema).items():
            yield from _parts(inner, f"{path}.{name}", depth + 1)
        items = schema.get("items")
        if schema.get("type") == "array" and isinstance(items, dict):
            yield from _parts(items, f"{path}[0]", depth + 1)


def _surely_fits(given: Schema, wanted: Schema) -> bool:
    return bool(_kind(given)) and not mismatch(given, wanted)


def _kind(schema: Schema) -> str:
    """The type of a schema, an empty string where it has none that is known."""
    kind = schema.get("type")
    return kind if isinstance(kind, str) and kind in _TAKEN else ""


def _names(value: Any) -> list[str]:
    return [name for name in _listed(value) if isinstance(name, str)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _branches(schema: Schema, depth: int = 0) -> list[Schema]:
    """The alternatives of a schema."""
    listed = schema.get("anyOf")
    if not isinstance(listed, list) or depth > _DEEPEST:
        return [schema]
    return [inner for it in listed if isinstance(it, dict) for inner in _branches(it, depth + 1)] or [{}]


def _is_not(given: Schema, wanted: Schema) -> str:
    return f"it is {article(type_words(given))}, and {article(type_words(wanted))} is asked for"
