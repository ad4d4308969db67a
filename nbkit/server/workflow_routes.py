"""`/rest/workflows/…`: saving, listing and deleting workflows (fal's REST interface; status codes are fal's own)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from nbkit.errors import InputError
from nbkit.server.replies import BadRequest, read_json, reply, service_of
from nbkit.server.runs import UNPROCESSABLE
from nbkit.server.saved_workflows import NameTaken, SavedWorkflow
from nbkit.wire.fal.answers import field_error

if TYPE_CHECKING:
    from starlette.requests import Request

_SIZE, _MOST = 50, 100
_LISTED = ("name", "title", "user_id", "user_nickname", "created_at")


async def workflows(request: Request) -> Response:
    """List the workflows (GET) or save one (POST)."""
    await service_of(request).saved.refresh()
    return await _create(request) if request.method == "POST" else _list(request)


async def workflow(request: Request) -> Response:
    """Give a workflow (GET, HEAD), change it (PATCH) or delete it (DELETE)."""
    saved, given = service_of(request).saved, request.path_params
    await saved.refresh()
    found = saved.get(given["user"], given["name"])
    if found is None:
        raise BadRequest(404, f"There is no workflow {given['user'][:100]}/{given['name'][:100]}.")
    if request.method == "PATCH":
        return await _change(request, found)
    if request.method == "DELETE":
        await saved.delete(found.name)
        return Response(status_code=204)
    return reply(_detail(request, found))


async def _create(request: Request) -> Response:
    return await _save(request, await read_json(request))


async def _change(request: Request, found: SavedWorkflow) -> Response:
    change = {name: value for name, value in (await read_json(request)).items() if value is not None}
    if change.get("name", found.name) != found.name:
        return _refused("a workflow keeps its name; save it under another instead", "name")
    return await _save(request, {**found.facts(), **change}, created_at=found.created_at)


async def _save(request: Request, facts: dict[str, Any], *, created_at: str = "") -> Response:
    try:
        made = SavedWorkflow.read(facts, created_at=created_at)
        await service_of(request).saved.save(made, anew=not created_at)
    except NameTaken as error:
        raise BadRequest(400, str(error)) from error
    except InputError as error:
        return _refused(str(error), *error.field.split("."))
    return reply(_detail(request, made), 201)


def _list(request: Request) -> Response:
    page, size = _number(request, "page", 1), _number(request, "size", _SIZE)
    if page is None or size is None or size > _MOST:
        return _refused(
            f"page and size are whole numbers from 1, size at most {_MOST}", "page", place="query"
        )
    found = service_of(request).saved.all()
    shown = [_detail(request, one) for one in found[(page - 1) * size : page * size]]
    items = [{name: one[name] for name in _LISTED} for one in shown]
    pages = math.ceil(len(found) / size)
    return reply({"items": items, "total": len(found), "page": page, "size": size, "pages": pages})


def _number(request: Request, name: str, default: int) -> int | None:
    text = request.query_params.get(name, str(default))
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) else None  # noqa: PLR2004


def _detail(request: Request, found: SavedWorkflow) -> dict[str, Any]:
    nickname = service_of(request).settings.nickname
    return {**found.facts(), "user_id": nickname, "user_nickname": nickname}


def _refused(message: str, *loc: str, place: str = "body") -> Response:
    entry = field_error(message, "value_error", *loc)
    return reply({"detail": [{**entry, "loc": [place, *loc]}]}, UNPROCESSABLE)
