"""What a Dify app tells of itself and of its runs."""

from __future__ import annotations

import json
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nbkit.errors import ServiceError
from nbkit.wire.dify.logs import read_logs

if TYPE_CHECKING:
    from collections.abc import Mapping

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
