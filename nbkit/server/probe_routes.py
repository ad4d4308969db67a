"""`/health`, `/ready` and `/metrics`: what watches over servers asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

import nbkit
from nbkit.server.readiness import Readiness
from nbkit.server.replies import reply

if TYPE_CHECKING:
    from starlette.requests import Request

    from nbkit.server.exposition import Exposition
    from nbkit.server.service import Service


def probe_routes(service: Service) -> list[Route]:
    """What the app answers to those who watch over it."""
    probes = _Probes(service)
    return [Route("/health", probes.health), Route("/ready", probes.ready), Route("/metrics", probes.metrics)]


class _Probes:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._readiness = Readiness(service.checks)
        self._exposition: Exposition | None = None

    async def health(self, _request: Request) -> Response:
        """Say that the server lives, whatever it is busy with."""
        answer = {"status": "ok", "version": nbkit.__version__}
        if (cluster := self._service.cluster) is not None:
            answer |= {"status": "degraded", "database": "away"} if cluster.away else {"database": "ok"}
        return reply(answer)

    async def ready(self, _request: Request) -> Response:
        """Say whether requests should be sent here, and which check fails where they should not."""
        problems = await self._readiness.problems()
        is_ready = not any(problems.values())
        checks = {name: problem or "ok" for name, problem in problems.items()}
        status = "ready" if is_ready else "not ready"
        return reply({"status": status, "checks": checks}, 200 if is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Give the numbers."""
        if self._exposition is None:  # its library takes a while to load, and few ask
            from nbkit.server.exposition import Exposition

            self._exposition = Exposition(self._service)
        content, content_type = await self._exposition.text(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": content_type, "cache-control": "no-store"})
