"""What a workflow app takes, asked once and kept."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from nbkit.errors import ConnectionFailed, RequestLost, ServiceError
from nbkit.wire.dify.parameters import NO_FORM, Form, read_parameters

if TYPE_CHECKING:
    from nbkit.model.endpoint import Endpoint
    from nbkit.model.schema import Schema
    from nbkit.providers.dify_app import DifyAppService


class DifyForms:
    """The inputs of one app.

    Args:
        app: Whom to ask.
    """

    def __init__(self, app: DifyAppService) -> None:
        self._app = app
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
            told = await self._app.asked("parameters", doing="asking what the app takes")
            self._form = read_parameters(told)
        return self._form
