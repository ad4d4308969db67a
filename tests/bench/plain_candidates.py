"""The same by hand: httpx with a status stream, and bare sockets, which show what is possible."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from httpx_sse import aconnect_sse, connect_sse

from tests.bench.candidates import QUEUED, STREAMED, Asynchronous, Synchronous

if TYPE_CHECKING:
    from pathlib import Path

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=1000)
_TIMEOUT = 60.0


class Httpx(Synchronous):
    """`httpx.Client`, events read by httpx-sse."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._client = httpx.Client(limits=_LIMITS, timeout=_TIMEOUT)

    def job(self, seconds: float) -> float:  # noqa: D102
        ticket = self._client.post(f"{self._origin}/queue/{QUEUED}", json={"seconds": seconds}).json()
        with connect_sse(self._client, "GET", f"{ticket['status_url']}/stream?logs=1") as source:
            for event in source.iter_sse():
                if event.json()["status"] == "COMPLETED":
                    break
        return float(self._client.get(ticket["response_url"]).json()["completed_at"])

    def stream(self, count: int, size: int) -> int:  # noqa: D102
        url = f"{self._origin}/run/{STREAMED}/stream"
        with connect_sse(self._client, "POST", url, json={"count": count, "size": size}) as source:
            return sum(1 for event in source.iter_sse() if event.json())

    def upload(self, path: Path) -> None:  # noqa: D102
        place = self._client.post(f"{self._origin}/rest/storage/upload/initiate", json={}).json()
        with path.open("rb") as file:
            self._client.put(place["upload_url"], content=file)

    def download(self, target: Path) -> None:  # noqa: D102
        with (
            self._client.stream("GET", f"{self._origin}/cdn/zeros.bin") as response,
            target.open("wb") as file,
        ):
            for chunk in response.iter_bytes():
                file.write(chunk)


class HttpxAsync(Asynchronous):
    """`httpx.AsyncClient` on its own connections, events read by httpx-sse."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin
        self._client = httpx.AsyncClient(limits=_LIMITS, timeout=_TIMEOUT)

    async def job(self, seconds: float) -> float:  # noqa: D102
        answer = await self._client.post(f"{self._origin}/queue/{QUEUED}", json={"seconds": seconds})
        ticket = answer.json()
        async with aconnect_sse(self._client, "GET", f"{ticket['status_url']}/stream?logs=1") as source:
            async for event in source.aiter_sse():
                if event.json()["status"] == "COMPLETED":
                    break
        return float((await self._client.get(ticket["response_url"])).json()["completed_at"])

    def stream(self, count: int, size: int) -> int:  # noqa: D102
        async def receive() -> int:
            url = f"{self._origin}/run/{STREAMED}/stream"
            async with aconnect_sse(self._client, "POST", url, json={"count": count, "size": size}) as source:
                return sum([1 async for event in source.aiter_sse() if event.json()])

        return self.runner.run(receive())


class Raw(Asynchronous):
    """Sockets and no more than this server needs: the limit."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        parts = urlsplit(origin)
        self._host, self._port, self._home = parts.hostname, parts.port, parts.path
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def job(self, seconds: float) -> float:
        """A job, its three requests on one connection."""
        if not self._idle:
            self._idle.append(await asyncio.open_connection(self._host, self._port))
        reader, writer = connection = self._idle.pop()
        body = json.dumps({"seconds": seconds})
        head = f"host: {self._host}:{self._port}\r\n"
        post = f"POST {self._home}/queue/{QUEUED} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n{body}"
        ticket = await self._ask(reader, writer, post)
        path = urlsplit(ticket["response_url"]).path
        writer.write(f"GET {path}/status/stream HTTP/1.1\r\n{head}\r\n".encode())
        while not (await reader.readline()).startswith(b"0\r\n"):
            pass
        await reader.readline()
        result = await self._ask(reader, writer, f"GET {path} HTTP/1.1\r\n{head}\r\n")
        self._idle.append(connection)
        return float(result["completed_at"])

    @staticmethod
    async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> Any:
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.rpartition(b"content-length: ")[2])
        return json.loads(await reader.readexactly(length))
