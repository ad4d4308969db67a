"""Functions of this process, handed over to the server that answers them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from nbkit.endpoints.code import pickled
from nbkit.errors import ServerError

if TYPE_CHECKING:
    from nbkit.endpoints.declare import Declared
    from nbkit.providers.schemas import Schemas
    from nbkit.transport.http import Transport
    from nbkit.wire.fal.addresses import Hosts

_PATH = "/declared"
_OK = 200

_as_it_is: dict[str, tuple[str, float]] = {}  # endpoint → hash of its function, and since when it is that


def unchanged_since(endpoint: str) -> float:
    """Since when an endpoint's function is what it is, in seconds since 1970: results from before are another's.

    0 for an endpoint that is no function of this process.
    """
    return _as_it_is.get(endpoint, ("", 0.0))[1]


class Functions:
    """What one embedded server knows of this process's functions.

    A function is written down anew for each call, because what it uses of its notebook may have changed, and is sent
    where it is not what the server has.

    Args:
        transport: The connections.
        hosts: Where the server is.
        schemas: What is known of its endpoints.
    """

    def __init__(self, transport: Transport, hosts: Hosts, schemas: Schemas) -> None:
        self._transport = transport
        self._url = hosts.rest.removesuffix("/rest") + _PATH
        self._schemas = schemas
        self._known: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def hand_over(self, function: Declared[..., Any]) -> None:
        """See to it that the server answers a function as it is now.

        Raises:
            InputError: It uses something that cannot be sent.
            ServerError: The server does not take it.
        """
        async with self._lock:
            code = await asyncio.to_thread(pickled, function, function.id)
            facts = json.dumps({"id": function.id, **function.facts}).encode("ascii")
            content = facts + b"\n" + code
            digest = hashlib.sha256(content).hexdigest()
            if _as_it_is.get(function.id, ("",))[0] != digest:
                _as_it_is[function.id] = digest, time.time()
            if self._known.get(function.id) == digest:
                return
            answer = await self._transport.send("PUT", self._url, content=content)
            if answer.status != _OK:
                raise ServerError(
                    f"the embedded server does not take {function.id}: {answer.content[:300]!r}"
                )
            self._known[function.id] = digest
            self._schemas.forget(function.id)
