"""What the routes of the queue tell."""

from __future__ import annotations

from starlette.requests import Request

from nbkit.server.queue_routes import _statuses
from nbkit.server.runs import Outcome, Run


async def test_an_end_while_the_status_is_told_is_told_too() -> None:
    """A run that ends just while a status goes out still gets its COMPLETED before the stream ends."""
    request = Request(
        {
            "type": "http",
            "scheme": "http",
            "path": "/",
            "query_string": b"logs=1",
            "headers": [(b"host", b"127.0.0.1")],
        }
    )
    run = Run(endpoint="a/b", app="a/b", given={})
    run.start()
    told = []
    async for status in _statuses(request, run):
        told.append(status["status"])
        run.log("the end")
        run.finish(Outcome.of(200, {}))

    assert told == ["IN_PROGRESS", "COMPLETED"]
