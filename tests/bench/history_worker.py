"""A kernel that writes runs into the history: a line of JSON says how many, another how long they waited."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from nbkit.history.recorder import Recorder
from nbkit.history.writer import flush
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Log, Output, Queued, Started
from nbkit.model.result import Result

_AT_ONCE = 16
_URL = "https://queue.example/acme/imgen/requests"


async def write(count: int) -> float:
    """Write runs of ten events, some at once, and return the longest that one of them waited, in seconds."""
    longest, numbers = 0.0, iter(range(count))

    async def some() -> None:
        nonlocal longest
        for number in numbers:
            longest = max(longest, await _one(number))

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    return longest


async def _one(number: int) -> float:
    recorder = Recorder(Endpoint.parse("acme/imgen"))
    before = time.perf_counter()
    given = {"prompt": f"a cat {number} in a harbour at dusk", "seed": number, "image_size": "square_hd"}
    told = await recorder.begin(given, "queue", "https://queue.example")
    begun = time.perf_counter()
    url = f"{_URL}/r{number}"
    recorder.accepted(f"r{number}", status_url=f"{url}/status", response_url=url, cancel_url=f"{url}/cancel")
    for position in range(3):
        recorder.event(
            Queued(position, raw={"status": "IN_QUEUE", "queue_position": position, "response_url": url})
        )
    recorder.event(Started(raw={"status": "IN_PROGRESS", "response_url": url}))
    for step in range(5):
        recorder.event(Log(f"step {step} of 5", raw={"message": f"step {step} of 5", "level": "INFO"}))
    recorder.event(Output({"seed": number}, final=True))
    ending = time.perf_counter()
    result = Result(
        {"images": [{"url": f"{url}/a.png", "width": 1024}], "seed": number}, request_id=f"r{number}"
    )
    told += await recorder.ended("succeeded", result)
    if told:
        raise RuntimeError(told[0])
    return max(begun - before, time.perf_counter() - ending)


def main() -> None:
    """Answer lines until there are no more."""
    for line in sys.stdin:
        longest = asyncio.run(write(json.loads(line)["count"]))
        flush(30)
        sys.stdout.write(json.dumps({"longest": longest * 1e3}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
