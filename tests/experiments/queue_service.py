"""A queue of fal's kind that answers any number of requests, and lets a test say what becomes of each."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

from PIL import Image

from tests.scripted_server import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.scripted_server import Exchange, ScriptedServer

    Decide = Callable[[int, Mapping[str, Any]], "Fate"]

ENDPOINT = "acme/imgen"
_SUBMIT = f"/queue/{ENDPOINT}"
_DONE = {"status": "COMPLETED", "logs": [], "metrics": {}}


class Fate:
    """What becomes of one request.

    Args:
        refusal: HTTP status and body of its submission, where it is not taken.
        failure: HTTP status and body of its result, where it fails.
        position: Its place in the queue as long as it waits there; None where it is over at once.
        is_lost: Whether it is taken, and the connection breaks before the answer.
    """

    def __init__(
        self,
        *,
        refusal: tuple[int, Any] | None = None,
        failure: tuple[int, Any] | None = None,
        position: int | None = None,
        is_lost: bool = False,
    ) -> None:
        self.refusal = refusal
        self.failure = failure
        self.position = position
        self.is_lost = is_lost


WELL = Fate()


class QueueService:
    """Takes requests, counts them, and answers with a picture whose colour tells the number.

    Attributes:
        inputs: What was taken, in order; the number of a request is its place, from 1.
        server: The socket behind it.
        cancelled: The numbers that were cancelled.
        finished: The numbers that a test let end.
        decide: Asked what becomes of a request, by its number and input.
    """

    def __init__(self, server: ScriptedServer, decide: Decide = lambda _number, _input: WELL) -> None:
        self.server = server
        self._lock = threading.Lock()
        self.origin = server.origin
        self.decide = decide
        self.inputs: list[Mapping[str, Any]] = []
        self.cancelled: list[int] = []
        self.finished: list[int] = []
        server.on("POST", _SUBMIT, self._submit)

    @property
    def posts(self) -> int:
        """How many requests came, also those that were not taken."""
        return self.server.count("POST", _SUBMIT)

    def finish(self, number: int) -> None:
        """Let one that waits in the queue end well."""
        self.finished.append(number)
        self.server.on("GET", f"{_SUBMIT}/requests/r{number}/status", answer(_DONE))

    def take_files(self) -> None:
        """Take uploads, too."""
        place = {"upload_url": "/put/1?sig=abc", "file_url": f"{self.origin}/file-1"}
        self.server.on("POST", "/rest/storage/upload/initiate", answer(place))
        self.server.on("PUT", "/put/1", answer({}))

    def _submit(self, exchange: Exchange) -> None:
        given = exchange.request.json
        with self._lock:
            number = len(self.inputs) + 1
            fate = self.decide(number, given)
            if fate.refusal is None:
                self.inputs.append(given)
        if fate.refusal is not None:
            answer(fate.refusal[1], fate.refusal[0])(exchange)
            return
        if fate.is_lost:
            exchange.reset()
            return
        place = f"{_SUBMIT}/requests/r{number}"
        picture = f"/files/{number}.png"
        waiting = {"status": "IN_QUEUE", "queue_position": fate.position}
        self.server.on("GET", f"{place}/status", answer(_DONE if fate.position is None else waiting))
        headers = {"x-fal-request-id": f"r{number}"}
        output = {"images": [{"url": self.origin + picture}], "seed": given.get("seed", number)}
        failure = fate.failure or (200, output)
        self.server.on("GET", place, answer(failure[1], failure[0], headers=headers))
        self.server.on("GET", picture, answer(body=_png(number), headers={"content-type": "image/png"}))

        def cancel(exchange: Exchange) -> None:
            self.cancelled.append(number)
            self.server.on("GET", f"{place}/status", answer(_DONE))
            self.server.on(
                "GET", place, answer({"detail": "Request cancelled by the client."}, 499, headers=headers)
            )
            answer({"status": "CANCELLATION_REQUESTED"}, 202)(exchange)

        self.server.on("PUT", f"{place}/cancel", cancel)
        url = self.origin + place
        answer(
            {
                "status": "IN_QUEUE",
                "request_id": f"r{number}",
                "queue_position": fate.position or 0,
                "status_url": f"{url}/status",
                "response_url": url,
                "cancel_url": f"{url}/cancel",
            }
        )(exchange)


def _png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256, 0)).save(buffer, "PNG")
    return buffer.getvalue()
