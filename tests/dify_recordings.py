"""Recorded answers of genuine Dify servers, as values and as acts of the scripted server."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.wire.dify.events import EventReader
from nbkit.wire.sse import Decoder
from tests.scripted_server import answer, stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.model.event import Event
    from tests.scripted_server import Act, Exchange, ScriptedServer

FOLDER = Path(__file__).parent / "recordings" / "dify"
OLD, NEW = "0.6.16", "1.13.2"
_GOT = (FOLDER / OLD / "07-file-get.bin").read_bytes()
PNG = _GOT[_GOT.index(b"\x89PNG") :]
_FILE = re.compile(rb"/files/tools/[0-9a-f-]{36}\.png|/files/[0-9a-f-]{36}/file-preview")


@dataclass(frozen=True)
class Recording:
    """One answer.

    Attributes:
        name: Version and file, as `1.13.2/10-fail-streaming.http`.
        status: HTTP status code.
        headers: Header fields by lower-case name.
        body: The body, without the framing of its chunks.
        socket: The bytes of the socket, where they were recorded.
    """

    name: str
    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)
    socket: bytes = field(default=b"", repr=False)

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON of each event of a stream."""
        return [json.loads(sent.data) for sent in Decoder().feed(self.body)]

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream of events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def outputs(self) -> Any:
        """What the run gave, wherever the answer says so."""
        if self.is_stream:
            return next(it["data"]["outputs"] for it in self.events if it["event"] == "workflow_finished")
        given = self.json.get("data", self.json)["outputs"]
        return json.loads(given) if isinstance(given, str) else given

    def act(self) -> Act:
        """Answer as it was: a stream an event at a time, or in the very pieces in which it arrived."""
        if self.socket:
            return _pieces(self.socket, self._timing())
        if self.is_stream:
            return stream(
                *(it + b"\n\n" for it in self.body.split(b"\n\n") if it), headers=self._own_headers()
            )
        if self.headers.get("transfer-encoding") == "chunked":
            return stream(self.body, status=self.status, headers=self._own_headers())
        return answer(status=self.status, body=self.body, headers=self._own_headers())

    def act_cut(self, seed: int) -> Act:
        """Answer with the same body, cut into pieces anywhere."""
        chance = random.Random(seed)  # noqa: S311 - it only cuts
        cuts = sorted(chance.sample(range(1, len(self.body)), min(60, len(self.body) - 1)))
        pieces = [self.body[a:b] for a, b in zip([0, *cuts], [*cuts, len(self.body)], strict=True)]
        return stream(*pieces, status=self.status, headers=self._own_headers())

    def _own_headers(self) -> dict[str, str]:
        framing = ("content-length", "transfer-encoding", "connection")
        return {name: value for name, value in self.headers.items() if name not in framing}

    def _timing(self) -> list[int]:
        lines = (FOLDER / self.name).with_suffix(".timing").read_text().splitlines()
        return [int(line.split()[1]) for line in lines]


def recording(name: str) -> Recording:
    """Read a recording."""
    data = (FOLDER / name).read_bytes()
    if b" 100 Continue" in data[:40]:
        data = data.partition(b"\r\n\r\n")[2]
    head, _, body = data.replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
    first, *lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if name.endswith(".raw"):
        return Recording(name, int(first.split()[1]), headers, _joined(body), data)
    return Recording(name, int(first.split()[1]), headers, body)


def names(ending: str) -> list[str]:
    """The names of the recordings that end so."""
    return sorted(f"{path.parent.name}/{path.name}" for path in FOLDER.glob(f"*/*{ending}"))


def read(source: Recording) -> tuple[EventReader, list[Event]]:
    """What a client makes of a recorded stream."""
    reader = EventReader()
    events = [event for sent in Decoder().feed(source.body) for event in reader.read(sent.data)]
    return reader, events


def serve_files(server: ScriptedServer, source: Recording) -> None:
    """Have a server answer the files that a recording names."""
    for path in set(_FILE.findall(source.body.replace(rb"\/", b"/"))):
        server.on("GET", path.decode(), answer(body=PNG, headers={"content-type": "image/png"}))


def _joined(chunked: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        size, _, rest = chunked.partition(b"\r\n")
        if not size or not int(size, 16):
            return b"".join(parts)
        parts.append(rest[: int(size, 16)])
        chunked = rest[int(size, 16) + 2 :]


def _pieces(data: bytes, sizes: Sequence[int]) -> Act:
    def act(exchange: Exchange) -> None:
        at = 0
        for size in sizes:
            exchange.send(data[at : at + size])
            exchange.server.closing.wait(0.001)
            at += size
        exchange.is_last = True

    return act


STREAMS = [
    name
    for name in names("streaming.http") + names(".raw")
    if recording(name).headers["content-type"].startswith("text/event-stream")
]
