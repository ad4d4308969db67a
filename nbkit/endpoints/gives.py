"""The schema of what a function gives, as its annotation says it."""

from __future__ import annotations

import collections.abc
import types
import typing
import warnings
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from nbkit.endpoints.pictures import is_picture_type
from nbkit.model.file_schema import FILE, IMAGE
from nbkit.model.references import Resolver

Schema = dict[str, Any]

_STEPPED = (collections.abc.Generator, collections.abc.Iterator, collections.abc.Iterable)
_STEPPED_ASYNC = (
    collections.abc.AsyncGenerator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
)
_RETURNS = 2


def output_schema(annotation: Any, title: str, *, tells_seed: bool) -> Schema:
    """The schema of an output; one that allows anything where the annotation says nothing that can be said.

    Args:
        annotation: What the function is annotated to return.
        title: What the output is called.
        tells_seed: Whether the seed stands in it, too.
    """
    schema = _named(_given(annotation))
    schema["title"] = title
    if tells_seed:
        seed = {"type": "integer", "title": "Seed", "description": "The seed that was used."}
        schema["properties"] = {**schema.get("properties", {}), "seed": seed}
    schema["x-fal-order-properties"] = list(schema.get("properties", ()))
    return schema


def _given(annotation: Any) -> Any:
    """What is given in the end: of a generator what it returns, or the last picture."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in _STEPPED and len(parts) > _RETURNS and parts[_RETURNS] not in (None, types.NoneType):
        return parts[_RETURNS]
    if origin in (*_STEPPED, *_STEPPED_ASYNC) and parts:
        yielded = get_args(parts[0]) if _is_choice(parts[0]) else parts[:1]
        return next((it for it in yielded if is_picture_type(it)), Any)
    return annotation


def _is_choice(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _named(annotation: Any) -> Schema:
    """The object that an output is: a single value stands under the name that it gets."""
    if annotation is Any or annotation is None:
        return {"type": "object", "properties": {}}
    if is_picture_type(annotation):
        return _record(image=IMAGE)
    if isinstance(annotation, type) and issubclass(annotation, Path):
        return _record(file=FILE)
    parts = get_args(annotation)
    if (
        get_origin(annotation) in (list, tuple, collections.abc.Sequence)
        and parts
        and is_picture_type(parts[0])
    ):
        return _record(images={"type": "array", "title": "Images", "items": IMAGE})
    schema = _described(annotation)
    if schema.get("type") == "object":
        return schema
    return _record(output={"title": "Output", **schema})


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


class _Written:
    """How pydantic describes a file that goes out."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.any_schema()

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> Schema:
        return dict(self._schema)


def _described(annotation: Any) -> Schema:
    from pydantic import TypeAdapter

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = TypeAdapter(_writable(annotation)).json_schema(mode="serialization")
    except Exception:  # noqa: BLE001 - what an output is like may remain unsaid; the function runs all the same
        return {"type": "object", "properties": {}}
    schema = Resolver(document).resolve(document)
    schema.pop("$defs", None)
    return schema


def _writable(annotation: Any) -> Any:
    """An annotation in which pydantic knows pictures and paths, also in the fields of a record."""
    if isinstance(annotation, type) and (is_picture_type(annotation) or issubclass(annotation, Path)):
        return typing.Annotated[annotation, _Written(IMAGE if is_picture_type(annotation) else FILE)]
    if isinstance(annotation, type) and (fields := _fields(annotation)):
        from pydantic import create_model

        facts: dict[str, Any] = {name: (_writable(kind), ...) for name, kind in fields.items()}
        return create_model(annotation.__name__, **facts)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is None or not parts or origin is typing.Annotated:
        return annotation
    changed = tuple(_writable(part) for part in parts)
    return Union[changed] if _is_choice(annotation) else origin[changed]  # noqa: UP007 - `|` takes no tuple


def _fields(kind: type) -> dict[str, Any]:
    """The fields of a dataclass, a TypedDict or a pydantic model that holds files somewhere."""
    found = getattr(kind, "model_fields", None)
    if found is not None:
        hints = {name: field.annotation for name, field in found.items()}
    elif hasattr(kind, "__dataclass_fields__") or typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind)
    else:
        return {}
    return hints if all(name.isidentifier() and name[0] != "_" for name in hints) else {}
