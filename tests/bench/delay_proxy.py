"""A TCP proxy that makes a far server of a near one: everything arrives later, in the order it was sent."""

from __future__ import annotations

import asyncio
from collections import deque


class _End(asyncio.Protocol):
    """One end of a proxied connection; what arrives here leaves at the other end after the delay."""

    def __init__(self, delay: float) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self._delay = delay
        self._held: deque[bytes] = deque()
        self._early: list[bytes] = []
        self._not_before = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        for data in self._early:
            transport.write(data)

    def hold(self, seconds: float) -> None:
        """Let nothing through for some time."""
        self._not_before = asyncio.get_running_loop().time() + seconds

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self._not_before) + self._delay
        # Timers of the same moment fire in any order, so what leaves is the oldest, not what this timer was set for.
        self._held.append(data)
        loop.call_at(at, self._deliver)

    def _deliver(self) -> None:
        assert self.other
        data = self._held.popleft()
        if self.other.transport is None:
            self.other._early.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        asyncio.get_running_loop().call_later(self._delay, self._close_other)

    def _close_other(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.close()


async def start_proxy(port: int, delay: float) -> int:
    """Proxy a port of this machine, and return the port to use in its place.

    Args:
        port: Where the server listens.
        delay: Seconds to hold back each way. A new connection costs a round trip more, as its handshake would.
    """
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[object]] = set()

    def accept() -> _End:
        near, far = _End(delay), _End(delay)
        near.other, far.other = far, near
        near.hold(2 * delay)
        task: asyncio.Task[object] = loop.create_task(loop.create_connection(lambda: far, "127.0.0.1", port))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return near

    server = await loop.create_server(accept, "127.0.0.1", 0, backlog=2048)
    listening: int = server.sockets[0].getsockname()[1]
    tasks.add(loop.create_task(server.serve_forever()))
    return listening
