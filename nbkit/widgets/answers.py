"""What was entered into the controls of a form, as an input."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.widgets.controls import REST, Control

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_MISSING = object()


def gathered(
    controls: Iterable[Control],
    answers: Mapping[str, Any],
    files: Mapping[str, Sequence[Path]],
    problems: dict[str, str],
) -> dict[str, Any]:
    """The input that was entered. What nobody touched is left out, unless it is required and has a default.

    Args:
        controls: The controls.
        answers: What was entered, by the ids of the controls.
        files: The files that were given, by the ids of the controls.
        problems: Takes what cannot be understood, by the ids of the controls.
    """
    given: dict[str, Any] = {}
    for control in controls:
        try:
            value = _value(control, answers, files, problems)
        except InputError as error:
            problems[control.id] = str(error)
            continue
        if control.place == REST and isinstance(value, dict):
            given |= value
        elif value is not _MISSING:
            given[control.field.name] = value
    return given


def entered(
    controls: Iterable[Control], values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, list[Path]]]:
    """The other way round: what would have been entered for some values, and the files among them.

    Args:
        controls: The controls.
        values: An input, or a part of one.
    """
    answers: dict[str, Any] = {}
    files: dict[str, list[Path]] = {}
    for control in controls:
        value = values.get(control.field.name)
        if value is None:
            continue
        if control.kind == "file":
            items = value if isinstance(value, list) else [value]
            files[control.id] = [it for it in items if isinstance(it, Path)]
            answers[control.id] = "\n".join(it for it in items if isinstance(it, str))
        elif control.children and isinstance(value, dict):
            inner_answers, inner_files = entered(control.children, value)
            answers |= {**inner_answers, control.id: "custom"}
            files |= inner_files
        else:
            answers[control.id] = _answer(control, value)
    return answers, files


def _answer(control: Control, value: Any) -> Any:
    if control.kind in ("choice", "either"):
        return control.choices.index(value) if value in control.choices else None
    if control.kind == "switch":
        return bool(value)
    if control.kind == "lines" and isinstance(value, list):
        return "\n".join(map(str, value))
    return json.dumps(value, ensure_ascii=False) if control.kind == "json" else str(value)


def _value(
    control: Control,
    answers: Mapping[str, Any],
    files: Mapping[str, Sequence[Path]],
    problems: dict[str, str],
) -> Any:
    answer = answers.get(control.id)
    if control.kind == "file":
        return _file(control, answer, files.get(control.id, ()))
    if control.kind == "object" or (control.kind == "either" and answer == "custom"):
        return gathered(control.children, answers, files, problems) or _untouched(control)
    if control.kind in ("choice", "either"):
        if isinstance(answer, int) and 0 <= answer < len(control.choices):
            return control.choices[answer]
        return _untouched(control)
    if control.kind == "switch":
        return answer if isinstance(answer, bool) else _untouched(control)
    is_filled = isinstance(answer, str) and bool(answer.strip())
    return _typed(control, answer) if is_filled else _untouched(control)


def _typed(control: Control, answer: Any) -> Any:
    if control.kind in ("slider", "number", "seed"):
        return _number(answer.strip())
    if control.kind == "lines":
        return [line for line in answer.splitlines() if line.strip()]
    if control.kind == "json":
        return _json(control, answer)
    return answer


def _untouched(control: Control) -> Any:
    if not control.field.required:
        return _MISSING
    if control.field.default is not None:
        return control.field.default
    return False if control.kind == "switch" else _MISSING


def _file(control: Control, answer: Any, paths: Sequence[Path]) -> Any:
    typed = [line.strip() for line in answer.splitlines() if line.strip()] if isinstance(answer, str) else []
    found = [*paths, *typed]
    if not found:
        return _untouched(control)
    return found if control.is_list or len(found) > 1 else found[0]


def _number(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return text  # checking says what is wrong with it
    return number if math.isfinite(number) else text


def _json(control: Control, text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is not valid JSON: {error}") from None
    if control.place == REST and not isinstance(value, dict):
        raise InputError('this has to be a JSON object, as {"name": "value"}')
    return value


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
