"""The state of a run in words, with a mark that does not depend on seeing colours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nbkit.display.markup import element

if TYPE_CHECKING:
    from nbkit.display.escape import Markup

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_TENTH = 0.1

# The shapes differ, so the colours only help. They are mid tones of a palette made for colour-blind readers.
_GREY, _BLUE, _GREEN, _RED, _ORANGE = "#8a8a8a", "#3b8fd0", "#1a9c78", "#d9603b", "#c98500"
_MARKS = {
    "submitting": ("○", _GREY),
    "queued": ("○", _GREY),
    "running": ("◐", _BLUE),
    "cancelling": ("◐", _ORANGE),
    "succeeded": ("✓", _GREEN),
    "failed": ("✕", _RED),
    "cancelled": ("■", _ORANGE),
    "unknown": ("?", _ORANGE),
    "waiting": ("◔", _ORANGE),
    "exception": ("!", _ORANGE),
    "stopped": ("■", _ORANGE),
    "skipped": ("–", _GREY),
}


def mark(status: str) -> str:
    """One character for a status; what is not known looks like `unknown`."""
    return _MARKS.get(status, _MARKS["unknown"])[0]


def colour(status: str) -> str:
    """The colour of a status, which never stands alone: see `mark`."""
    return _MARKS.get(status, _MARKS["unknown"])[1]


def sign(status: str) -> Markup:
    """The mark of a status in its colour."""
    return element("span", mark(status), style=f"color:{colour(status)}", aria_hidden="true")


def marked(words: object, status: str) -> Markup:
    """Words with the mark of a status before them."""
    return element("span", sign(status), " ", words, style="white-space:nowrap")


def duration(seconds: float | None) -> str:
    """Seconds as people read them: `0.04 s`, `1.2 s`, `2:05 min`, `1:02 h`."""
    if seconds is None:
        return ""
    if seconds < _TENTH:
        return f"{max(0.0, seconds):.2f} s"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02} min"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02} h"


def age(seconds: float) -> str:
    """How long ago something was: `2 minutes ago`, `3 days ago`."""
    for length, word in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {word}{'s' if number > 1 else ''} ago"
    return "just now"


def point_in_time(seconds: float | None) -> str:
    """Seconds since 1970 as date and time; an empty string for None and for what no calendar has."""
    if seconds is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return ""
