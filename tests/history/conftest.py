from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from nbkit import history
from nbkit.history import sharing
from nbkit.history.recorder import Recorder
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Queued, Started
from nbkit.model.result import Result
from nbkit.stores.chosen import forget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nbkit.history import RunRecord
    from nbkit.model.event import Event
    from nbkit.model.media import Media

    Record = Callable[..., RunRecord]

EVENTS = (Queued(2, raw={"status": "IN_QUEUE", "queue_position": 2}), Started(raw={"status": "IN_PROGRESS"}))


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine take its time; how long a run waits is for other processes to show."""
    monkeypatch.setattr("nbkit.history.recorder.PATIENCE", 30.0)


@pytest.fixture
def new_sharer() -> Iterator[None]:
    """Share files as a process does that has just begun."""
    forget()
    sharing._forget()
    yield
    if sharing._current is not None:
        sharing._current._stop.set()
        sharing._current._wake.set()
        sharing._current._thread.join(5)
    sharing._forget()
    forget()


@pytest.fixture
def record() -> Record:
    """Write a run down from its beginning to its end, and return it as the history has it."""

    def write(
        given: dict[str, Any] | None = None,
        endpoint: str = "acme/imgen",
        *,
        output: Any = None,
        error: BaseException | None = None,
        state: str = "succeeded",
        events: Iterable[Event] = EVENTS,
        media: tuple[Media, ...] = (),
        files: tuple[Media, ...] = (),
        **facts: Any,
    ) -> RunRecord:
        name = uuid.uuid4().hex

        async def go() -> None:
            recorder = Recorder(Endpoint.parse(endpoint))
            told = await recorder.begin(given or {"prompt": "a cat"}, "queue", "https://queue.example", files)
            recorder.accepted(name, status_url=f"https://queue.example/{name}/status")
            for event in events:
                recorder.event(event)
            result = (
                Result(output, endpoint, request_id=name, media=media, **facts) if error is None else None
            )
            assert told + await recorder.ended(state, result, error) == []

        asyncio.run(go())
        return history.get(name)

    return write
