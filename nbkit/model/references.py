"""JSON Schemas without references: what they refer to stands in their place.

What a document holds is not trusted: references may go in circles, multiply, or lead nowhere, and become a schema that
allows anything.
"""

from __future__ import annotations

from typing import Any

_MOST_PARTS = 20_000
_DEEPEST = 40
_NULL = {"type": "null"}


def at(value: Any, *names: str) -> Any:
    """What stands at a place inside of objects, None where there is no such place."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def resolved(schema: Any, document: Any = None) -> dict[str, Any]:
    """A schema with what it refers to in place, and what may be null said in one way.

    Args:
        schema: The schema.
        document: What its references lead into; by default the schema itself.
    """
    return Resolver(schema if document is None else document).resolve(schema)


class Resolver:
    """Copies schemas out of a document, with what they refer to in place, up to a size and a depth."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._left = _MOST_PARTS

    def resolve(self, node: Any, trail: tuple[str, ...] = (), depth: int = 0) -> dict[str, Any]:
        """One schema; one that allows anything where it goes in a circle or gets too large."""
        if not isinstance(node, dict) or depth > _DEEPEST or self._left <= 0:
            return {}
        self._left -= 1
        reference = node.get("$ref")
        if isinstance(reference, str):
            target = {} if reference in trail else self._lookup(reference)
            beside = {name: it for name, it in node.items() if name != "$ref"}
            found = self.resolve({**target, **beside}, (*trail, reference), depth + 1)
            return found or {"title": reference.rpartition("/")[2]}
        copied = {name: self._part(name, it, trail, depth) for name, it in node.items()}
        return _plain(copied)

    def _part(self, name: str, value: Any, trail: tuple[str, ...], depth: int) -> Any:
        if name == "properties" and isinstance(value, dict):
            return {key: self.resolve(inner, trail, depth + 1) for key, inner in value.items()}
        if name in ("anyOf", "oneOf", "allOf") and isinstance(value, list):
            return [self.resolve(inner, trail, depth + 1) for inner in value]
        if name in ("items", "additionalProperties") and isinstance(value, dict):
            return self.resolve(value, trail, depth + 1)
        return value

    def _lookup(self, reference: str) -> dict[str, Any]:
        """What a reference within the document leads to (RFC 6901); others are not followed."""
        if not reference.startswith("#/"):
            return {}
        names = (name.replace("~1", "/").replace("~0", "~") for name in reference[2:].split("/"))
        found = at(self._document, *names)
        return found if isinstance(found, dict) else {}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema with `allOf` merged, `oneOf` as `anyOf`, and every way to allow null as `nullable`."""
    parts = schema.pop("allOf", None)
    for part in parts if isinstance(parts, list) else ():
        schema = _merged(part, schema)
    branches = schema.pop("oneOf", None)
    branches = schema.pop("anyOf", branches)
    if isinstance(schema.get("type"), list):
        branches = [{"type": kind} for kind in schema.pop("type")]
    if not isinstance(branches, list):
        return schema
    others = [branch for branch in branches if branch.get("type") != _NULL["type"]]
    if len(others) < len(branches):
        schema["nullable"] = True
    if len(others) == 1:
        return _merged(others[0], schema)
    return {**schema, "anyOf": others} if others else schema


def _merged(inner: dict[str, Any], outer: dict[str, Any]) -> dict[str, Any]:
    """Both at once; notes of the outer one stand, what objects have is joined."""
    merged = {**inner, **outer}
    if isinstance(inner.get("properties"), dict) and isinstance(outer.get("properties"), dict):
        merged["properties"] = {**inner["properties"], **outer["properties"]}
    if isinstance(inner.get("required"), list) and isinstance(outer.get("required"), list):
        merged["required"] = [*inner["required"], *outer["required"]]
    return merged
