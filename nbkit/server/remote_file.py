"""Files that an input names by their address: fetched within bounds, and only from where the server may ask."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

from nbkit.errors import ServerError
from nbkit.model.address import is_loopback
from nbkit.server.field_refused import FieldRefused
from nbkit.server.public_address import public_place

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 50 * 2**20
FETCH_SECONDS = 20.0
MAX_REDIRECTS = 5


async def fetch(url: str, field: str, *, public_only: bool) -> tuple[bytes, str]:
    """Fetch an address of http(s), within the bounds on bytes, time and redirects.

    Args:
        url: The address.
        field: The field that names it, for errors.
        public_only: Whether it, and wherever it leads, must be on the public internet.

    Returns:
        Its bytes, and the type that its server calls them.

    Raises:
        FieldRefused: It cannot be had, or is too large.
    """
    # Off the loop, since loading an HTTP client takes a fifth of a second.
    await asyncio.to_thread(importlib.import_module, "httpx")
    import httpx

    async def judge(request: httpx.Request) -> None:
        place, _ = await public_place(str(request.url))
        request.url = httpx.URL(place)

    try:
        async with (
            asyncio.timeout(FETCH_SECONDS),
            httpx.AsyncClient(
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                timeout=10,
                # A proxy that is meant for the outside cannot reach this machine's own addresses.
                trust_env=not is_loopback(url),
                event_hooks={"request": [judge] if public_only else []},
            ) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.is_error:
                raise unreachable(url, f"HTTP {answer.status_code}", field)
            return await _body(answer, url, field), answer.headers.get("content-type", "")
    except TimeoutError:
        raise unreachable(url, f"it took longer than {FETCH_SECONDS:.0f} s", field) from None
    except (httpx.HTTPError, httpx.InvalidURL, ServerError, OSError, ValueError) as error:
        raise unreachable(url, str(error) or type(error).__name__, field) from error


async def _body(answer: httpx.Response, url: str, field: str) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            message = f"The file at {url[:200]} is larger than {MAX_BYTES // 2**20} MiB"
            raise FieldRefused(message, field=field, kind="file_too_large", context={"max_size": MAX_BYTES})
    return bytes(content)


def unreachable(url: str, reason: str, field: str) -> FieldRefused:
    """The refusal of an address that gives no file."""
    message = f"Failed to download the file at {url[:200]}: {reason[:300]}"
    return FieldRefused(message, field=field, kind="file_download_error")
