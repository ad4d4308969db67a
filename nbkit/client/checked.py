"""Looks at an input before it is sent or billed, where the schema of its endpoint is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from nbkit.errors import InputError
from nbkit.model.checking import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.model.endpoint import Endpoint
    from nbkit.model.schema import Schema

_SWITCH = "if the schema is wrong or old, send it all the same with Client(validate=False)"
_MOST_TOLD = 5


class KnowsSchemas(Protocol):
    """What knows what endpoints take."""

    async def known(self, endpoint: Endpoint) -> Schema | None:
        """The schema of an endpoint if it is at hand."""


async def check_input(
    schemas: KnowsSchemas, endpoint: Endpoint, given: Mapping[str, Any], *, is_embedded: bool = False
) -> list[str]:
    """Check an input against the schema of its endpoint, without waiting for a service elsewhere.

    Args:
        schemas: Who knows what the endpoint takes.
        endpoint: The endpoint.
        given: The input. Files in it may still be as they were given.
        is_embedded: Whether the service is the server beside the notebook.

    Returns:
        What the service may ignore, in sentences.

    Raises:
        InputError: The service would refuse it, or ignore a name that looks misspelt and bill the call.
    """
    try:
        schema = await schemas.known(endpoint)
        problems = check(given, schema.input, str(endpoint)) if schema else []
    except Exception:  # noqa: BLE001 - whatever a schema says, it must not break a call that may be right
        return []
    certain = [problem for problem in problems if problem.is_certain]
    if certain:
        message = "\n  ".join(problem.message for problem in certain[:_MOST_TOLD])
        # What the embedded server says of an endpoint is what it checks itself.
        raise InputError(message, field=certain[0].field, hint="" if is_embedded else _SWITCH)
    return [f"{problem.message}; the service may ignore it" for problem in problems]
