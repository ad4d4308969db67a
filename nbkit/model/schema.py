"""What an endpoint takes and gives, as the service describes it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILE_FIELDS = frozenset({"image", "mask", "video", "audio", "file", "archive", "model"})
_LONGEST_LIST = 8
_DEEPEST = 8


@dataclass(frozen=True)
class Field:
    """One name in an input or output.

    Attributes:
        name: Its name.
        type: What it holds, in words: `integer`, `string`, `list of Image`, `ImageSize | string`.
        required: Whether a call without it is refused.
        nullable: Whether it may be `None`.
        default: What the service uses where it is left out, None where it does not say.
        minimum: The least number it takes, None where there is no such limit.
        maximum: The greatest number it takes, None where there is no such limit.
        enum: The only values it takes; empty where it takes others.
        description: What it is for, in the service's words.
        examples: Values that the service shows on its own page.
        is_file: Whether it is the address of a file, so that a path, bytes or a picture may be given.
        schema: Its JSON Schema, for what these attributes leave out.
    """

    name: str
    type: str
    required: bool = False
    nullable: bool = False
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[Any, ...] = ()
    description: str = ""
    examples: tuple[Any, ...] = ()
    is_file: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Schema:
    """What an endpoint takes and gives. References in it are resolved.

    Attributes:
        endpoint: The endpoint's id.
        title: Its name for people.
        input: JSON Schema of its input.
        output: JSON Schema of its output, empty where the service does not say.
        fetched_at: When the service gave it, in seconds since 1970.
        problem: Why the service could not be asked again, so that this is what it said earlier; an empty string
            where it is up to date.
    """

    endpoint: str
    title: str
    input: Mapping[str, Any] = field(repr=False)
    output: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fetched_at: float = field(default_factory=time.time, compare=False)
    problem: str = field(default="", compare=False)

    @property
    def fields(self) -> tuple[Field, ...]:
        """What goes in, in the service's order."""
        return tuple(fields_of(self.input))

    @property
    def output_fields(self) -> tuple[Field, ...]:
        """What comes out, in the service's order."""
        return tuple(fields_of(self.output))

    def to_json(self) -> str:
        """The whole as JSON text: `endpoint`, `title`, `input`, `output`."""
        about = {
            "endpoint": self.endpoint,
            "title": self.title,
            "input": self.input,
            "output": self.output,
        }
        return json.dumps(about, ensure_ascii=False)

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        from nbkit.display import table

        heads = ("input", "type", "default", "takes", "meaning")
        title = " · ".join(filter(None, (self.endpoint, self.title, self.problem)))
        gives = ", ".join(f"{it.name} ({it.type})" for it in self.output_fields)
        rows = [_row(it) for it in self.fields]
        if gives:
            rows.append(("→", "gives", "", "", gives))
        return table.bundle(title, rows, heads)


def _row(it: Field) -> tuple[str, ...]:
    default = "" if it.default is None else _short(it.default)
    takes = ", ".join(map(_short, it.enum[:_LONGEST_LIST])) + (" …" if len(it.enum) > _LONGEST_LIST else "")
    if not takes and not (it.minimum is None and it.maximum is None):
        low, high = ("" if bound is None else str(bound) for bound in (it.minimum, it.maximum))
        takes = f"{low}–{high}" if low and high else (f"from {low}" if low else f"up to {high}")
    if it.is_file:
        takes = takes or "a file"
    return it.name, it.type, "required" if it.required else default, takes, it.description


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def fields_of(schema: Mapping[str, Any]) -> Iterator[Field]:
    """The names of an object, in the service's order."""
    properties = properties_of(schema)
    required = frozenset(_texts(schema.get("required")))
    for name in _ordered(properties, _texts(schema.get("x-fal-order-properties"))):
        yield _field(name, properties[name], required=name in required)


def _field(name: str, schema: Mapping[str, Any], *, required: bool) -> Field:
    ui = schema.get("ui")
    wish = ui.get("field") if isinstance(ui, dict) else None
    enum, examples = schema.get("enum"), schema.get("examples")
    return Field(
        name,
        type_words(schema),
        required=required,
        nullable=schema.get("nullable") is True,
        default=schema.get("default"),
        minimum=_number(schema.get("minimum")),
        maximum=_number(schema.get("maximum")),
        enum=tuple(enum) if isinstance(enum, list) else (),
        description=_text(schema.get("description")),
        examples=tuple(examples) if isinstance(examples, list) else (),
        is_file=name.endswith(("_url", "_urls")) or (isinstance(wish, str) and wish in _FILE_FIELDS),
        schema=schema,
    )


def properties_of(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The schemas of an object's names; what is no schema is left out."""
    found = schema.get("properties")
    return {name: it for name, it in found.items() if isinstance(it, dict)} if isinstance(found, dict) else {}


def type_words(schema: Mapping[str, Any], depth: int = 0) -> str:
    """What a schema allows, in words."""
    kind = _text(schema.get("type"))
    alternatives = schema.get("anyOf")
    if isinstance(alternatives, list) and depth < _DEEPEST:
        words = (type_words(it, depth + 1) for it in alternatives[:_LONGEST_LIST] if isinstance(it, dict))
        return " | ".join(dict.fromkeys(words)) or "any"
    items = schema.get("items")
    if kind == "array":
        return f"list of {type_words(items, depth + 1)}" if isinstance(items, dict) else "list"
    if kind == "object":
        return _text(schema.get("title")) or kind
    return kind or "any"


def _ordered(names: Mapping[str, Any], order: list[str]) -> list[str]:
    """The service's order first, then what it forgot."""
    return list(dict.fromkeys([*(name for name in order if name in names), *names]))


def _texts(value: Any) -> list[str]:
    return [it for it in value if isinstance(it, str)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
