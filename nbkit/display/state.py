"""The state of a run in words, with a mark that does not depend on seeing colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.display.markup import element

if TYPE_CHECKING:
    from nbkit.display.escape import Markup

_MINUTE = 60
_HOUR = 60 * _MINUTE
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
}


def mark(status: str) -> str:
    """One character for a status; what is not known looks like `unknown`."""
    return _MARKS.get(status, _MARKS["unknown"])[0]


def marked(words: object, status: str) -> Markup:
    """Words with the mark of a status before them."""
    character, colour = _MARKS.get(status, _MARKS["unknown"])
    sign = element("span", character, style=f"color:{colour};font-weight:700", aria_hidden="true")
    return element("span", sign, " ", words, style="white-space:nowrap")


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
