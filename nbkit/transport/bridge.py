"""httpx's interface on aiohttp's connections: loaded with the first request, not before."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import httpx  # noqa: TID253 - see above
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient  # noqa: TID253
from httpx_aiohttp.transport import AiohttpResponseStream  # noqa: TID253

if TYPE_CHECKING:
    import ssl

_PIECE = 256 * 1024
_MOST_REDIRECTS = 5


class _Connections(AiohttpTransport):
    """Gives answers in pieces as they come. The bridge cuts them to 16 kB, which makes large files twice as slow."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if isinstance(response.stream, AiohttpResponseStream):
            response.stream.CHUNK_SIZE = _PIECE
        return response


def client(*, at_once: int, idle: float, user_agent: str, trust_env: bool) -> httpx.AsyncClient:
    """Make a client.

    Args:
        at_once: How many connections it may have.
        idle: Seconds after which a connection that nobody uses is closed.
        user_agent: How it calls itself.
        trust_env: Whether to use the proxies that the environment names.
    """
    trusted = certificates()
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once, keepalive_expiry=idle)
    return HttpxAiohttpClient(
        transport=_Connections(verify=trusted, limits=limits),
        verify=trusted,
        trust_env=trust_env,
        headers={"user-agent": user_agent},
        limits=limits,
        max_redirects=_MOST_REDIRECTS,
    )


def certificates() -> ssl.SSLContext:
    """Whom to believe who they are. Reading the list takes 20 ms, so it is read once."""
    return _read_certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _read_certificates(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()  # looks at these two itself
