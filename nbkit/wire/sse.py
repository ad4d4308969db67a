"""Server-sent events: bytes to events, in whatever chunks they come, and events to bytes.

The format is the WHATWG HTML standard's, section 9.2 ("Server-sent events"). Lines end at CR, LF or CRLF and
nowhere else: U+2028 and its like are text. The cost is linear in the bytes fed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from nbkit.errors import StreamBroken

KEEP_ALIVE = b": keep-alive\n\n"
MAX_EVENT_BYTES = 256 * 1024 * 1024
_LONGEST_NAME = 8  # bytes that tell the four fields of the standard from all others
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event as it was sent.

    Attributes:
        data: Its data lines, joined by a newline.
        event: Its type, `message` where none was sent.
        id: The last id seen on this stream.
    """

    data: str
    event: str = "message"
    id: str = ""


class Decoder:
    """Turns the bytes of one stream into events.

    Feed it chunks of any size. An event without data is none, and an event that the stream ends in is
    dropped, as the standard says; `unfinished` tells that there was one.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._at_start = True
        self._after_cr = False
        self._data: list[str] = []
        self._data_size = 0
        self._event = ""
        self._id = ""

    @property
    def unfinished(self) -> bool:
        """Whether something was read that no blank line has ended yet."""
        return bool(self._data or any(self._parts))

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Take the next bytes and return the events that they complete.

        Raises:
            StreamBroken: One event is larger than the limit.
        """
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        *ends, rest = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        events: list[ServerEvent] = []
        for end in ends:
            self._parts.append(end)
            line = b"".join(self._parts)
            self._parts.clear()
            self._parts_size = 0
            if (event := self._take(line)) is not None:
                events.append(event)
        if rest:
            self._parts.append(rest)
            self._parts_size += len(rest)
        if self._data_size + self._parts_size > self._max:
            raise StreamBroken(f"one event of the stream is larger than {self._max / 2**20:.3g} MiB")
        return events

    def _take(self, line: bytes) -> ServerEvent | None:
        if self._at_start:
            line, self._at_start = line.removeprefix(_BOM), False
        if not line:
            return self._dispatch()
        name, colon, _ = line[:_LONGEST_NAME].partition(b":")
        start = len(name) + len(colon)
        start += line.startswith(b" ", start) and bool(colon)
        text = str(memoryview(line)[start:], "utf-8", "replace")  # an event may be large: no copy on the way
        if name == b"data":
            self._data.append(text)
            self._data_size += len(line)  # its name counts, too: lines without a value need memory as well
        elif name == b"event":
            self._event = text
        elif name == b"id" and "\0" not in text:
            self._id = text
        return None

    def _dispatch(self) -> ServerEvent | None:
        data, kind = self._data, self._event
        self._data, self._data_size, self._event = [], 0, ""
        return ServerEvent("\n".join(data), kind or "message", self._id) if data else None


def encode(data: Any, *, event: str = "") -> bytes:
    """Write one event: its data as ASCII JSON on one line.

    ASCII, because a widely used client breaks characters that fall on a chunk's edge; no `id:`, because
    another takes the blank line after a comment for an event from then on.
    """
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data, separators=(',', ':'), allow_nan=False)}\n\n".encode("ascii")
