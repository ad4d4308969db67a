"""A web server on a real socket that does exactly what a test tells it to: also what no server should do."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Act = Callable[["Exchange"], None]

_LINGER_ZERO = struct.pack("ii", 1, 0)  # closing sends a reset


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    at: float = field(default_factory=time.monotonic, repr=False)

    @property
    def path(self) -> str:
        """Its target without the query."""
        return self.target.partition("?")[0]

    @property
    def json(self) -> Any:
        """Its body, parsed."""
        return json.loads(self.body)


@dataclass
class Exchange:
    """A request, and the connection to answer it on."""

    server: ScriptedServer
    connection: socket.socket
    request: Received
    is_last: bool = False

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.connection.sendall(data)

    def reset(self) -> None:
        """Break the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.connection.close()
        self.is_last = True

    def hold(self) -> None:
        """Say nothing until the other side hangs up or the test is over."""
        self.is_last = True
        while not self.server.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.02)
            if readable and not self.connection.recv(4096):
                self.server.hang_ups.append(self.request)
                return


def answer(
    data: Any = None,
    status: int = 200,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    after: float = 0.0,
    missing: int = 0,
) -> Act:
    """Answer with JSON, or with a body as it is; `missing` bytes of it never come."""
    content = json.dumps(data).encode() if body is None else body
    given = {"content-type": "application/json", **(headers or {})}

    def act(exchange: Exchange) -> None:
        exchange.server.closing.wait(after)
        lines = [f"HTTP/1.1 {status} Word", f"content-length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        sent = content[: len(content) - missing]
        exchange.send("\r\n".join([*lines, "", ""]).encode("latin-1") + sent)
        exchange.is_last = bool(missing)

    return act


def stream(
    *parts: bytes | float,
    then: Literal["end", "cut", "hold", "reset"] = "end",
    kind: str = "text/event-stream",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Act:
    """Answer with pieces of a body of unknown length, as servers stream; a number is a pause in seconds."""
    given = {"content-type": kind, "transfer-encoding": "chunked", **(headers or {})}

    def act(exchange: Exchange) -> None:
        lines = [f"HTTP/1.1 {status} Word", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        exchange.send("\r\n".join(lines).encode())
        exchange.is_last = True
        for part in parts:
            if isinstance(part, bytes):
                exchange.send(b"%x\r\n%s\r\n" % (len(part), part) if part else b"")
            else:
                exchange.server.closing.wait(part)
        if then == "end":
            exchange.send(b"0\r\n\r\n")
        elif then == "hold":
            exchange.hold()
        elif then == "reset":
            exchange.reset()

    return act


def raw(data: bytes) -> Act:
    """Answer with bytes that need not be HTTP, and close."""

    def act(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.is_last = True

    return act


def reset(exchange: Exchange) -> None:
    """Read the request and break the connection."""
    exchange.reset()


def never(exchange: Exchange) -> None:
    """Read the request and never answer."""
    exchange.hold()


class ScriptedServer:
    """Listens on loopback and keeps what it received.

    Attributes:
        origin: Its address.
        received: Every request that was read to its end, in order.
        hang_ups: The requests whose sender closed the connection while it was held.
        reset_unread: How many of the next connections are broken before anything is read.
        connections: How many connections were accepted.
    """

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.received: list[Received] = []
        self.hang_ups: list[Received] = []
        self.reset_unread = 0
        self.connections = 0
        self.closing = threading.Event()
        self._scripts: dict[tuple[str, str], list[Act]] = {}
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def on(self, method: str, path: str, *acts: Act) -> None:
        """Say what to do at an address: the acts in order, the last one from then on."""
        self._scripts[method, path] = list(acts)

    def count(self, method: str, path: str | None = None) -> int:
        """How many requests came."""
        return len(self.requests(method, path))

    def requests(self, method: str, path: str | None = None) -> list[Received]:
        """The requests that came."""
        return [it for it in self.received if it.method == method and path in (None, it.path)]

    def until(self, happened: Callable[[], object], *, within: float = 5.0) -> None:
        """Wait for something to have happened."""
        give_up = time.monotonic() + within
        while not happened():
            assert time.monotonic() < give_up, f"it did not happen; received: {self.received}"
            time.sleep(0.005)

    def queue(
        self,
        endpoint: str = "acme/imgen",
        *,
        statuses: Sequence[Mapping[str, Any]] = ({"status": "COMPLETED", "logs": [], "metrics": {}},),
        pushed: Act | None = None,
        output: Any = None,
        request_id: str = "r1",
        ticket: Mapping[str, Any] | None = None,
    ) -> str:
        """Play fal's queue for one request: it can be followed, fetched and cancelled. Returns its address."""
        place = f"/queue/{endpoint}/requests/{request_id}"
        url = self.origin + place
        given = {
            "status": "IN_QUEUE",
            "request_id": request_id,
            "queue_position": 0,
            "status_url": f"{url}/status",
            "response_url": url,
            "cancel_url": f"{url}/cancel",
            **(ticket or {}),
        }
        self.on("POST", f"/queue/{endpoint}", answer(given))
        self.on("GET", f"{place}/status", *(answer(status) for status in statuses))
        if pushed:
            self.on("GET", f"{place}/status/stream", pushed)
        self.on("GET", place, answer({"ok": True} if output is None else output, headers=_FROM_SERVICE))

        def cancel(exchange: Exchange) -> None:
            self.on("GET", f"{place}/status", answer({"status": "COMPLETED", "logs": [], "metrics": {}}))
            words = {"detail": "Request cancelled by the client."}
            self.on("GET", place, answer(words, 499, headers=_FROM_SERVICE))
            answer({"status": "CANCELLATION_REQUESTED"}, 202)(exchange)

        self.on("PUT", f"{place}/cancel", cancel)
        return place

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and break all connections."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.reset_unread > 0:
                self.reset_unread -= 1
                select.select([connection], [], [], 5)  # the other side has begun to send
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
                return
            with connection.makefile("rb") as reader:
                while request := _read(reader):
                    exchange = Exchange(self, connection, request)
                    act = self._next_act(request)
                    act(exchange)
                    if exchange.is_last:
                        break
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _next_act(self, request: Received) -> Act:
        with self._lock:
            self.received.append(request)
            acts = self._scripts.get((request.method, request.path), [answer({"detail": "Not Found"}, 404)])
            return acts.pop(0) if len(acts) > 1 else acts[0]


_FROM_SERVICE = {"x-fal-request-id": "r1"}


def _read(reader: Any) -> Received | None:
    first = reader.readline().decode("latin-1").split()
    if len(first) != len(("method", "target", "version")):
        return None
    headers: dict[str, str] = {}
    while line := reader.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(reader.readline(), 16):
            body += reader.read(size)
            reader.readline()
        reader.readline()
    else:
        body = reader.read(int(headers.get("content-length", 0)))
    return Received(first[0], first[1], headers, body)
