"""Types as people write them in Python, as JSON Schema."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from nbkit.errors import InputError
from nbkit.model.references import resolved
from nbkit.model.schema import Field

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    list: {"type": "array"},
    dict: {"type": "object"},
    None: {},
    Any: {},
    object: {},
}
_ADVICE = (
    "write str, int, float, bool, dict, list[…], Literal[…], X | None, a JSON Schema, or a field of a schema"
)


def schema_of(kind: Any) -> dict[str, Any]:
    """JSON Schema of a type.

    Args:
        kind: A type of Python's, a JSON Schema, a `Field` of an endpoint's schema, or None for anything.

    Raises:
        InputError: It is none that JSON has.
    """
    if isinstance(kind, (Field, Mapping)):
        return resolved(dict(kind.schema if isinstance(kind, Field) else kind))
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is Literal:
        return _choices(list(arguments))
    if origin in (Union, types.UnionType):
        branches = [schema_of(it) for it in arguments if it is not types.NoneType]
        schema = branches[0] if len(branches) == 1 else {"anyOf": branches}
        return {**schema, "nullable": True} if len(branches) < len(arguments) else schema
    try:
        return dict(_PLAIN[dict if origin is dict else kind])
    except (KeyError, TypeError):
        raise InputError(f"{kind!r:.80} is not a type of an input", field="kind", hint=_ADVICE) from None


def _choices(values: list[Any]) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    return {**(_PLAIN.get(kinds.pop(), {}) if len(kinds) == 1 else {}), "enum": values}
