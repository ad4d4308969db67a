"""Input against its JSON Schema: defaults filled in, or fal's list of what is wrong.

Facts: fal docs, "Errors": entries of `detail` carry `loc`, `msg`, `type`, and the limit that was passed in `ctx`.
Wording and types are those of pydantic, which fal's models are written in.

Only the keywords below are known; a schema with others is refused when an endpoint is made, so none is silently
passed over. The library `jsonschema` knows them all, but takes two seconds to load beside JupyterLab, whose
dependencies give it more to load, and a server that starts with a notebook has to answer at once.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

from nbkit.errors import ConfigError
from nbkit.wire.fal.answers import field_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Schema = dict[str, Any]
Value = Any
Place = tuple[str | int, ...]


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Value) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


def _is_a(kind: type) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, kind)


# Type → pydantic's word where a value has another, what that says, and the test.
TYPES: dict[str, tuple[str, str, Callable[[Value], bool]]] = {
    "string": ("string_type", "Input should be a valid string", _is_a(str)),
    "boolean": ("bool_type", "Input should be a valid boolean", _is_a(bool)),
    "integer": ("int_type", "Input should be a valid integer", _is_whole),
    "number": ("float_type", "Input should be a valid number", _is_number),
    "object": ("dict_type", "Input should be a valid dictionary", _is_a(dict)),
    "array": ("list_type", "Input should be a valid list", _is_a(list)),
}


class _Limit(NamedTuple):
    """A keyword that bounds a number, the length of a text or the length of a list."""

    kind: str
    name: str
    says: str
    measured: Callable[[Value], bool]
    keeps: Callable[[Any, Any], bool]


def _shorter(value: Any, limit: int) -> bool:
    return len(value) <= limit


def _longer(value: Any, limit: int) -> bool:
    return len(value) >= limit


def _divides(value: Any, limit: Any) -> bool:
    return bool(value % limit == 0)


_TEXT, _LIST = _is_a(str), _is_a(list)
LIMITS = {
    "maximum": _Limit(
        "less_than_equal", "le", "Input should be less than or equal to {}", _is_number, operator.le
    ),
    "minimum": _Limit(
        "greater_than_equal", "ge", "Input should be greater than or equal to {}", _is_number, operator.ge
    ),
    "exclusiveMaximum": _Limit("less_than", "lt", "Input should be less than {}", _is_number, operator.lt),
    "exclusiveMinimum": _Limit(
        "greater_than", "gt", "Input should be greater than {}", _is_number, operator.gt
    ),
    "multipleOf": _Limit(
        "multiple_of", "multiple_of", "Input should be a multiple of {}", _is_number, _divides
    ),
    "maxLength": _Limit(
        "string_too_long", "max_length", "String should have at most {} characters", _TEXT, _shorter
    ),
    "minLength": _Limit(
        "string_too_short", "min_length", "String should have at least {} characters", _TEXT, _longer
    ),
    "maxItems": _Limit(
        "sequence_too_long", "max_length", "List should have at most {} items", _LIST, _shorter
    ),
    "minItems": _Limit(
        "sequence_too_short", "min_length", "List should have at least {} items", _LIST, _longer
    ),
}
_STRUCTURE = {"type", "enum", "anyOf", "properties", "required", "items", "additionalProperties", "nullable"}
_NOTES = {"title", "description", "default", "examples", "ui", "format"}
_KNOWN = _STRUCTURE | _NOTES | LIMITS.keys()


def check_schema(schema: Schema, place: str) -> None:
    """See to it that a schema says only what is understood here.

    Args:
        schema: The schema.
        place: What it belongs to, for the error.

    Raises:
        ConfigError: It has a keyword that is not known.
    """
    unknown = {name for name in schema if name not in _KNOWN and not name.startswith("x-")}
    if unknown:
        raise ConfigError(f"the schema of {place} says {', '.join(sorted(unknown))}, which is not known here")
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    inner += [
        schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)
    ]
    for one in inner:
        check_schema(one, place)


def with_defaults(value: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """The input with the defaults of what was left out; null counts as left out."""
    given = {name: inner for name, inner in value.items() if inner is not None}
    properties = schema.get("properties", {})
    defaults = {name: rule.get("default") for name, rule in properties.items() if name not in given}
    return given | {name: default for name, default in defaults.items() if default is not None}


def problems(value: Value, schema: Schema, *place: str | int) -> list[dict[str, Any]]:
    """What is wrong with an input, as the entries of a 422 body's `detail`; empty where nothing is.

    Args:
        value: The input, or a part of it.
        schema: Its schema.
        *place: Where in the input it stands.
    """
    return list(_problems(value, schema, place))


def _problems(value: Value, schema: Schema, place: Place) -> Iterator[dict[str, Any]]:
    if value is None and schema.get("nullable"):
        return
    if "anyOf" in schema:
        yield from _alternatives(value, schema["anyOf"], place)
    if "type" in schema:
        kind, message, fits = TYPES[schema["type"]]
        if not fits(value):
            yield field_error(message, kind, *place, value=value)
            return
    if "enum" in schema and value not in schema["enum"]:
        expected = _listed(schema["enum"])
        message = f"Input should be {expected}"
        yield field_error(message, "literal_error", *place, context={"expected": expected}, value=value)
    yield from _passed_limits(value, schema, place)
    if isinstance(value, dict):
        yield from _in_object(value, schema, place)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _problems(item, schema["items"], (*place, index))


def _passed_limits(value: Value, schema: Schema, place: Place) -> Iterator[dict[str, Any]]:
    for keyword, limit in LIMITS.items():
        bound = schema.get(keyword)
        if bound is not None and limit.measured(value) and not limit.keeps(value, bound):
            context = {limit.name: bound}
            yield field_error(limit.says.format(bound), limit.kind, *place, context=context, value=value)


def _in_object(value: dict[str, Any], schema: Schema, place: Place) -> Iterator[dict[str, Any]]:
    for name in schema.get("required", ()):
        if name not in value:
            yield field_error("Field required", "missing", *place, name, value=value)
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, inner in value.items():
        rule = properties.get(name, others)
        if isinstance(rule, dict):
            yield from _problems(inner, rule, (*place, name))
        elif rule is False:
            yield field_error("Extra inputs are not permitted", "extra_forbidden", *place, name, value=inner)


def _alternatives(value: Value, branches: list[Schema], place: Place) -> Iterator[dict[str, Any]]:
    """The errors of the alternative whose type the value has, or of all where it has none of them."""
    found = [(branch, problems(value, branch, *place)) for branch in branches]
    if any(not entries for _, entries in found):
        return
    fitting = [
        entries for branch, entries in found if "type" not in branch or TYPES[branch["type"]][2](value)
    ]
    for entries in fitting or [entries for _, entries in found]:
        yield from entries


def _listed(values: list[Any]) -> str:
    *most, last = [repr(value) for value in values]
    return f"{', '.join(most)} or {last}" if most else last
