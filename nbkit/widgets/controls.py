"""The schema of an input as the controls of a form."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from nbkit.display.escape import clean
from nbkit.model.schema import Field, fields_of, properties_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbkit.model.schema import Schema

MOST_CONTROLS = 150
_MOST_IN_OBJECT = 40
_DEEPEST = 3
_MOST_CHOICES = 400
_LONGEST_WORDS = 1000
_LONGEST_DEFAULT = 20_000
_LONG_TEXT = 200
_MOST_UNFOLDED = 8
_MOST_STEPS = 10_000
_FIRST = frozenset({"prompt", "image_size", "num_images", "seed", "text"})
REST = ""
"""The name of the control that takes what has no control of its own."""


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a form.

    Attributes:
        id: Its name among the form's controls.
        place: Where its value stands in the input, as `image_size.width`.
        kind: `prompt`, `text`, `slider`, `number`, `seed`, `choice`, `switch`, `file`, `lines`, `object`, `either`
            (one of some values, or an object) or `json`.
        field: What the schema says about it.
        choices: The values of a `choice` or an `either`.
        children: The controls of an `object` or an `either`.
        step: Between two values of a `slider`.
        is_list: Whether its value is a list.
        folded: Whether it stands among the advanced ones.
    """

    id: str
    place: str
    kind: str
    field: Field
    choices: tuple[Any, ...] = ()
    children: tuple[Control, ...] = ()
    step: float | None = None
    is_list: bool = False
    folded: bool = False

    def described(self) -> dict[str, Any]:
        """What a browser has to know of it, as JSON without anything harmful."""
        default = self.field.default
        if self.kind in ("choice", "either"):
            default = self.choices.index(default) if default in self.choices else None
        elif self.kind == "lines" and isinstance(default, list):
            default = "\n".join(map(str, default))
        elif self.kind == "json" and default is not None:
            default = json.dumps(default, ensure_ascii=False, indent=1)
        return {
            "id": self.id,
            "kind": self.kind,
            "label": _words(self.field.name) or "other inputs",
            "type": _words(self.field.type),
            "required": self.field.required,
            "description": _words(self.field.description),
            "default": default if isinstance(default, (bool, int)) or default is None else clean(default),
            "minimum": self.field.minimum,
            "maximum": self.field.maximum,
            "step": self.step,
            "choices": [_words(it if isinstance(it, str) else json.dumps(it)) for it in self.choices],
            "children": [child.described() for child in self.children],
            "list": self.is_list,
            "folded": self.folded,
        }


def controls_of(schema: Schema) -> tuple[Control, ...]:
    """The controls for an input, in the service's order. Of a great many the last ones share one, which takes JSON."""
    fields = [_sane(it) for it in islice(fields_of(schema.input), MOST_CONTROLS)]
    few = len(fields) <= _MOST_UNFOLDED
    numbers = iter(range(MOST_CONTROLS * 10))
    made = [_control(it, it.name, numbers, 0, folded=not few and not _comes_first(it)) for it in fields]
    if len(properties_of(schema.input)) > len(fields) or not fields:
        rest = Field(REST, "object", description="More inputs, as a JSON object", schema={"type": "object"})
        made.append(Control(f"c{next(numbers)}", REST, "json", rest, folded=bool(fields)))
    return tuple(made)


def each(controls: Iterable[Control]) -> Iterator[Control]:
    """Every control, those inside others too."""
    for control in controls:
        yield control
        yield from each(control.children)


def _control(it: Field, place: str, numbers: Iterator[int], depth: int, *, folded: bool = False) -> Control:
    number = next(numbers, None)
    made = Control(f"c{number}", place, "json", it, folded=folded)
    schema = _without_null(it.schema)
    kind = _kind(schema)
    if number is None or depth > _DEEPEST:
        return made
    if it.is_file:
        return replace(made, kind="file", is_list=kind == "array")
    if found := _alternatives(schema):
        choices, inner = found
        children = _children(inner, place, numbers, depth)
        return replace(made, kind="either", choices=choices, children=children)
    if kind == "object" and 0 < len(properties_of(schema)) <= _MOST_IN_OBJECT:
        return replace(made, kind="object", children=_children(schema, place, numbers, depth))
    return _single(made, schema, kind)


def _single(made: Control, schema: Mapping[str, Any], kind: str) -> Control:
    """A control that has no others inside."""
    it = made.field
    if choices := _choices(schema):
        # One of very many is typed, and checked like anything else.
        few = len(choices) <= _MOST_CHOICES
        return replace(made, kind="choice", choices=choices) if few else replace(made, kind="text")
    if kind in ("integer", "number"):
        return replace(made, kind=_number_kind(it, kind), step=_step(it, kind))
    items = _dict(schema.get("items"))
    if kind == "array" and _kind(items) == "string" and not items.get("enum"):
        return replace(made, kind="lines", is_list=True)
    plain = {"boolean": "switch", "string": "prompt" if _is_long(it) else "text"}
    return replace(made, kind=plain.get(kind, "json"))


def _children(
    schema: Mapping[str, Any], place: str, numbers: Iterator[int], depth: int
) -> tuple[Control, ...]:
    fields = islice(fields_of(schema), _MOST_IN_OBJECT)
    return tuple(_control(_sane(it), f"{place}.{it.name}", numbers, depth + 1) for it in fields)


def _alternatives(schema: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]] | None:
    """Some values and an object, where a schema takes one of these: a named size, or width and height."""
    branches = schema.get("anyOf")
    found = [_dict(it) for it in branches] if isinstance(branches, list) else []
    objects = [it for it in found if 0 < len(properties_of(it)) <= _MOST_IN_OBJECT]
    choices = [it for it in found if 0 < len(_choices(it)) <= _MOST_CHOICES]
    if len(found) == len(objects) + len(choices) and len(objects) == len(choices) == 1:
        return _choices(choices[0]), objects[0]
    return None


def _without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without the words that it may be null: null is to leave it out."""
    branches = schema.get("anyOf")
    if isinstance(branches, list):
        others = [it for it in branches if isinstance(it, dict) and it.get("type") != "null"]
        return others[0] if len(others) == 1 else {**schema, "anyOf": others}
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        others = [it for it in kind if it != "null"]
        kind = others[0] if len(others) == 1 else ""
    return kind if isinstance(kind, str) else ""


def _choices(schema: Mapping[str, Any]) -> tuple[Any, ...]:
    choices = schema.get("enum")
    return tuple(it for it in choices if _is_json(it)) if isinstance(choices, list) else ()


def _sane(it: Field) -> Field:
    """The field without numbers and defaults that cannot be shown."""
    inner = _without_null(it.schema)
    low, high = (_finite(it.schema.get(name, inner.get(name))) for name in ("minimum", "maximum"))
    default = it.default if _is_json(it.default) else None
    return replace(it, default=default, minimum=low, maximum=high)


def _finite(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return value if good else None


def _is_json(value: Any) -> bool:
    try:
        return len(json.dumps(value, allow_nan=False)) <= _LONGEST_DEFAULT
    except (TypeError, ValueError, RecursionError):
        return False


def _number_kind(it: Field, kind: str) -> str:
    if kind == "integer" and (it.name == "seed" or it.name.endswith("_seed")):
        return "seed"
    if it.minimum is None or it.maximum is None or not it.minimum < it.maximum:
        return "number"
    return "slider" if (it.maximum - it.minimum) / (_step(it, kind) or 1) <= _MOST_STEPS else "number"


def _step(it: Field, kind: str) -> float | None:
    """A whole number, or about a hundredth of the range; the schema's own word where it has one."""
    own = _finite(it.schema.get("multipleOf"))
    if own and own > 0:
        return own
    if kind == "integer":
        return 1
    if it.minimum is None or it.maximum is None or not it.minimum < it.maximum:
        return None
    return float(10.0 ** math.floor(math.log10((it.maximum - it.minimum) / 50)))


def _is_long(it: Field) -> bool:
    longest = it.schema.get("maxLength")
    is_roomy = isinstance(longest, int) and longest > _LONG_TEXT
    ui = _dict(it.schema.get("ui"))
    return "prompt" in it.name.lower() or is_roomy or ui.get("field") == "textarea" or "\n" in str(it.default)


def _comes_first(it: Field) -> bool:
    return it.required or it.is_file or it.name in _FIRST


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(text: str) -> str:
    return clean(text)[:_LONGEST_WORDS]
