"""The clients that are compared, each doing the same four things: jobs, streams, an upload, a download."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

QUEUED, STREAMED = "bench/wait", "bench/events"


class Candidate(ABC):
    """One client, connected to the server of jobs."""

    @abstractmethod
    def jobs(self, seconds: float, count: int, at_once: int) -> list[float]:
        """Do jobs; give, for each, the seconds from its completion at the server to its result here."""

    def stream(self, count: int, size: int) -> int:
        """Receive a stream of events and give their number."""
        raise NotImplementedError

    def upload(self, path: Path) -> None:
        """Upload a file."""
        raise NotImplementedError

    def download(self, target: Path) -> None:
        """Download a large file to disk."""
        raise NotImplementedError


class Synchronous(Candidate):
    """A blocking client; what happens at once happens in threads."""

    @abstractmethod
    def job(self, seconds: float) -> float:
        """Do one job, and give the time when it was over at the server."""

    def jobs(self, seconds: float, count: int, at_once: int) -> list[float]:
        """As said above."""

        def one(_index: int) -> float:
            completed = self.job(seconds)
            return time.monotonic() - completed

        if at_once == 1:
            return [one(index) for index in range(count)]
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(one, range(count)))


class Asynchronous(Candidate):
    """A client for asynchronous code, on one loop that lives as long as it does."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    @abstractmethod
    async def job(self, seconds: float) -> float:
        """Do one job, and give the time when it was over at the server."""

    def jobs(self, seconds: float, count: int, at_once: int) -> list[float]:
        """As said above."""

        async def every() -> list[float]:
            slots = asyncio.Semaphore(at_once)

            async def one() -> float:
                async with slots:
                    completed = await self.job(seconds)
                    return time.monotonic() - completed

            return await asyncio.gather(*(one() for _ in range(count)))

        return self.runner.run(every())


class Nbkit(Synchronous):
    """`nbkit.Client`."""

    def __init__(self, origin: str) -> None:
        import nbkit

        self._client = nbkit.Client(base_url=origin)

    def job(self, seconds: float) -> float:  # noqa: D102
        return float(self._client.subscribe(QUEUED, {"seconds": seconds})["completed_at"])

    def stream(self, count: int, size: int) -> int:  # noqa: D102
        return sum(1 for event in self._client.stream(STREAMED, {"count": count, "size": size}) if event.raw)

    def upload(self, path: Path) -> None:  # noqa: D102
        self._client.upload(path)

    def download(self, target: Path) -> None:
        """The file is that of a result; nbkit chooses the place by its hash."""
        del target
        result = self._client.subscribe(QUEUED, {"seconds": 0, "file": True})
        assert result.media[0].path, result.media[0].problem


class NbkitAsync(Asynchronous):
    """`nbkit.AsyncClient`."""

    def __init__(self, origin: str) -> None:
        import nbkit

        super().__init__()
        self._client = nbkit.AsyncClient(base_url=origin)

    async def job(self, seconds: float) -> float:  # noqa: D102
        return float((await self._client.subscribe(QUEUED, {"seconds": seconds}))["completed_at"])

    def stream(self, count: int, size: int) -> int:  # noqa: D102
        async def receive() -> int:
            stream = self._client.stream(STREAMED, {"count": count, "size": size})
            return sum([1 async for event in stream if event.raw])

        return self.runner.run(receive())


def _point_fal_client(origin: str) -> Any:
    """fal-client has no setting for its addresses but looks them up in its module at every call."""
    import fal_client
    from fal_client import client

    client.RUN_URL_FORMAT, client.QUEUE_URL_FORMAT = f"{origin}/run/", f"{origin}/queue/"
    client.REST_URL, client.CDN_URL = f"{origin}/rest", f"{origin}/cdn"
    return fal_client


class Fal(Synchronous):
    """`fal_client.SyncClient`."""

    def __init__(self, origin: str) -> None:
        self._client: Any = _point_fal_client(origin).SyncClient(key="key")

    def job(self, seconds: float) -> float:  # noqa: D102
        return float(self._client.subscribe(QUEUED, {"seconds": seconds})["completed_at"])

    def stream(self, count: int, size: int) -> int:  # noqa: D102
        return sum(1 for _ in self._client.stream(STREAMED, {"count": count, "size": size}))

    def upload(self, path: Path) -> None:  # noqa: D102
        self._client.upload_file(str(path))


class FalAsync(Asynchronous):
    """`fal_client.AsyncClient`."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._client: Any = _point_fal_client(origin).AsyncClient(key="key")

    async def job(self, seconds: float) -> float:  # noqa: D102
        return float((await self._client.subscribe(QUEUED, {"seconds": seconds}))["completed_at"])

    def stream(self, count: int, size: int) -> int:  # noqa: D102
        async def receive() -> int:
            stream = self._client.stream(STREAMED, {"count": count, "size": size})
            return sum([1 async for _ in stream])

        return self.runner.run(receive())
