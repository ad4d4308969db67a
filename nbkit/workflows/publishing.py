"""Keeping a workflow at the service, under its name: `workflows/<user>/<name>` is an endpoint from then on.

Facts: fal's REST interface (`/workflows/`), as the `fal` package's generated client describes it. What is published has
the form in which that package publishes.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError, ServiceError
from nbkit.model.endpoint import Endpoint
from nbkit.providers.inputs import Draft
from nbkit.providers.reply import parsed
from nbkit.providers.schemas import outdate
from nbkit.transport.loop import wait
from nbkit.wire.fal.dialects import as_package

if TYPE_CHECKING:
    from nbkit.client.client import Client
    from nbkit.client.session import Line
    from nbkit.transport.http import Answer
    from nbkit.wire.fal.definition import Definition

_TAKEN = (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
_PAGE = 50
_MOST_PAGES = 100


def publish(definition: Definition, client: Client, *, public: bool) -> str:
    """Keep a workflow at the service, in the place of an earlier one of its name, and return its endpoint.

    Raises:
        ServiceError: The service refused it.
        ConnectionFailed: The service was never reached.
        RequestLost: The service did not answer.
    """
    return wait(_publish(definition, client, public=public))


async def _publish(definition: Definition, client: Client, *, public: bool) -> str:
    line = await client._calls.session.line(None)  # noqa: SLF001 - a question that clients do not answer by themselves
    draft = Draft.of(
        {
            "name": definition.name,
            "title": definition.title or definition.name,
            "contents": as_package(definition),
            "is_public": public,
        }
    )
    facts = await draft.sent(line.uploader, line.service.hosts.serves)
    answer = await _send(line, "POST", "", facts)
    if answer.status in _TAKEN and (earlier := await _earlier(line, definition.name)):
        answer = await _send(line, "PATCH", f"{earlier.owner}/{earlier.alias}", facts)
    doing = f"publishing {definition.name}"
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise line.service.refusal(answer.status, answer.headers, answer.content).error(doing)
    endpoint = _endpoint(parsed(answer))
    if endpoint is None or endpoint.alias != definition.name:
        raise ServiceError(f"{doing}: the service does not say under which name it kept it")
    outdate(endpoint)
    return str(endpoint)


def published(client: Client) -> list[str]:
    """The endpoints of the workflows that the service keeps for this account, the first page of their list.

    Raises:
        ConnectionFailed: The service was never reached.
        RequestLost: The service did not answer.
    """
    return wait(_published(client))


async def _published(client: Client) -> list[str]:
    line = await client._calls.session.line(None)  # noqa: SLF001 - as above
    return [str(endpoint) for endpoint in (await _page(line, 1))[0]]


async def _earlier(line: Line, name: str) -> Endpoint | None:
    """The endpoint of the account's workflow of a name, None where it has none."""
    page = pages = 1
    while page <= min(pages, _MOST_PAGES):
        listed, pages = await _page(line, page)
        for endpoint in listed:
            if endpoint.alias == name:
                return endpoint
        page += 1
    return None


async def _page(line: Line, page: int) -> tuple[list[Endpoint], int]:
    """The workflows on a page of the list, and how many pages there are."""
    body: Any = parsed(await _send(line, "GET", f"?page={page}&size={_PAGE}"))
    items, pages = (body.get("items"), body.get("pages")) if isinstance(body, dict) else (None, None)
    found = map(_endpoint, items if isinstance(items, list) else ())
    return [endpoint for endpoint in found if endpoint], pages if isinstance(pages, int) else 1


def _endpoint(kept: Any) -> Endpoint | None:
    """The endpoint of a workflow as the service tells of it, None where it does not tell."""
    facts = kept if isinstance(kept, dict) else {}
    user, name = facts.get("user_nickname"), facts.get("name")
    if not isinstance(user, str) or not isinstance(name, str):
        return None
    try:
        endpoint = Endpoint.parse(f"workflows/{user}/{name}")
    except InputError:
        return None
    return None if endpoint.path else endpoint


async def _send(line: Line, method: str, path: str, json: Any = None) -> Answer:
    return await line.service.transport.send(method, f"{line.service.hosts.rest}/workflows/{path}", json=json)
