"""An endpoint's OpenAPI document as a `Schema`.

Facts: fal docs, "Custom workflow UI": the input stands at `paths./{id}.post.requestBody`, the output at
`paths./{id}/requests/{request_id}.get.responses.200`, both as references. Documents are OpenAPI 3.0 (`nullable`)
or 3.1 (a type of `null`). What a document holds is not trusted: references may go in circles, multiply, or lead
nowhere, and become a schema that allows anything.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nbkit.errors import ServiceError
from nbkit.model.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbkit.model.endpoint import Endpoint
    from nbkit.wire.fal.addresses import Hosts

LARGEST_DOCUMENT = 4 * 2**20
"""Bytes; fal's largest documents have some hundred thousand."""

_FAL_REST = "https://rest.fal.ai"
_FAL_OPENAPI = "https://fal.ai/api/openapi/queue/openapi.json"
_MOST_PARTS = 20_000
_DEEPEST = 40
_NULL = {"type": "null"}


def is_fal(hosts: Hosts) -> bool:
    """Whether these are fal's own hosts, not those of an nbkit server."""
    return hosts.rest == _FAL_REST


def document_url(hosts: Hosts, endpoint: Endpoint) -> str:
    """Where the document of an endpoint is. fal's is public, so no key needs to go there."""
    base = _FAL_OPENAPI if is_fal(hosts) else f"{hosts.rest.removesuffix('/rest')}/openapi.json"
    return f"{base}?endpoint_id={quote(str(endpoint))}"


def read_document(content: bytes, endpoint: str, fetched_at: float, problem: str = "") -> Schema:
    """The schema in a document.

    Args:
        content: The document as it came.
        endpoint: The endpoint's id.
        fetched_at: When it came, in seconds since 1970.
        problem: Why it is not newer, for what was kept.

    Raises:
        ServiceError: It is no document, or says nothing of an input.
    """
    doing = f"reading the schema of {endpoint}"
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ServiceError(f"{doing}: the service's description is not JSON") from error
    paths = _at(document, "paths")
    given = _given(paths, endpoint)
    if given is None:
        raise ServiceError(f"{doing}: the service's description has no input")
    resolver = _Resolver(document)
    title = _at(document, "info", "title")
    return Schema(
        endpoint,
        title if isinstance(title, str) else "",
        resolver.resolve(given),
        resolver.resolve(_gives(paths) or {}),
        fetched_at,
        problem,
    )


def _given(paths: Any, endpoint: str) -> Any:
    """The schema of the input: at the endpoint's own path, else at the first that takes one."""
    found = (_at(paths, path, *_BODY) for path in (f"/{endpoint}", *_keys(paths)))
    return next((it for it in found if isinstance(it, dict)), None)


def _gives(paths: Any) -> Any:
    """The schema of the output: what asking for a request gives. The POST itself only gives a ticket."""
    found = (_at(paths, path, *_ANSWER) for path in _keys(paths) if path.endswith("/requests/{request_id}"))
    return next((it for it in found if isinstance(it, dict)), None)


_CONTENT = ("content", "application/json", "schema")
_BODY = ("post", "requestBody", *_CONTENT)
_ANSWER = ("get", "responses", "200", *_CONTENT)


def _keys(value: Any) -> Iterator[str]:
    return iter(value) if isinstance(value, dict) else iter(())


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


class _Resolver:
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
        found = _at(self._document, *names)
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
