"""Parameters that are files: pictures, paths and bytes, which an input names by an address or holds as a data URI."""

from __future__ import annotations

import functools
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union, cast, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, create_model
from pydantic_core import PydanticCustomError, core_schema

from nbkit.endpoints.pictures import is_picture_type
from nbkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.endpoints.job import Job

LARGEST = 50 * 2**20
"""Bytes that are fetched of one file."""


class _FileInput:
    """How pydantic reads one kind of file: the text of an address becomes the file."""

    def __init__(self, field: str, load: Callable[[Job, str], Any]) -> None:
        self._field = field
        self._load = load

    def __get_pydantic_core_schema__(self, source: Any, _handler: GetCoreSchemaHandler) -> Any:
        return core_schema.with_info_plain_validator_function(functools.partial(self._read, source))

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        ui = {"field": self._field, "important": True}
        return {"type": "string", "ui": ui, "x-fal": {"max_file_size": LARGEST}}

    def _read(self, source: Any, value: Any, info: core_schema.ValidationInfo) -> Any:
        if isinstance(value, source):  # a default, which was never JSON
            return value
        if not isinstance(value, str) or not value or not _is_text(value):
            raise PydanticCustomError("string_type", "Input should be the address of a file, or a data URI")
        try:
            return self._load(cast("Job", info.context), value)
        except InputError as error:
            kind, context = getattr(error, "kind", "value_error"), getattr(error, "context", {})
            # A message may hold braces of an address, which would be taken for places to fill.
            raise PydanticCustomError(kind, "{message}", {"message": str(error), **context}) from error


def _is_text(value: str) -> bool:
    """Whether there are no halves of characters, as JSON can hold them."""
    return value.isascii() or value.encode("utf-8", "replace").decode("utf-8") == value


_PICTURE = _FileInput("image", lambda job, url: job.load_image(url, ""))
_PATH = _FileInput("file", lambda job, url: job.load_file(url, ""))
_BYTES = _FileInput("file", lambda job, url: job.load_file(url, "").read_bytes())


def readable(annotation: Any, inside: tuple[type, ...] = ()) -> Any:
    """An annotation in which pydantic reads every file, wherever it stands: in lists, choices and models, too.

    Args:
        annotation: The annotation.
        inside: The models that it stands in; one that holds itself stays as it is there.
    """
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if annotation in inside else _readable_type(annotation, inside)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is None or not parts:
        return annotation
    if origin is Annotated:
        inner, *notes = parts
        return Annotated[(readable(inner, inside), *notes)]
    changed = tuple(readable(part, inside) for part in parts)
    if all(new is old for new, old in zip(changed, parts, strict=True)):
        return annotation
    if origin in (Union, types.UnionType):
        return Union[changed]  # noqa: UP007 - `|` takes no tuple
    return origin[changed]


def _readable_type(kind: type, inside: tuple[type, ...]) -> Any:
    if is_picture_type(kind):
        return Annotated[kind, _PICTURE]
    if kind is Path:
        return Annotated[Path, _PATH]
    if kind is bytes:
        return Annotated[bytes, _BYTES]
    return _readable_model(kind, inside) if issubclass(kind, BaseModel) else kind


def _readable_model(model: type[BaseModel], inside: tuple[type, ...]) -> type[BaseModel]:
    """The same model, or one under it whose files are read."""
    changed: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        new = readable(field.annotation, (*inside, model))
        if new is not field.annotation:
            changed[name] = (new, field)
    if not changed:
        return model
    made: type[BaseModel] = create_model(model.__name__, __base__=model, __doc__=model.__doc__, **changed)
    return made
