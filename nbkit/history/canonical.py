"""The one form of an input that all equal requests share, and its hash."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from nbkit.model.data_uri import data_uri_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEEPEST = 80


def fingerprint(given: Any, known: Mapping[str, str] | None = None) -> str:
    """The SHA-256 of an input, the same for the same request.

    The order of names does not matter, nor does whether a number is written as `3` or `3.0`, nor where a file lies:
    what counts is what is in it, where that is known.

    Args:
        given: The input, as JSON values.
        known: Where files stand in it, as `images.0`, and their SHA-256.
    """
    text = json.dumps(_plain(given, known or {}, "", 0), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def versioned(given: Mapping[str, Any], version: str) -> Mapping[str, Any]:
    """An input for one version of an endpoint, which is another request than the same for its current one."""
    return {**given, "\0version": version} if version else given


def _plain(value: Any, known: Mapping[str, str], place: str, depth: int) -> Any:  # noqa: PLR0911 - one for each kind
    if depth > _DEEPEST:
        return repr(value)
    if place in known:
        return f"sha256:{known[place]}"
    if isinstance(value, dict):
        return {
            str(name): _plain(inner, known, below(place, name), depth + 1) for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(inner, known, below(place, at), depth + 1) for at, inner in enumerate(value)]
    if isinstance(value, str):
        is_inline = value.startswith("data:") and "," in value
        return f"sha256:{data_uri_hash(value)[0]}" if is_inline else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, (int, float)) else repr(value)


def below(place: str, name: Any) -> str:
    """The place of something within something, as `images.0`."""
    return f"{place}.{name}" if place else str(name)
