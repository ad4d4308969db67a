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
from nbkit.model.references import Resolver, at
from nbkit.model.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbkit.model.endpoint import Endpoint
    from nbkit.wire.fal.addresses import Hosts

LARGEST_DOCUMENT = 4 * 2**20
"""Bytes; fal's largest documents have some hundred thousand."""

_FAL_REST = "https://rest.fal.ai"
_FAL_OPENAPI = "https://fal.ai/api/openapi/queue/openapi.json"


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
    paths = at(document, "paths")
    given = _given(paths, endpoint)
    if given is None:
        raise ServiceError(f"{doing}: the service's description has no input")
    resolver = Resolver(document)
    title = at(document, "info", "title")
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
    found = (at(paths, path, *_BODY) for path in (f"/{endpoint}", *_keys(paths)))
    return next((it for it in found if isinstance(it, dict)), None)


def _gives(paths: Any) -> Any:
    """The schema of the output: what asking for a request gives. The POST itself only gives a ticket."""
    found = (at(paths, path, *_ANSWER) for path in _keys(paths) if path.endswith("/requests/{request_id}"))
    return next((it for it in found if isinstance(it, dict)), None)


_CONTENT = ("content", "application/json", "schema")
_BODY = ("post", "requestBody", *_CONTENT)
_ANSWER = ("get", "responses", "200", *_CONTENT)


def _keys(value: Any) -> Iterator[str]:
    return iter(value) if isinstance(value, dict) else iter(())
