"""From what a function gives to an output: JSON, with files in place of pictures and paths."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.endpoints.pictures import is_picture
from nbkit.errors import NbkitError

if TYPE_CHECKING:
    from nbkit.endpoints.job import Job

MOST_BYTES = 64 * 2**20
_DEEPEST = 60
_ALLOWED = (
    "return a PIL image, a Path, text, a number, or a list, a dict, a dataclass or a pydantic model of these"
)


class BadResult(NbkitError):
    """What a function gave is no output."""


def output_of(result: Any, job: Job, name: str, seed: int | None = None) -> dict[str, Any]:
    """The output that a function's result is.

    Args:
        result: What it gave.
        job: Keeps the files.
        name: What its pictures are called.
        seed: The seed that was used, told where the output has none.

    Raises:
        BadResult: It is no output; says what came, where, and what is expected.
    """
    writer = _Writer(job, name)
    output = writer.object(_named(result))
    if seed is not None:
        output.setdefault("seed", seed)
    size = len(json.dumps(output))
    if size > MOST_BYTES:
        raise _too_much(size)
    return output


def _too_much(size: int) -> BadResult:
    return BadResult(
        f"the function gave {size / 2**20:.0f} MiB of JSON; an output may have {MOST_BYTES / 2**20:.0f} MiB",
        hint="write large data to a file and return its Path",
    )


def _named(result: Any) -> Any:
    """A result under the names that fal's outputs have."""
    if result is None:
        raise BadResult("the function gave nothing (None)", hint=_ALLOWED)
    if is_picture(result):
        return {"image": result}
    if isinstance(result, Path):
        return {"file": result}
    if isinstance(result, (list, tuple)) and result:
        if all(map(is_picture, result)):
            return {"images": list(result)}
        if all(isinstance(it, Path) for it in result):
            return {"files": list(result)}
    plain = _fields(result)
    return plain if isinstance(plain, Mapping) else {"output": result}


def _fields(value: Any) -> Any:
    """The names and values of a dataclass or a pydantic model, anything else as it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {it.name: getattr(value, it.name) for it in dataclasses.fields(value)}
    if not isinstance(value, type) and hasattr(type(value), "model_fields"):
        return value.model_dump(mode="python", by_alias=True)
    return value


class _Writer:
    """Turns a result into JSON, place by place."""

    def __init__(self, job: Job, name: str) -> None:
        self._job = job
        self._name = name
        self._inside: set[int] = set()

    def object(self, value: Mapping[Any, Any], place: str = "") -> dict[str, Any]:
        """A mapping as an object."""
        found = {}
        for name, inner in value.items():
            if not isinstance(name, str):
                raise BadResult(
                    f"{_at(place)} has the name {name!r:.60}, which is no text", hint="use text for names"
                )
            found[self._text(name, place)] = self.value(inner, f"{place}.{name}" if place else name)
        return found

    def value(self, value: Any, place: str) -> Any:  # noqa: PLR0911 - one for each kind
        """Anything, as JSON."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.value(value.value, place)
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, (int, float)):
            return _number(value, place)
        if is_picture(value):
            return self._picture(value, place)
        if isinstance(value, Path):
            return self._file(value, place)
        if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
            return self.value(value.item(), place)
        plain = _fields(value)
        if not isinstance(plain, (Mapping, list, tuple)):
            raise BadResult(f"{_at(place)} is {_kind(value)}, which is no JSON", hint=_hint(value))
        return self._inner(plain, place, id(value))

    def _inner(self, value: Any, place: str, identity: int) -> Any:
        if identity in self._inside:
            raise BadResult(f"{_at(place)} is inside of itself", hint=_ALLOWED)
        if len(self._inside) >= _DEEPEST:
            raise BadResult(f"{_at(place[:60])}… is nested more than {_DEEPEST} deep", hint=_ALLOWED)
        self._inside.add(identity)
        try:
            if isinstance(value, Mapping):
                return self.object(value, place)
            return [self.value(it, f"{place}.{index}") for index, it in enumerate(value)]
        finally:
            self._inside.discard(identity)

    def _text(self, value: str, place: str) -> str:
        if len(value) > MOST_BYTES:
            raise _too_much(len(value))
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadResult(
                f"{_at(place)} holds half of a character at {error.start}",
                hint="decode bytes with errors='replace'",
            ) from error
        return value

    def _picture(self, value: Any, place: str) -> dict[str, Any]:
        try:
            return self._job.save_image(value, name=self._name)
        except (OSError, ValueError, SystemError, KeyError) as error:
            raise BadResult(
                f"{_at(place)} is a picture ({value.mode}, {value.width}×{value.height}) that cannot be written "
                f"as PNG: {str(error)[:200]}",
                hint="give it open, not empty, and as picture.convert('RGB') or 'RGBA'",
            ) from error

    def _file(self, value: Path, place: str) -> dict[str, Any]:
        try:
            return self._job.save_file(value)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise BadResult(
                f"{_at(place)} is the path {str(value)[:200]!r}, which cannot be read: {why}",
                hint="return the Path of a file that is there when the function ends",
            ) from error


def _number(value: Any, place: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise BadResult(
            f"{_at(place)} is {value}, which JSON has not", hint="return None, or a number that is one"
        )
    if isinstance(value, int) and value.bit_length() > 4096:  # noqa: PLR2004 - Python writes no longer ones
        raise BadResult(f"{_at(place)} is a number of {value.bit_length()} bits", hint="return it as text")
    return value


def _at(place: str) -> str:
    return f"the function gave something whose {place!r}" if place else "what the function gave"


def _kind(value: Any) -> str:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"of the type {name}"


def _hint(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "read"):
        return "write it to a file and return its Path"
    if hasattr(value, "__array__"):
        return "return PIL.Image.fromarray(array) for a picture, or array.tolist() for its numbers"
    return _ALLOWED
