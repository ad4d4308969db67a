"""What hands what to what: boxes in columns with lines between them.

Words stand in divisions with inline styles, so that they take the page's colours and can be selected; the lines between
two columns are one picture of curves in a tone that reads on light and dark. Nothing from outside is in a picture.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.display.escape import Markup
from nbkit.display.layers import Place, Port, columns, depths
from nbkit.display.markup import FAINT, MONOSPACE, element

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS = {"input": "#8a8a8a", "step": "#3b8fd0", "output": "#1a9c78"}
_LINES = "#929292"
_WIDTH, _GUTTER = 200, 48
_PADDING, _TITLE, _DETAIL, _ROW = 7, 19, 16, 18
_MOST_ROWS = 7
_MOST_PLACES = 400
_LONGEST = 80
_ARROW = 7
_BOX = (
    f"box-sizing:border-box;width:{_WIDTH}px;padding:{_PADDING - 1}px 9px;border:1px solid rgba(128,128,128,.38);"
    "border-radius:7px;background:rgba(128,128,128,.07);overflow:hidden;text-align:left"
)
_CUT = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
_CHART = "display:flex;align-items:flex-start;line-height:normal;padding:2px 0 6px;width:max-content"


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a flowchart.

    Attributes:
        id: What lines call it.
        kind: `input`, `step` or `output`.
        title: Its name.
        detail: What it is, in a few words, or an empty string.
        rows: What it takes or gives: names, and words for each.
    """

    id: str
    kind: str
    title: str
    detail: str = ""
    rows: tuple[tuple[str, str], ...] = ()

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """The rows that are drawn."""
        if len(self.rows) <= _MOST_ROWS:
            return self.rows
        return (*self.rows[: _MOST_ROWS - 1], (f"and {len(self.rows) - _MOST_ROWS + 1} more", ""))

    @property
    def height(self) -> int:
        """Pixels."""
        detail = _DETAIL if self.detail else 0
        return 2 * _PADDING + _TITLE + detail + _ROW * len(self.shown)

    def middle(self, row: int | None) -> float:
        """Pixels from its top to the middle of one of its rows, or of itself."""
        if row is None or not self.rows:
            return self.height / 2
        number = min(row, len(self.shown) - 1)
        return self.height - _PADDING - _ROW * (len(self.shown) - number - 0.5)


def html(boxes: Sequence[Box], lines: Sequence[tuple[Port, Port]], words: str) -> Markup:
    """The drawing; an empty string where it would be too large to be read.

    Args:
        boxes: The boxes.
        lines: From where to where.
        words: The same for those who do not see it.
    """
    known = {box.id: box for box in boxes}
    depth = depths(list(known), [(start.box, end.box) for start, end in lines])
    last = max((depth[box.id] + 1 for box in boxes if box.kind != "output"), default=0)
    depth |= {box.id: last for box in boxes if box.kind == "output"}
    if sum(abs(depth[end.box] - depth[start.box]) for start, end in lines) + len(boxes) > _MOST_PLACES:
        return Markup()
    middles = {port: known[port.box].middle(port.row) for line in lines for port in line}
    made = columns({box.id: box.height for box in boxes}, depth, list(dict.fromkeys(lines)), middles)
    height = int(max((place.top + place.height for column in made for place in column), default=0)) + 1
    drawn: list[Markup] = []
    for number, column in enumerate(made):
        if number:
            drawn.append(_gutter(column, height))
        drawn.append(_column(column, known))
    chart = element("div", *drawn, style=_CHART, role="img", aria_label=words)
    return element("div", chart, style="overflow-x:auto")


def _column(column: Sequence[Place], known: dict[str, Box]) -> Markup:
    parts, bottom = [], 0.0
    for place in column:
        style = f"margin-top:{place.top - bottom:.0f}px;height:{place.height}px"
        parts.append(_box(known[place.box], style) if place.box else _passing(style))
        bottom = place.top + place.height
    return element("div", *parts, style=f"flex:none;width:{_WIDTH}px")


def _passing(style: str) -> Markup:
    rule = element("div", style=f"border-top:2px solid {_LINES};height:0;margin-top:6px")
    return element("div", rule, style=f"{style};overflow:hidden")


def _box(box: Box, place: str) -> Markup:
    title = element(
        "div", box.title[:_LONGEST], style=f"{_CUT};height:{_TITLE}px;font-weight:600;font-size:13px"
    )
    detail = element(
        "div", box.detail[:_LONGEST], style=f"{_CUT};{MONOSPACE};font-size:11px;height:{_DETAIL}px;{FAINT}"
    )
    rows = (
        element(
            "div",
            element("span", name[:_LONGEST], style=f"{_CUT};flex:0 1 auto;min-width:40%"),
            element("span", value[:_LONGEST], style=f"{_CUT};{FAINT}"),
            style=f"display:flex;justify-content:space-between;gap:10px;height:{_ROW}px;line-height:{_ROW}px;font-size:12px",
        )
        for name, value in box.shown
    )
    style = f"{_BOX};border-left:3px solid {COLOURS[box.kind]};{place}"
    return element("div", title, detail if box.detail else Markup(), *rows, style=style)


def _gutter(column: Sequence[Place], height: int) -> Markup:
    """The lines from the column before to this one."""
    curves = []
    for place in column:
        for other, down, below in place.before:
            start, end = other.top + down, place.top + below
            right = _GUTTER - (_ARROW if place.box else 0)
            half = _GUTTER / 2
            curves.append(
                f'<path d="M0 {start:g}C{half:g} {start:g} {half - 2:g} {end:g} {right} {end:g}" '
                f'fill="none" stroke="{_LINES}" stroke-width="2"/>'
            )
            if place.box:
                curves.append(
                    f'<path d="M{right - 1} {end - 4:g}L{_GUTTER} {end:g}L{right - 1} {end + 4:g}Z" fill="{_LINES}"/>'
                )
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_GUTTER}" height="{height}" '
        f'viewBox="0 0 {_GUTTER} {height}">{"".join(curves)}</svg>'
    )
    address = f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode()}"
    style = f"display:block;flex:none;margin:0;max-width:none;width:{_GUTTER}px;height:{height}px"
    return element("img", src=address, alt="", width=_GUTTER, height=height, style=style)
