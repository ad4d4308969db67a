"""What a Dify app tells of itself and of its runs."""

from __future__ import annotations

import json
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError, ServiceError
from nbkit.wire.dify.logs import read_logs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.model.human_form import HumanForm
    from nbkit.model.records import Records
    from nbkit.providers.dify import DifyService

_SINCE = MappingProxyType({"site": "1.4"})
_LOGS_SINCE = "0.9"
_SILENCE = 15.0
_ATTEMPTS = 2


class DifyAppService:
    """The questions that an app answers without running.

    Args:
        service: Whom to ask.
    """

    def __init__(self, service: DifyService) -> None:
        self._service = service

    async def info(self) -> dict[str, Any]:
        """Its name, description and so on; and the server's version and address."""
        told = await self.asked("info")
        return told | {"version": self._service.version, "base_url": self._service.place.base}

    async def asked(self, what: str, *, doing: str = "") -> dict[str, Any]:
        """One of `info`, `parameters`, `site` and `meta`, as the server tells it.

        Raises:
            ServiceError: It does not tell.
            ConnectionFailed: It was never reached.
        """
        return await self._get(
            self._service.place.about(what), doing or f"asking for the app's {what}", _SINCE.get(what, "")
        )

    async def logs(self, query: Mapping[str, Any]) -> Records:
        """The app's runs, the newest first.

        Raises:
            ServiceError: It does not tell, or there is something wrong with what was asked.
            ConnectionFailed: It was never reached.
        """
        doing = "asking for the app's logs"
        return read_logs(await self._get(self._service.place.logs(query), doing, _LOGS_SINCE))

    async def answer(self, form: HumanForm, action: str, given: Mapping[str, Any]) -> None:
        """Answer what a paused run asks a person. It is sent once.

        Raises:
            InputError: The form has no such action or input, or is not answered by code.
            ServiceError: It was answered already, its time is over, or the server takes no answers from programs.
            ConnectionFailed: The server was never reached.
            RequestLost: It was sent and no answer came: it may have been taken.
        """
        service, doing = self._service, f"answering {form.title}"
        body = {"inputs": form.filled(action, given), "action": action, "user": service.user}
        if not form.token.strip("."):
            raise InputError(f"{form.title} is answered in Dify, by e-mail say, and not from here")
        answer = await service.transport.send(
            "POST",
            service.place.form(form.token),
            json=body,
            may_bill=True,
            attempts=1,
            read_timeout=_SILENCE,
        )
        service.note(answer.headers)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            refusal = service.refusal(answer.status, answer.content)
            if refusal.is_no_route:
                raise ServiceError(
                    f"{doing}: this server takes no answers from programs (HTTP 404)",
                    status=answer.status,
                    hint="answer it in Dify's web page; the run goes on then (Dify after 1.13.2 takes them)",
                )
            raise refusal.error(doing)

    async def _get(self, url: str, doing: str, since: str) -> dict[str, Any]:
        service = self._service
        answer = await service.transport.send("GET", url, read_timeout=_SILENCE, attempts=_ATTEMPTS)
        service.note(answer.headers)
        if answer.status != HTTPStatus.OK:
            raise service.refusal(answer.status, answer.content).error(doing, since, service.version)
        try:
            told = json.loads(answer.content)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise ServiceError(
                f"{doing}: the answer is not what Dify answers",
                status=answer.status,
                hint="is the base URL right? It ends in /v1",
            )
        return told
