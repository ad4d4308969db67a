"""What ran when: a bar for each step of a workflow on one axis of time.

Divisions with inline styles, as these come through where pages drop style sheets and inline SVG. A bar that ended badly
is hatched and its name has a mark, so that nothing depends on colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.display.escape import Markup
from nbkit.display.expense import counted
from nbkit.display.markup import element, faint, join
from nbkit.display.state import colour, duration, mark
from nbkit.display.step import RUN_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbkit.display.outline import Outline, Row, Span

_COLUMNS = 24
_GRID = (
    "display:grid;grid-template-columns:minmax(88px,26%) 1fr;gap:3px 10px;align-items:center;"
    "white-space:nowrap;max-width:720px;margin:8px 0 4px"
)
_NAME = "overflow:hidden;text-overflow:ellipsis"
_RAIL = "display:flex;height:10px;background:#8882"
_AXIS = "display:flex;justify-content:space-between;font-size:11px"
_HATCHED = ";background-image:repeating-linear-gradient(45deg,transparent 0 3px,rgba(0,0,0,.5) 3px 5px)"
_FINE = ("submitted", "completed", "waiting")
_LIGHT = "59"  # as the last digits of a colour: how much of it shows
_LONGEST = 60
_THINNEST = 0.5
_WHOLE = 100.0


def html(shown: Outline) -> Markup:
    """The timeline; the part in which a step waited is lighter."""
    if not shown.rows or shown.end <= 0:
        return Markup()
    cells = [cell for row in shown.rows for cell in (_name(row), _rail(row.spans, shown.end))]
    ticks = (faint(tick) for tick in ("0 s", duration(shown.end / 2), duration(shown.end)))
    axis = element("div", *ticks, style=_AXIS)
    count = counted(len(shown.rows) + shown.hidden, "step")
    what = f"timeline of {count} in {duration(shown.end)}; the table below has its numbers"
    more = [element("div", faint(shown.hint)), element("div")] if shown.hint else []
    return element("div", *cells, *more, element("div"), axis, style=_GRID, role="img", aria_label=what)


def bar(spans: Sequence[Span], end: float) -> str:
    """One bar for a terminal: dots where nothing was, light where it waited."""
    drawn = ["·"] * _COLUMNS
    for span in spans if end > 0 else ():
        first = min(int(_COLUMNS * span.began / end), _COLUMNS - 1)
        worked = min(int(_COLUMNS * span.worked / end), _COLUMNS - 1)
        last = max(first + 1, round(_COLUMNS * span.ended / end))
        for column in range(first, last):
            drawn[column] = "░" if span.status == "waiting" or column < worked else "█"
    return "".join(drawn)


def _name(row: Row) -> Markup:
    indent = f";padding-left:{14 * row.depth}px" if row.depth else ""
    status = RUN_WORDS.get(row.step.status, row.step.status)
    sign = element("span", mark(status), style=f"color:{colour(status)}")
    return element("div", sign, " ", row.step.name[:_LONGEST], style=_NAME + indent)


def _rail(spans: Sequence[Span], end: float) -> Markup:
    return element("div", join(*_bars(spans, end)), style=_RAIL)


def _bars(spans: Sequence[Span], end: float) -> Iterator[Markup]:
    drawn = 0.0
    for number, span in enumerate(spans):
        began, worked, ended = (_WHOLE * at / end for at in (span.began, span.worked, span.ended))
        began = min(max(began, drawn), _WHOLE - _THINNEST)
        ended = max(ended, began + _THINNEST)
        worked = ended if span.status == "waiting" else min(max(worked, began), ended)
        if worked - began < _THINNEST:
            worked = began
        shade = f"background:{colour(RUN_WORDS.get(span.status, span.status))}"
        hatched = "" if span.status in _FINE else _HATCHED
        # Neighbouring rounds differ a little, so that they can be counted.
        dim = ";opacity:.7" if number % 2 else ""
        for start, stop, style in ((began, worked, _LIGHT), (worked, ended, hatched + dim)):
            if stop > start:
                yield _piece(start - drawn, stop - start, shade + style)
                drawn = stop


def _piece(before: float, width: float, style: str) -> Markup:
    margin = f"margin-left:{before:.1f}%;" if before > 0 else ""
    return element("div", style=f"{margin}width:{width:.1f}%;{style}")
