"""The catalogue as documents: the OpenAPI description of one endpoint, and the list of all.

Facts: fal docs, "Custom workflow UI" (`/api/openapi/queue/openapi.json`), and fal's platform API (`/v1/models`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.model.endpoint import Endpoint
from nbkit.server.replies import BadRequest, origin_of, reply, service_of
from nbkit.server.service import WORKFLOWS

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response

    from nbkit.server.catalogue import Entry

_MOST_MODELS = 1000
_STATUS: dict[str, Any] = {
    "type": "object",
    "title": "QueueStatus",
    "properties": {
        "status": {"type": "string", "enum": ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]},
        "request_id": {"type": "string"},
        "response_url": {"type": "string"},
        "status_url": {"type": "string"},
        "cancel_url": {"type": "string"},
        "queue_position": {"type": "integer"},
        "logs": {"type": "array", "items": {"type": "object"}, "nullable": True},
        "metrics": {"type": "object"},
    },
    "required": ["status", "request_id"],
}


async def openapi(request: Request) -> Response:
    """Describe one endpoint (`GET /openapi.json?endpoint_id=…`)."""
    name = request.query_params.get("endpoint_id", "")
    if not name:
        raise BadRequest(400, "Say which endpoint: /openapi.json?endpoint_id=local/collage")
    await service_of(request).learn(name)
    return reply(describe(service_of(request).catalogue.find(name), origin_of(request)))


async def models(request: Request) -> Response:
    """List the endpoints (`GET /api/v1/models`), those that the query asks for where it does."""
    asked = request.query_params
    await service_of(request).learn(WORKFLOWS)
    found = [entry for entry in service_of(request).catalogue if _is_asked_for(entry, asked)]
    limit, cursor = _number(asked, "limit", _MOST_MODELS, _MOST_MODELS), _number(asked, "cursor", 0, 10**9)
    following = cursor + limit
    expand = "openapi-3.0" in asked.get("expand", "")
    origin = origin_of(request)
    listed = [
        {
            "endpoint_id": entry.id,
            "metadata": {
                "display_name": entry.title,
                "category": entry.category,
                "description": entry.description,
                "status": "active",
                "stand_in": entry.stand_in or None,
            },
            **({"openapi": describe(entry, origin)} if expand else {}),
        }
        for entry in found[cursor:following]
    ]
    more = following < len(found)
    return reply({"models": listed, "next_cursor": str(following) if more else None, "has_more": more})


async def pricing(_request: Request) -> Response:
    """List prices (`GET /api/v1/models/pricing`): nothing here has one, and none is not a price of 0."""
    return reply({"prices": [], "next_cursor": None, "has_more": False})


def _is_asked_for(entry: Entry, asked: QueryParams) -> bool:
    ids = {one.strip() for listed in asked.getlist("endpoint_id") for one in listed.split(",")}
    words = asked.get("q", "").lower().split()
    told = f"{entry.id} {entry.title} {entry.description} {entry.category}".lower()
    return (
        (not ids or entry.id in ids)
        and all(word in told for word in words)
        and asked.get("category", entry.category) == entry.category
        and asked.get("status", "active") == "active"
    )


def _number(asked: QueryParams, name: str, default: int, most: int) -> int:
    text = asked.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and int(text) <= most):
        raise BadRequest(422, f"{name} is {text[:40]!r}; it takes a whole number up to {most}.")
    return int(text)


def describe(entry: Entry, origin: str) -> dict[str, Any]:
    """The OpenAPI document of an endpoint.

    Args:
        entry: The endpoint.
        origin: The server's address, as the client calls it.
    """
    given, gives = (
        f"#/components/schemas/{entry.input['title']}",
        f"#/components/schemas/{entry.output['title']}",
    )
    request = f"/{Endpoint.parse(entry.id).app}/requests/{{request_id}}"
    metadata = {"endpointId": entry.id, "category": entry.category, "standIn": entry.stand_in or None}
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": given}}}}
    status = _answers("#/components/schemas/QueueStatus")
    about = [{"name": "request_id", "in": "path", "required": True, "schema": {"type": "string"}}]
    return {
        "openapi": "3.0.4",
        "info": {
            "title": entry.title,
            "version": "1.0.0",
            "description": entry.description,
            "x-fal-metadata": metadata,
        },
        "servers": [{"url": f"{origin}/queue"}],
        "components": {
            "schemas": {
                entry.input["title"]: entry.input,
                entry.output["title"]: entry.output,
                "QueueStatus": _STATUS,
            },
            "securitySchemes": {"apiKeyAuth": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        },
        "security": [{"apiKeyAuth": []}],
        "paths": {
            f"/{entry.id}": {"post": {"requestBody": body, "responses": status}},
            request: {"get": {"parameters": about, "responses": _answers(gives)}},
            f"{request}/status": {"get": {"parameters": about, "responses": status}},
            f"{request}/cancel": {"put": {"parameters": about, "responses": status}},
        },
    }


def _answers(reference: str) -> dict[str, Any]:
    return {"200": {"description": "OK", "content": {"application/json": {"schema": {"$ref": reference}}}}}
