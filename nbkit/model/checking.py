"""An input against the schema of its endpoint, before it is sent or billed.

It finds what the service would certainly refuse, and names that it would silently ignore. In doubt it lets an input
pass: the service has the last word, and its models take `"4"` for 4 and `"true"` for true, as pydantic does. Keywords
that are not known here, and schemas that make no sense, allow everything.
"""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.model.schema import properties_of, type_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SWITCHES = frozenset({"0", "1", "true", "false", "on", "off", "yes", "no", "t", "f", "y", "n"})
_NEAR = 0.6
_SHORTEST_START = 4
_MOST_NAMES = 500
_MOST_LISTED = 12
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with an input.

    Attributes:
        field: Where, as `image_size.width`.
        message: What, in a sentence.
        is_certain: Whether the input should not be sent; else the service may well ignore it.
    """

    field: str
    message: str
    is_certain: bool = True


def check(given: Mapping[str, Any], schema: Mapping[str, Any], endpoint: str) -> list[Problem]:
    """What is wrong with an input; empty where nothing is.

    A name that the schema does not have is certainly wrong where the schema forbids others, and where it looks like
    a name that was not given: it is a slip then, and the service would bill a call without it. Any other is only
    doubtful.

    Args:
        given: The input. Files in it may still be as they were given.
        schema: JSON Schema of the input, its references resolved.
        endpoint: Its endpoint, for the messages.
    """
    return list(_in_object(given, schema, "", endpoint, 0))


def _in_object(
    value: Mapping[str, Any], schema: Mapping[str, Any], place: str, endpoint: str, depth: int
) -> Iterator[Problem]:
    properties = properties_of(schema)
    required, others = schema.get("required"), schema.get("additionalProperties")
    prefix = f"{place}." if place else ""
    meant: set[str] = set()
    for name, inner in value.items():
        if name in properties:
            yield from _in_value(inner, properties[name], prefix + name, endpoint, depth + 1)
        elif isinstance(others, dict) and others:
            yield from _in_value(inner, others, prefix + name, endpoint, depth + 1)
        elif others is False or (properties and others is not True):
            near = nearest(name, properties.keys() - value.keys())
            meant.add(near)
            yield _unknown(prefix + name, near and prefix + near, endpoint, closed=others is False)
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in meant and not _is_given(value, name, properties):
            yield Problem(prefix + name, f'"{prefix}{name}" is missing: {endpoint} needs it')


def _is_given(value: Mapping[str, Any], name: str, properties: Mapping[str, Any]) -> bool:
    return name in value and (value[name] is not None or _may_be_null(properties.get(name, {})))


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    return schema.get("nullable") is True or schema.get("type") in (None, "null")


def _unknown(name: str, near: str, endpoint: str, *, closed: bool) -> Problem:
    advice = f'; did you mean "{near}"?' if near else ""
    message = f'"{name[:80]}" is not an input of {endpoint}{advice}'
    return Problem(name, message, is_certain=closed or bool(near))


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, an empty string where none is near."""
    names = sorted(known)[:_MOST_NAMES]
    starts = [it for it in names if _is_start(name, it) or _is_start(it, name)]
    close = difflib.get_close_matches(name[:80], names, n=1, cutoff=_NEAR)
    return (starts or close or [""])[0]


def _is_start(short: str, name: str) -> bool:
    return len(short) >= _SHORTEST_START and name.startswith(short)


def _in_value(
    value: Any, schema: Mapping[str, Any], place: str, endpoint: str, depth: int
) -> Iterator[Problem]:
    if value is None or not _is_json(value) or depth > _DEEPEST:
        return  # null counts as left out, and a file becomes an address
    branches = schema.get("anyOf")
    if isinstance(branches, list):
        yield from _alternatives(
            value, [it for it in branches if isinstance(it, dict)], place, endpoint, depth
        )
        return
    kind = schema.get("type")
    if not _fits(value, kind):
        yield Problem(place, f"{place}: {_shown(value)} is not {article(type_words(schema))}")
        return
    yield from _against_choices(value, schema, place)
    yield from _against_limits(value, schema, place)
    if isinstance(value, dict):
        yield from _in_object(value, schema, place, endpoint, depth)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        for index, item in enumerate(value):
            yield from _in_value(item, items, f"{place}.{index}", endpoint, depth + 1)


def _alternatives(
    value: Any, branches: list[dict[str, Any]], place: str, endpoint: str, depth: int
) -> Iterator[Problem]:
    """Nothing where one alternative takes it, else what is wrong by the one whose type it has."""
    found = [list(_in_value(value, branch, place, endpoint, depth + 1)) for branch in branches]
    if not found or any(not any(it.is_certain for it in problems) for problems in found):
        return
    fitting = [
        problems for problems, branch in zip(found, branches, strict=True) if _fits(value, branch.get("type"))
    ]
    if len(fitting) == 1:
        yield from fitting[0]
    else:
        yield Problem(place, f"{place}: {_shown(value)} is not {type_words({'anyOf': branches})}")


def _is_json(value: Any) -> bool:
    return isinstance(value, (str, int, float, dict, list))


def _fits(value: Any, kind: Any) -> bool:
    if kind in ("integer", "number"):
        number = _as_number(value)
        return number is not None and (kind == "number" or number == math.floor(number))
    if kind == "boolean":
        return value in (0, 1) if not isinstance(value, str) else value.lower() in _SWITCHES
    expected = _KINDS.get(kind) if isinstance(kind, str) else None
    return expected is None or isinstance(value, expected)


_KINDS: dict[str, type] = {"string": str, "object": dict, "array": list}


def _as_number(value: Any) -> float | None:
    if isinstance(value, (int, float)):
        return value
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _against_choices(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[Problem]:
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(choices, list) or value in choices:
        return
    words = [it for it in choices if isinstance(it, str)]
    near = difflib.get_close_matches(value[:80], words, n=1) if isinstance(value, str) else []
    listed = ", ".join(map(_shown, choices[:_MOST_LISTED])) + (" …" if len(choices) > _MOST_LISTED else "")
    advice = f"; did you mean {_shown(near[0])}?" if near else ""
    yield Problem(place, f"{place}: {_shown(value)} is none of {listed}{advice}")


def _against_limits(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[Problem]:
    number = _as_number(value) if schema.get("type") in ("integer", "number") else None
    if number is not None:
        yield from _against_bounds(number, schema, place)
    if isinstance(value, (str, list)):
        what, unit = ("Length", "characters") if isinstance(value, str) else ("Items", "items")
        low, high = _bound(schema.get(f"min{what}")), _bound(schema.get(f"max{what}"))
        if low is not None and len(value) < low:
            yield Problem(place, f"{place}: it has {len(value)} {unit}, and at least {low} are needed")
        if high is not None and len(value) > high:
            yield Problem(place, f"{place}: it has {len(value)} {unit}, and at most {high} are taken")


def _against_bounds(number: float, schema: Mapping[str, Any], place: str) -> Iterator[Problem]:
    low, high = _bound(schema.get("minimum")), _bound(schema.get("maximum"))
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    # OpenAPI 3.0 says `true` beside the bound, 3.1 gives the bound itself.
    above, below = low if above is True else _bound(above), high if below is True else _bound(below)
    if low is not None and number < low:
        yield Problem(place, f"{place}: {_shown(number)} is less than {low}, the least it takes")
    elif above is not None and number <= above:
        yield Problem(place, f"{place}: {_shown(number)} is not more than {above}")
    if high is not None and number > high:
        yield Problem(place, f"{place}: {_shown(number)} is more than {high}, the most it takes")
    elif below is not None and number >= below:
        yield Problem(place, f"{place}: {_shown(number)} is not less than {below}")


def _bound(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def article(words: str) -> str:
    """Words for a type with the article before them: `an integer`."""
    return f"{'an' if words[:1] in 'aeiouAEIOU' else 'a'} {words}"


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # Python does not write integers of thousands of digits
        return "it"
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 - a line of a message
