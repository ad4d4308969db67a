"""A small server of fal's queue whose jobs end on time, and which counts what it is asked.

`python -m tests.bench.queue_server DELAY` prints one line of JSON: its address, and a second one behind a proxy that
holds everything back by DELAY seconds each way. The first part of every path names the client that asks, so that
requests and bytes are counted for each.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, Any

from tests.bench import pictures
from tests.bench.delay_proxy import start_proxy

_BIG_FILE = 100_000_000
_BIG_BODY = 1_000_000
_EVENTS_AT_ONCE = 20
_HIGH_WATER = 4 * 1024 * 1024
_IN_PROGRESS, _COMPLETED = "IN_PROGRESS", "COMPLETED"


@dataclass
class Job:
    """A request that is over after a given time.

    Attributes:
        given: Its input: `seconds`, and `file` or `picture` where its result shall have one.
        completed_at: When it was over, by the clock that all processes of a machine share.
    """

    given: dict[str, Any]
    completed_at: float = 0.0
    watchers: list[Connection] = field(default_factory=list)


class State:
    """Jobs, and what was counted."""

    def __init__(self, big_file: IO[bytes]) -> None:
        self.big_file = big_file
        self.jobs: dict[str, Job] = {}
        self.requests: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.submitted_at = 0.0

    def submit(self, given: dict[str, Any]) -> str:
        """Begin a job and return its id."""
        job, name = Job(given), f"job-{len(self.jobs)}"
        self.jobs[name] = job
        self.submitted_at = time.monotonic()
        asyncio.get_running_loop().call_later(given.get("seconds", 0), self._complete, job)
        return name

    def facts(self) -> dict[str, Any]:
        """What was counted so far."""
        return {"requests": self.requests, "bytes": self.bytes, "submitted_at": self.submitted_at}

    @staticmethod
    def _complete(job: Job) -> None:
        job.completed_at = time.monotonic()
        for connection in job.watchers:
            connection.send(_event(_status(job)) + b"0\r\n\r\n")


class Connection(asyncio.Protocol):
    """One client's connection: HTTP/1.1, one request after the other."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._buffer = bytearray()
        self._to_skip = 0
        self._client = ""
        self._home = ""
        self._resumed = asyncio.Event()
        self._resumed.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._transport = transport

    def pause_writing(self) -> None:  # noqa: D102
        self._resumed.clear()

    def resume_writing(self) -> None:  # noqa: D102
        self._resumed.set()

    def connection_lost(self, _error: Exception | None) -> None:  # noqa: D102
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the bodies of large uploads are counted and dropped."""
        self._state.bytes[self._client] += len(data)
        if self._to_skip:
            self._to_skip -= len(data)
            if not self._to_skip:
                self.reply({})
            return
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:])
        length, body_start = int(headers.get("content-length", "0")), head_end + 4
        if length < _BIG_BODY and len(self._buffer) < body_start + length:
            return
        body = bytes(self._buffer[body_start:])
        self._buffer.clear()
        method, target, _ = head[0].split(" ")
        _, client, path = target.split("?")[0].split("/", 2)
        if client != self._client:
            self._state.bytes[self._client] -= len(data)
            self._state.bytes[client] += len(data)
            self._client = client
        self._home = f"http://{headers['host']}/{client}"
        self._state.requests[client] += 1
        if length >= _BIG_BODY and len(body) < length:
            self._to_skip = length - len(body)
            return
        self._answer(method, path, body)

    def send(self, data: bytes) -> None:
        """Write bytes and count them."""
        self._state.bytes[self._client] += len(data)
        self._transport.write(data)

    def reply(self, body: Any, status: str = "200 OK") -> None:
        """Answer with JSON."""
        address = f"{self._home}/cdn/zeros.bin"
        stored = {"access_url": address, "file_url": address, "etag": '"part"', "partNumber": 1}
        content = json.dumps(body or stored).encode()
        self.send(_head(status, "application/json", f"content-length: {len(content)}") + content)

    def _answer(self, method: str, path: str, body: bytes) -> None:
        if path.startswith("queue/"):
            if method == "POST":
                self.reply(self._submitted(self._state.submit(json.loads(body))))
            else:
                self._about(path)
        elif path.startswith("run/"):
            self._later(self._stream(json.loads(body)))
        elif path.startswith("rest/storage/auth/token"):
            token = {"token": "t", "token_type": "Bearer", "base_url": f"{self._home}/cdn"}
            self.reply({**token, "expires_at": "2100-01-01T00:00:00+00:00"})
        elif path.startswith("rest/"):
            self.reply({"upload_url": f"{self._home}/cdn/put", "file_url": f"{self._home}/cdn/zeros.bin"})
        elif path.startswith("cdn/put"):
            self.reply({})
        elif path.startswith("cdn/zeros"):
            self._later(self._big_file())
        elif path.startswith("cdn/picture"):
            content = pictures.variant(path)
            self.send(_head("200 OK", "image/png", f"content-length: {len(content)}") + content)
        else:
            self.reply(self._state.facts())

    def _submitted(self, name: str) -> dict[str, Any]:
        home = f"{self._home}/queue/bench/wait/requests/{name}"
        return {
            "status": "IN_QUEUE",
            "request_id": name,
            "queue_position": 0,
            "response_url": home,
            "status_url": f"{home}/status",
            "cancel_url": f"{home}/cancel",
        }

    def _about(self, path: str) -> None:
        name, _, verb = path.partition("/requests/")[2].partition("/")
        job = self._state.jobs[name]
        if verb == "status":
            self.reply(_status(job), "200 OK" if job.completed_at else "202 Accepted")
        elif verb == "status/stream":
            self.send(
                _head("200 OK", "text/event-stream", "transfer-encoding: chunked") + _event(_status(job))
            )
            if job.completed_at:
                self.send(b"0\r\n\r\n")
            else:
                job.watchers.append(self)
        else:
            result: dict[str, Any] = {"completed_at": job.completed_at, "seed": 1}
            if job.given.get("file"):
                result["file"] = {
                    "url": f"{self._home}/cdn/zeros-{name}.bin",
                    "content_type": "application/zip",
                }
            if job.given.get("picture"):
                result["images"] = [
                    {"url": f"{self._home}/cdn/picture-{name}.png", "content_type": "image/png"}
                ]
            self.reply(result)

    async def _stream(self, given: dict[str, Any]) -> None:
        self.send(_head("200 OK", "text/event-stream", "transfer-encoding: chunked"))
        event = _event({"partial": True, "text": "x" * given["size"]})
        left = given["count"]
        while left:
            batch = min(left, _EVENTS_AT_ONCE)
            left -= batch
            self.send(event * batch)
            await self._resumed.wait()
        self.send(b"0\r\n\r\n")

    async def _big_file(self) -> None:
        self.send(_head("200 OK", "application/zip", f"content-length: {_BIG_FILE}"))
        self._state.bytes[self._client] += _BIG_FILE
        with open(self._state.big_file.name, "rb") as file:  # noqa: ASYNC230, PTH123 - nothing else happens meanwhile
            await asyncio.get_running_loop().sendfile(self._transport, file)

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _status(job: Job) -> dict[str, Any]:
    state = _COMPLETED if job.completed_at else _IN_PROGRESS
    return {"status": state, "logs": [], "metrics": {"inference_time": job.given.get("seconds", 0)}}


def _event(body: Any) -> bytes:
    content = b"data: " + json.dumps(body).encode() + b"\n\n"
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def _head(status: str, kind: str, framing: str) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nx-fal-request-id: bench\r\ncontent-type: {kind}\r\n{framing}\r\n\r\n".encode()
    )


async def _serve(delay: float) -> None:
    with tempfile.NamedTemporaryFile(suffix=".bin") as big_file:
        big_file.truncate(_BIG_FILE)
        state = State(big_file)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(state), "127.0.0.1", 0, backlog=2048)
        port = server.sockets[0].getsockname()[1]
        delayed = await start_proxy(port, delay)
        print(json.dumps([f"http://127.0.0.1:{port}", f"http://127.0.0.1:{delayed}"]), flush=True)  # noqa: T201
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
