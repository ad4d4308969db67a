"""What a process prints, as lines of its request's log: read from outside, within bounds.

A pipe is read beside the process and not in it, because native code that prints may hold Python's lock, and because the
last words of a process that crashes are the most telling ones.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbkit.server.frames import Message

MOST_LINES = 2000
MOST_CHARACTERS = 400_000
LONGEST_LINE = 10_000
MOST_BYTES = 64 * 2**20
"""Bytes that one request may print; of what is beyond the lines that are kept, only this is counted."""

_PIECE = 2**16


class LogBounds:
    """Counts how much of a request's log there is already."""

    def __init__(self) -> None:
        self._lines = MOST_LINES
        self._characters = MOST_CHARACTERS

    def takes(self, line: str) -> bool:
        """Whether there is room for one more line, which counts from now on where there is."""
        if not self._lines or len(line) > self._characters:
            self._lines = 0  # what follows would be out of place behind a gap
            return False
        self._lines -= 1
        self._characters -= len(line)
        return True


class Lines:
    """Cuts text that comes in pieces into lines as a terminal would show them."""

    def __init__(self) -> None:
        self._begun = ""

    def feed(self, text: str) -> Iterator[str]:
        """Take a piece, and give the lines that are whole now, without empty ones."""
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            yield from _seen(line)
        # A progress bar goes back to the start of its line for ever, and some programs never end a line.
        self._begun = _last_state(self._begun)
        if len(self._begun) > LONGEST_LINE:
            yield from self.rest()

    def rest(self) -> Iterator[str]:
        """Give the line that was begun, as if it ended here."""
        begun, self._begun = self._begun, ""
        yield from _seen(begun)


def _last_state(line: str) -> str:
    return line if line.endswith("\r") else line.rpartition("\r")[2]


def _seen(line: str) -> Iterator[str]:
    shown = _last_state(line.rstrip("\r"))
    if shown.strip():
        yield shown[:LONGEST_LINE]


class RequestLog:
    """The log of one request, of what its process says and what it prints.

    Args:
        note: Called with each message that is let through.
    """

    def __init__(self, note: Callable[[Message], None]) -> None:
        self._note = note
        self._bounds = LogBounds()
        self._lines = Lines()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._bytes = 0
        self._dropped = 0

    @property
    def is_flooded(self) -> bool:
        """Whether the process printed more than it may."""
        return self._bytes > MOST_BYTES

    def take(self, message: Message) -> None:
        """Take what the process said in a message."""
        if "log" not in message or self._bounds.takes(message["log"]):
            self._note(message)
        else:
            self._dropped += len(message["log"])

    def feed(self, printed: bytes) -> None:
        """Take what the process printed."""
        self._bytes += len(printed)
        if self._dropped:
            self._dropped += len(printed)
            return
        for line in self._lines.feed(self._decoder.decode(printed)):
            self.take({"log": line, "level": "STDOUT"})

    def end(self) -> None:
        """Tell the last line that was begun, and how much was dropped."""
        for line in (*self._lines.feed(self._decoder.decode(b"", final=True)), *self._lines.rest()):
            self.take({"log": line, "level": "STDOUT"})
        if self._dropped:
            size = f"{self._dropped / 1e6:.1f} MB" if self._dropped >= 1e5 else f"{self._dropped} bytes"  # noqa: PLR2004
            self._note({"log": f"{size} more were printed or logged, and are left out", "level": "WARN"})


class PrintedPipe:
    """The pipe that everything a process and its children print goes into, read from this process's loop.

    Attributes:
        end: What the process is given as its standard error.
    """

    def __init__(self) -> None:
        self._pipe, self.end = os.pipe()
        os.set_blocking(self._pipe, False)
        self._log: RequestLog | None = None
        self._flooded: Callable[[int], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pipe, self._read)

    def hand_over(self) -> None:
        """Close the end that the process has now."""
        os.close(self.end)

    def listen(self, log: RequestLog | None, flooded: Callable[[int], None] | None = None) -> None:
        """Give what comes from now on to a request's log; without one it is dropped.

        Args:
            log: The log.
            flooded: Called with the bytes that the process may print, once it printed more.
        """
        self.drain()
        self._log, self._flooded = log, flooded

    def drain(self) -> None:
        """Take in what the process has printed up to now."""
        for _ in range(16):  # a pipe holds no more than that, and the process may go on printing
            if not self._read():
                break

    def close(self) -> None:
        """Read what is left, and let the pipe go."""
        if self._pipe >= 0:
            self.drain()
        self._let_go()

    def _read(self) -> bool:
        """Take one piece; tells whether there was one."""
        try:
            printed = os.read(self._pipe, _PIECE) if self._pipe >= 0 else b""
        except BlockingIOError:
            return False
        if not printed:
            self._let_go()
            return False
        if self._log is not None:
            self._log.feed(printed)
            if self._log.is_flooded and self._flooded is not None:
                flooded, self._flooded = self._flooded, None
                flooded(MOST_BYTES)
        return True

    def _let_go(self) -> None:
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            with contextlib.suppress(OSError):
                os.close(self._pipe)
            self._pipe = -1
