"""Asks a server as fast as it answers, on some connections; reads tasks, writes how many answers came."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

_WARM_UP = 0.3


class _Asker(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last is here."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._answer = b""
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, ended, body = self._answer.partition(b"\r\n\r\n")
        if ended and len(body) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            self._answer = b""
            self.answers += 1
            self.transport.write(self._request)


def request(method: str, url: str, body: str = "") -> bytes:
    """One request, as bytes."""
    parts = urlsplit(url)
    head = f"{method} {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: {len(body)}\r\n\r\n"
    return (head + body).encode()


async def rate(task: dict[str, Any]) -> dict[str, float]:
    """Ask the same on all connections for some time."""
    parts, loop = urlsplit(task["url"]), asyncio.get_running_loop()
    sent = request(task["method"], task["url"], task.get("body", ""))
    askers = [
        (await loop.create_connection(lambda: _Asker(sent), parts.hostname, parts.port))[1]
        for _ in range(task["connections"])
    ]
    await asyncio.sleep(_WARM_UP)
    before, began = sum(asker.answers for asker in askers), time.monotonic()
    await asyncio.sleep(task["seconds"])
    count, seconds = sum(asker.answers for asker in askers) - before, time.monotonic() - began
    everything = sum(asker.answers for asker in askers)
    for asker in askers:
        asker.transport.abort()
    return {"rate": count / seconds, "answers": everything}


async def answer_times(task: dict[str, Any]) -> list[float]:
    """Keep streams open, ask for single answers meanwhile, and give the seconds that each took."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(task["urls"][0])
    streams: list[asyncio.BaseTransport] = []
    for url in task["streams"]:
        factory = partial(_Listener, request("GET", url))
        streams.append((await loop.create_connection(factory, parts.hostname, parts.port))[0])
    await asyncio.sleep(_WARM_UP)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    times = []
    for url in task["urls"]:
        began = time.monotonic()
        writer.write(request("GET", url))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        times.append(time.monotonic() - began)
        await asyncio.sleep(task["pause"])
    for stream in (*streams, writer.transport):
        stream.close()
    return times


class _Listener(asyncio.Protocol):
    """Opens a stream and lets it come."""

    def __init__(self, request: bytes) -> None:
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)


def main() -> None:
    """Answer tasks until standard input ends."""
    for line in sys.stdin:
        task = json.loads(line)
        work: Any = rate(task) if "method" in task else answer_times(task)
        print(json.dumps(asyncio.run(work)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
