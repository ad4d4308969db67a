"""What a workflow app takes, asked once and kept."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from nbkit.errors import ConnectionFailed, RequestLost, ServiceError
from nbkit.wire.dify.parameters import NO_FORM, Form, read_parameters

if TYPE_CHECKING:
    from nbkit.model.endpoint import Endpoint
    from nbkit.model.schema import Schema
    from nbkit.providers.dify import DifyService


class DifyForms:
    """The inputs of one app.

    Args:
        service: Whom to ask.
    """

    def __init__(self, service: DifyService) -> None:
        self._service = service
        self._form: Form | None = None

    @property
    def is_old(self) -> bool:
        """Whether the form was asked for before, so that the app's author may have changed it meanwhile."""
        return self._form is not None

    def forget(self) -> None:
        """Ask again next time."""
        self._form = None

    async def form(self) -> Form:
        """The inputs; none where the server does not tell, because the server itself has the last word."""
        try:
            return await self._asked()
        except ServiceError as error:
            if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:  # it will not tell the next time either
                self._form = NO_FORM
        except (ConnectionFailed, RequestLost):
            pass
        return NO_FORM

    async def known(self, endpoint: Endpoint) -> Schema | None:
        """The inputs as a schema; None where the server does not tell."""
        form = await self.form()
        return form.schema(str(endpoint)) if form.variables else None

    async def get(self, endpoint: Endpoint) -> Schema:
        """The inputs as a schema, as the server tells them now.

        Raises:
            ServiceError: The server does not tell.
            ConnectionFailed: It was never reached.
        """
        self.forget()
        return (await self._asked()).schema(str(endpoint))

    async def _asked(self) -> Form:
        if self._form is None:
            answer = await self._service.transport.send(
                "GET", self._service.place.parameters, read_timeout=15.0, attempts=2
            )
            if answer.status != HTTPStatus.OK:
                raise self._service.refusal(answer.status, answer.content).error("asking what the app takes")
            try:
                self._form = read_parameters(json.loads(answer.content))
            except (ValueError, RecursionError):
                raise ServiceError(
                    "asking what the app takes: the answer is not JSON",
                    status=answer.status,
                    hint="is the base URL right? It ends in /v1",
                ) from None
        return self._form
