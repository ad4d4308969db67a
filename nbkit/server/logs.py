"""The server's log on standard error: sentences for people, or one JSON object a line for programs.

What it says never holds inputs, prompts, keys, signed addresses or query strings: only ids, names, numbers and
sentences of the server's own. A reader that stands still costs lines, and never the server's time.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import re
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

_LOGGER = logging.getLogger("nbkit.server")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST = 1000  # characters of one value
_WAITING = 10_000  # lines that wait for whoever reads standard error


def tells() -> bool:
    """Whether what happens is written down at all: only for programs, since people look at the requests themselves."""
    return _LOGGER.isEnabledFor(logging.INFO)


def tell(event: str, **facts: Any) -> None:
    """Write down that something happened.

    Args:
        event: What, in a word.
        **facts: More about it; what is None or empty is left out.
    """
    _LOGGER.info(event, extra={"event": event, "facts": facts})


def warn(event: str, sentence: str, **facts: Any) -> None:
    """Write down that something is wrong, for people too.

    Args:
        event: What, in a word.
        sentence: The same in a sentence.
        **facts: More about it; what is None or empty is left out.
    """
    _LOGGER.warning(sentence, extra={"event": event, "facts": facts})


def configure(*, as_json: bool) -> Lines:
    """Let this process's log go to standard error; for the server's own process, not for one that holds a server.

    Args:
        as_json: One JSON object a line, and everything that happens; else troubles alone, as sentences.

    Returns:
        What writes it; to be closed at the end.
    """
    lines = Lines(sys.stderr)
    lines.setFormatter(JsonLine() if as_json else Sentence())
    root = logging.getLogger()
    root.addHandler(lines)
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(logging.INFO if as_json else logging.WARNING)
    logging.captureWarnings(as_json)
    return lines


class Lines(logging.Handler):
    """Writes lines from a thread of its own.

    Args:
        target: Where to.
    """

    def __init__(self, target: TextIO) -> None:
        super().__init__()
        self._target = target
        self._waiting: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="nbkit-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        try:
            self._waiting.put_nowait(self.format(record))
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Write what waits, as far as somebody reads it within a second, and take nothing more."""
        logging.getLogger().removeHandler(self)
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(1)
        super().close()

    def _write(self) -> None:
        while (line := self._waiting.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # nobody reads any more
                self._target.write(f"{line}\n")
                self._target.flush()
            lost, self._lost = self._lost, 0
            if lost:
                warn("log_lost", f"{lost} lines of the log were lost, because nobody read it", lines=lost)


class JsonLine(logging.Formatter):
    """One JSON object in ASCII: no line break and no control character of a value gets out."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        event = getattr(record, "event", "")
        message = record.getMessage()
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": event or "log",
            "message": "" if message == event else message,
            "logger": "" if event else record.name,
            "traceback": self.formatException(record.exc_info) if record.exc_info else "",
            **getattr(record, "facts", {}),
        }
        return json.dumps({name: _bounded(value) for name, value in entry.items() if value not in (None, "")})


class Sentence(logging.Formatter):
    """A sentence for people, in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, with a traceback below where there is one."""
        said = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], record.getMessage())
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"nbkit serve: {said}{trace}"


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    return value if isinstance(value, (int, float, bool)) else str(value)[:_LONGEST]
