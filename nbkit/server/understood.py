"""What a schema from elsewhere says in words that this server checks inputs by."""

from __future__ import annotations

from typing import Any

from nbkit.server.validation import LIMITS, TYPES

_WHOLE = frozenset({"minLength", "maxLength", "minItems", "maxItems", "multipleOf"})
_LARGEST = 2.0**63  # whole numbers of any length cannot all be compared with, and divided by, fractions
_TEXTS = frozenset({"title", "description", "format"})


def understood(schema: Any) -> dict[str, Any]:
    """The part of a JSON Schema that is known here; it allows at least what the whole allows.

    Args:
        schema: A schema whose references are resolved. Words that are not known, or make no sense, are left out.
    """
    if not isinstance(schema, dict):
        return {}
    kept = {word: schema[word] for word in LIMITS if _is_limit(word, schema.get(word))}
    kept |= {word: schema[word] for word in _TEXTS if isinstance(schema.get(word), str)}
    kept |= {word: inner for word, inner in schema.items() if str(word).startswith("x-")}
    if schema.get("nullable") is True:
        kept["nullable"] = True
    for word in ("examples", "enum"):
        if isinstance(schema.get(word), list) and schema[word]:
            kept[word] = schema[word]
    if isinstance(schema.get("ui"), dict):
        kept["ui"] = schema["ui"]
    if "default" in schema:
        kept["default"] = schema["default"]
    if isinstance(kind := schema.get("type"), str) and kind in TYPES:
        kept["type"] = kind
    return kept | _inner(schema)


def _inner(schema: dict[str, Any]) -> dict[str, Any]:
    """What it says of what a value holds, and of what it may be instead."""
    kept: dict[str, Any] = {}
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, dict):
        kept["properties"] = {str(name): understood(inner) for name, inner in properties.items()}
    if isinstance(required, list):
        kept["required"] = [name for name in required if isinstance(name, str)]
    if isinstance(schema.get("items"), dict):
        kept["items"] = understood(schema["items"])
    others, branches = schema.get("additionalProperties"), schema.get("anyOf")
    if others is False or isinstance(others, dict):
        kept["additionalProperties"] = others and understood(others)
    if isinstance(branches, list) and branches and all(isinstance(branch, dict) for branch in branches):
        kept["anyOf"] = [understood(branch) for branch in branches]
    return kept


def _is_limit(word: str, bound: Any) -> bool:
    if not isinstance(bound, (int, float)) or isinstance(bound, bool) or not abs(bound) < _LARGEST:
        return False
    return word not in _WHOLE or (isinstance(bound, int) and (bound > 0 or word != "multipleOf"))
