"""What the endpoints of a workflow take and give, asked for through a client."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from nbkit.errors import NbkitError, ServiceError
from nbkit.model.endpoint import Endpoint
from nbkit.transport.loop import wait
from nbkit.wire.fal.openapi import is_fal

if TYPE_CHECKING:
    from nbkit.client.client import Client
    from nbkit.model.schema import Schema

_AGAIN = 30.0


@dataclass(frozen=True, slots=True)
class Unknown:
    """That the schema of an endpoint is not there.

    Attributes:
        reason: Why, in a sentence.
        is_certain: Whether the service said that it has no such endpoint.
    """

    reason: str
    is_certain: bool = False


class Schemas:
    """The schemas that a client can get. A service that cannot be reached is left alone for half a minute."""

    def __init__(self) -> None:
        self._away: dict[tuple[int, str], tuple[float, Unknown]] = {}

    def get(self, endpoint: str, client: Client) -> Schema | Unknown:
        """The schema of an endpoint, or why there is none.

        Raises:
            InputError: It is not an endpoint.
        """
        place = id(client), Endpoint.parse(endpoint).provider
        away = self._away.get(place)
        if away and time.monotonic() - away[0] < _AGAIN:
            return away[1]
        try:
            return client.schema(endpoint)
        except ServiceError as error:
            is_certain = error.status == HTTPStatus.NOT_FOUND and _tells_of_all(endpoint, client)
            return Unknown(error.args[0], is_certain=is_certain)
        except NbkitError as error:
            unknown = Unknown(error.args[0])
            self._away[place] = time.monotonic(), unknown
            return unknown


def _tells_of_all(endpoint: str, client: Client) -> bool:
    """Whether an endpoint without a schema is not there: what users of fal keep to themselves has none."""
    named = Endpoint.parse(endpoint)
    line = wait(client._calls.session.line(named))  # noqa: SLF001 - a question that clients do not answer by themselves
    return not is_fal(line.service.hosts) or (named.owner == "fal-ai" and not named.namespace)
