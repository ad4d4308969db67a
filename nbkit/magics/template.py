"""`{{name}}` in a cell: variables of the notebook inside an input."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.model import checking

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = r"""-?[0-9]+|"[^"{}\n]*"|'[^'{}\n]*'"""
_REFERENCE = re.compile(rf"(\\?)\{{\{{\s*([^\W\d]\w*(?:\.[^\W\d]\w*|\[(?:{_KEY})\])*)\s*\}}\}}")
_PART = re.compile(rf"\.(\w+)|\[({_KEY})\]|(\w+)")


def fill(value: Any, namespace: Mapping[str, Any]) -> Any:
    """A value with its references resolved, also inside lists and objects.

    A text that is one reference and nothing else becomes the variable itself, so that pictures and files can
    be given; inside longer text only text and numbers can stand.

    Raises:
        InputError: A name is not known, or a variable cannot stand where it is used.
    """
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value.strip())
        if whole and not whole[1]:
            return _as_input(whole[2], _look_up(whole[2], namespace))
        return fill_text(value, namespace)
    if isinstance(value, list):
        return [fill(inner, namespace) for inner in value]
    if isinstance(value, dict):
        return {key: fill(inner, namespace) for key, inner in value.items()}
    return value


def fill_text(text: str, namespace: Mapping[str, Any]) -> str:
    r"""A text with its references resolved; `\{{name}}` stands for `{{name}}` itself.

    Raises:
        InputError: A name is not known, or a variable is neither text nor a number.
    """

    def written(reference: re.Match[str]) -> str:
        if reference[1]:
            return reference[0][1:]
        value = _look_up(reference[2], namespace)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise InputError(
                f"{{{{{reference[2]}}}}} is {_kind(value)}: inside text only text and numbers can stand",
                field=reference[2],
            )
        return str(value)

    return _REFERENCE.sub(written, text)


def escaped(text: str) -> str:
    r"""A text that `fill_text` turns into the one given: `\{{name}}` where `{{name}}` is meant as it stands."""
    return _REFERENCE.sub(lambda reference: f"\\{reference[0]}", text)


def _look_up(path: str, namespace: Mapping[str, Any]) -> Any:
    value: Any = None
    for part in _PART.finditer(path):
        attribute, key, name = part.groups()
        before = path[: part.start()]
        if name is not None:
            value = _variable(name, namespace)
        elif attribute is not None:
            value = _attribute(value, attribute, before)
        else:
            value = _item(value, key, before)
    return value


def _variable(name: str, namespace: Mapping[str, Any]) -> Any:
    if name in namespace:
        return namespace[name]
    known = [other for other in namespace if not other.startswith("_")]
    raise InputError(
        f"there is no variable {name!r} for {{{{{name}}}}}", field=name, hint=nearest(name, known)
    )


def _attribute(value: Any, attribute: str, before: str) -> Any:
    try:
        return getattr(value, attribute)
    except AttributeError:
        known = [other for other in dir(value) if not other.startswith("_")]
        message = f"{before} has no {attribute!r}"
        raise InputError(message, field=before, hint=nearest(attribute, known)) from None


def _item(value: Any, key: str, before: str) -> Any:
    try:
        return value[key[1:-1] if key[0] in "\"'" else int(key)]
    except (LookupError, TypeError) as error:
        raise InputError(f"{before}[{key}] does not exist: {error}", field=before) from None


def _as_input(name: str, value: Any) -> Any:
    from nbkit.client.run import Run
    from nbkit.model.media import Media
    from nbkit.model.result import Result

    if isinstance(value, Run):  # of a cell in the background
        return _as_input(name, value.result())
    if isinstance(value, Result):
        if len(value.media) != 1:
            hint = f"say which: {{{{{name}.images[0]}}}}"
            raise InputError(f"{name} is a result with {len(value.media)} files", field=name, hint=hint)
        return _as_input(name, value.media[0])
    if isinstance(value, Media):
        return value.path or value.url
    if isinstance(value, PurePath):
        return value
    if callable(value) or isinstance(value, type):
        raise InputError(f"{{{{{name}}}}} is {_kind(value)}, which cannot be sent", field=name)
    return value


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"


def nearest(word: str, known: list[str]) -> str:
    """Advice that names the known word which looks most like this one, an empty string where none does."""
    found = checking.nearest(word, known)
    return f"did you mean {found}?" if found else ""
