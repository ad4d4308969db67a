"""`PUT /declared`: a kernel hands a function over. Only the server of a kernel has this: it runs what it is given.

The body is one line of JSON with the facts of the endpoint, and the function behind it as `nbkit.endpoints.code` writes
it.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING

from nbkit.endpoints.code import MOST_PICKLED
from nbkit.errors import NbkitError
from nbkit.server.replies import BadRequest, reply, service_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PATH = "/declared"
_MOST_FACTS = 4 * 2**20


async def declare(request: Request) -> Response:
    """Answer a function from now on."""
    service = service_of(request)
    _, _, shown = request.headers.get("authorization", "").partition(" ")
    key = service.settings.key
    # Not any key that reads will do, as tokens for streams do: this runs code.
    if not key or not hmac.compare_digest(shown.strip().encode(), key.encode()):
        return reply({"detail": "Functions are taken from the kernel of this server alone."}, 401)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_PICKLED + _MOST_FACTS:
            raise BadRequest(413, "The function carries too much along.")
    head, _, code = bytes(content).partition(b"\n")
    try:
        digest = await service.own.declare(json.loads(head), code)
    except (ValueError, TypeError, AttributeError, NbkitError) as error:
        raise BadRequest(422, f"This is no function to declare: {error}") from error
    return reply({"digest": digest})
