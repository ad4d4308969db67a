"""Reading Dify's requests and writing its answers: what its routes share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from nbkit.server.dify.refused import Refused
from nbkit.server.replies import parsed, read_content
from nbkit.wire.dify.answers import body, internal_error
from nbkit.wire.fal.queue import STAND_IN_HEADER

if TYPE_CHECKING:
    from starlette.requests import Request

    from nbkit.server.dify.apps import WorkflowApp
    from nbkit.server.dify.state import DifyState

ANY_ORIGIN = {"access-control-allow-origin": "*"}
_NOT_UNDERSTOOD = "The browser (or proxy) sent a request that this server could not understand."
_NO_JSON = "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."


def state_of(request: Request) -> DifyState:
    """What is behind the route."""
    state: DifyState = request.app.state.dify
    return state


def app_of(request: Request) -> WorkflowApp:
    """The app whose key a request shows.

    Raises:
        Refused: It shows none (401).
    """
    app = state_of(request).app_of(request.headers.get("authorization", ""))
    request.scope["user"] = app.owner
    return app


def about(app: WorkflowApp) -> dict[str, str]:
    """The headers of an answer about a run: who may read it, and that a stand-in made it."""
    return {**ANY_ORIGIN, STAND_IN_HEADER: app.stand_in}


def reply(request: Request, value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    content = body(value, state_of(request).era)
    return Response(content, status, ANY_ORIGIN, media_type="application/json")


async def read_payload(request: Request) -> tuple[dict[str, Any], str]:
    """The JSON object of a request, and the user that it names.

    Raises:
        Refused: It is no JSON object, or it names no user.
        BadRequest: It is too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refused.of(415, "unsupported_media_type", _NO_JSON)
    try:
        payload = await parsed(await read_content(request))
    except (ValueError, RecursionError):
        raise Refused.of(400, "bad_request", _NOT_UNDERSTOOD) from None
    if not isinstance(payload, dict):
        raise Refused(500, internal_error(state_of(request).era))
    user = str(payload.get("user") or "")
    if not user:
        raise Refused.invalid("Arg user must be provided.")
    return payload, user
