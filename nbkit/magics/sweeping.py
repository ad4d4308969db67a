"""`%%generate --sweep`: a cell whose values are lists and ranges becomes a sweep."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.experiments.axes import Permute, Presets, Replace
from nbkit.experiments.ranges import is_range, read_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.magics.grammar import Request

_PROMPT, _SEEDS = "prompt", "seeds"
_BETWEEN_PROMPTS = re.compile(r"^[ \t]*\*\*\*[ \t]*$", re.MULTILINE)
_KINDS = (Permute, Presets, Replace)


def part_prompts(request: Request) -> None:
    """Take the prompt as an input: as several ones where lines `***` stand between them.

    It is done before variables are filled in, so that what a variable holds is not read again.

    Raises:
        InputError: The cell asks for what a sweep cannot do, or a part of it is empty.
    """
    for flag, is_given in (("--stream", request.stream), ("--background", request.background)):
        if is_given:
            raise InputError(f"{flag} and --sweep do not go together", field=flag)
    if request.prompt is None:
        return
    prompts = [part.strip("\r\n") for part in _BETWEEN_PROMPTS.split(request.prompt)]
    if not all(part.strip() for part in prompts):
        raise InputError("a prompt between lines `***` is empty", field=_PROMPT)
    request.input = {_PROMPT: prompts[0] if len(prompts) == 1 else prompts, **request.input}
    request.prompt = None


def parted(given: Mapping[str, Any]) -> dict[str, Any]:
    """An input, parted as `nbkit.Sweep` takes it: `input`, `axes` and `seeds`.

    Lists, arrays and ranges of numbers are axes; a list that holds a single list stands for that list itself.

    Raises:
        InputError: A range makes no sense.
    """
    parts: dict[str, Any] = {"input": {}, "axes": {}, "seeds": None}
    for name, value in given.items():
        if isinstance(value, str) and name != _PROMPT and is_range(value):
            value = read_range(value, name)  # noqa: PLW2901 - the same value, as numbers
        if name == _SEEDS:
            parts["seeds"] = value
        elif _is_axis(value):
            parts["axes"][name] = value
        else:
            is_wrapped = isinstance(value, list) and len(value) == 1 and isinstance(value[0], list)
            parts["input"][name] = value[0] if is_wrapped else value
    return parts


def _is_axis(value: Any) -> bool:
    if isinstance(value, list):
        return not (len(value) == 1 and isinstance(value[0], list))
    is_row = hasattr(value, "tolist") and getattr(value, "ndim", None) == 1
    return is_row or isinstance(value, (tuple, range, *_KINDS))
