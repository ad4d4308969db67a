"""Input against its JSON Schema: defaults filled in, or fal's list of what is wrong.

Facts: fal docs, "Errors": entries of `detail` carry `loc`, `msg`, `type`, and the limit that was passed in `ctx`.
Wording and types are those of pydantic, which fal's models are written in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jsonschema import Draft202012Validator

from nbkit.wire.fal.answers import field_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jsonschema import ValidationError

_TYPES = {
    "string": ("string_type", "Input should be a valid string"),
    "integer": ("int_type", "Input should be a valid integer"),
    "number": ("float_type", "Input should be a valid number"),
    "boolean": ("bool_type", "Input should be a valid boolean"),
    "object": ("dict_type", "Input should be a valid dictionary"),
    "array": ("list_type", "Input should be a valid list"),
}

Judgement = tuple[str, str, dict[str, Any]]


def with_defaults(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The input with what was left out, or given as null where the schema takes that for left out."""
    filled = dict(value)
    for name, rule in schema.get("properties", {}).items():
        if "default" in rule and filled.get(name) is None:
            filled[name] = rule["default"]
        elif filled.get(name, ...) is None and rule.get("nullable"):
            del filled[name]
    return {name: inner for name, inner in filled.items() if inner is not None}


def problems(value: Any, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with an input, as the entries of a 422 body's `detail`; empty where nothing is."""
    errors = Draft202012Validator(schema).iter_errors(value)
    return [entry for error in errors for entry in _entries(error)]


def _entries(error: ValidationError) -> Iterator[dict[str, Any]]:
    loc = list(error.absolute_path)
    if error.validator == "required":
        wanted, instance = cast("list[str]", error.validator_value), cast("dict[str, Any]", error.instance)
        missing = [name for name in wanted if name not in instance]
        if error.message.startswith(repr(missing[0])):  # one error comes for each name; answer them once
            for name in missing:
                yield field_error("Field required", "missing", *loc, name, value=instance)
        return
    if error.validator == "anyOf":
        yield from _alternatives(error)
        return
    kind, message, context = _judge(error)
    yield field_error(message, kind, *loc, context=context, value=error.instance)


def _alternatives(error: ValidationError) -> Iterator[dict[str, Any]]:
    """The errors of the one alternative whose type the value has, or of all where it has none."""
    by_branch: dict[Any, list[ValidationError]] = {}
    for inner in error.context or []:
        by_branch.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [branch for branch in by_branch.values() if all(inner.validator != "type" for inner in branch)]
    for inner in [inner for branch in fitting or by_branch.values() for inner in branch]:
        yield from _entries(inner)


def _judge(error: ValidationError) -> Judgement:
    judge = _JUDGES.get(str(error.validator))
    if judge is None:
        return "value_error", error.message[:300], {}
    return judge(error.validator_value)


def _type(expected: Any) -> Judgement:
    kind, message = _TYPES.get(str(expected), ("value_error", "Input has the wrong type"))
    return kind, message, {}


def _one_of(values: list[Any]) -> Judgement:
    *most, last = [repr(value) for value in values]
    expected = f"{', '.join(most)} or {last}" if most else last
    return "literal_error", f"Input should be {expected}", {"expected": expected}


def _bound(kind: str, key: str, words: str) -> Callable[[Any], Judgement]:
    return lambda limit: (kind, words.format(limit), {key: limit})


_JUDGES: dict[str, Callable[[Any], Judgement]] = {
    "type": _type,
    "enum": _one_of,
    "maximum": _bound("less_than_equal", "le", "Input should be less than or equal to {}"),
    "minimum": _bound("greater_than_equal", "ge", "Input should be greater than or equal to {}"),
    "exclusiveMaximum": _bound("less_than", "lt", "Input should be less than {}"),
    "exclusiveMinimum": _bound("greater_than", "gt", "Input should be greater than {}"),
    "multipleOf": _bound("multiple_of", "multiple_of", "Input should be a multiple of {}"),
    "maxLength": _bound("string_too_long", "max_length", "String should have at most {} characters"),
    "minLength": _bound("string_too_short", "min_length", "String should have at least {} characters"),
    "maxItems": _bound("sequence_too_long", "max_length", "List should have at most {} items"),
    "minItems": _bound("sequence_too_short", "min_length", "List should have at least {} items"),
}
