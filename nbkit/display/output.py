"""The output of a run as rows: one value a row, files left out because they are shown as such."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 40
_DEEPEST = 4


def rows(output: Any) -> list[tuple[str, str]]:
    """Name and value of everything in an output that is not a file; nested names are joined by dots."""
    found = list(_walk(output, "", 0))
    if len(found) <= _MOST:
        return found
    return [*found[:_MOST], ("…", f"{len(found) - _MOST} more values")]


def written(value: Any) -> str:
    """A value as a reader expects it: text without quotes, everything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _walk(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if _is_file(value) or value is None or value in ("", [], {}):
        return
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from _walk(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list) and depth < _DEEPEST and any(map(_holds_more, value)):
        for index, inner in enumerate(value):
            yield from _walk(inner, f"{name}.{index}" if name else str(index), depth + 1)
    else:
        yield (name or "output", written(value))


def _holds_more(value: Any) -> bool:
    return isinstance(value, dict) or _is_file(value)


def _is_file(value: Any) -> bool:
    if isinstance(value, dict):
        # Dify's file objects of 0.6 may be without an address.
        return isinstance(value.get("url"), str) or value.get("__variant") == "FileVar"
    return isinstance(value, str) and value.startswith("data:") and "," in value[:200]
