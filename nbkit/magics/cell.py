"""The cell that sends a request again: the way back from an input to the text that `grammar.parse` reads."""

from __future__ import annotations

import json
import re
from pprint import pformat
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.magics.grammar import parse
from nbkit.magics.template import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What IPython or a browser takes out of a cell, or changes in it.
_CHANGED = re.compile(r"(?m:^\s*(?:>>>|\.\.\.|In ?\[))|[^\S \n\t]|\s\Z")
_WIDTH = 100


def cell_for(endpoint: str, given: Mapping[str, Any]) -> str:
    """A cell that sends an input to an endpoint: `%%generate`, or Python for the few inputs that it cannot write.

    Args:
        endpoint: What is called.
        given: The input, as JSON values.
    """
    for line, body in _candidates(endpoint, given):
        if _means(line, body, endpoint, given):
            return f"%%generate {line}\n{body}"
    told = pformat(dict(given), width=_WIDTH, sort_dicts=False)
    return f"import nbkit\n\nnbkit.Client().run({endpoint!r}, {told})"


def _candidates(endpoint: str, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """First lines and bodies, the one that reads best first."""
    prompt = given.get("prompt")
    others = {name: value for name, value in given.items() if name != "prompt"}
    if isinstance(prompt, str) and not _CHANGED.search(prompt) and _is_visible(prompt):
        line = _first_line(endpoint, others)
        yield line, escaped(prompt)
        yield line, f"---\n{escaped(prompt)}"
    yield _first_line(endpoint, given), "---"


def _first_line(endpoint: str, given: Mapping[str, Any]) -> str:
    return " ".join([endpoint, *(_option(name, value) for name, value in given.items())])


def _option(name: str, value: Any) -> str:
    if name == "seed" and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return f"--seed {value}"
    text = json.dumps(_escaped(value), ensure_ascii=False)
    return f"-p {name}=" + "".join(
        letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text
    )


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _escaped(inner) for name, inner in value.items()}
    return value


def _is_visible(text: str) -> bool:
    return all(letter.isprintable() or letter in "\n\t" for letter in text)


def _means(line: str, body: str, endpoint: str, given: Mapping[str, Any]) -> bool:
    """Whether a cell is read as what it was made from, to the type of each number."""
    try:
        request = parse(line, f"{body}\n")
        return request.endpoint == endpoint and _exact(request.filled({})) == _exact(given)
    except (InputError, RecursionError):
        return False


def _exact(given: Mapping[str, Any]) -> str:
    return json.dumps(given, sort_keys=True)
