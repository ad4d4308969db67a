"""`GET /v1/info`, `/parameters`, `/meta` and `/site`: what an app says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.server.dify.exchange import app_of, reply, state_of
from nbkit.wire.dify import answers, form_answers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def info(request: Request) -> Response:
    """Its name and what it does."""
    app = app_of(request)
    return reply(request, answers.info(app.name, app.description, state_of(request).era))


async def parameters(request: Request) -> Response:
    """What it takes."""
    return reply(request, form_answers.parameters(app_of(request).form, state_of(request).era))


async def meta(request: Request) -> Response:
    """The icons of its tools: none."""
    app_of(request)
    return reply(request, {"tool_icons": {}})


async def site(request: Request) -> Response:
    """How its page would look."""
    app = app_of(request)
    return reply(request, answers.site(app.name))
