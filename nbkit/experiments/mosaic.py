"""A grid inside a notebook: a table of small pictures that needs no kernel, and a text for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.display import table
from nbkit.display.figure import Figure
from nbkit.display.markup import FAINT, LINE, NO_MATHEMATICS, anchor, clipped, element, faint
from nbkit.display.preview import preview
from nbkit.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.display.escape import Markup
    from nbkit.experiments.grid import Block, Grid, Tile
    from nbkit.widgets.originals import Originals

# A sweep may not make a notebook heavy: all its pictures together stay below this, and further ones are counted.
_ALL_PREVIEWS = 240_000
_MOST_TILES = 240
_LARGEST = 24_000
_WIDTHS = ((16, 176), (64, 128), (_MOST_TILES, 88))
_MARKS = {"waiting": "·", "running": "…", "succeeded": "✓", "failed": "✗", "cancelled": "∅"}
_FROM_HISTORY = "⟲"
_CELL = "border:none;padding:0 6px 6px 0;text-align:left;vertical-align:top"
_HEAD = f"{_CELL};font-weight:normal;font-size:12px;overflow-wrap:anywhere"
_ROW = "background:none"  # Jupyter stripes tables
_LONGEST_REASON = 90


def bundle(grid: Grid, lines: Sequence[str] = (), originals: Originals | None = None) -> dict[str, Any]:
    """A grid as a MIME bundle.

    Args:
        grid: What to show.
        lines: What stands above it: counts, seconds, cost.
        originals: Puts the originals where a click on a picture finds them.
    """
    page = element(
        "div",
        *([element("div", grid.title, style="font-weight:600")] if grid.title else []),
        *(element("div", faint(line)) for line in lines),
        *_blocks(grid, originals),
        class_=NO_MATHEMATICS,
        style="font-size:13px;max-width:100%;overflow-x:auto",
    )
    return {"text/plain": text(grid, lines), "text/html": str(page)}


def text(grid: Grid, lines: Sequence[str] = ()) -> str:
    """A grid for a terminal: a sign for each cell, and the reasons of those that failed."""
    parts = [*filter(None, [grid.title]), *lines]
    for block in grid.blocks():
        rows = [
            [label, *(_sign(grid.tile(block, row, column)) for column in range(len(grid.columns)))]
            for row, label in enumerate(grid.rows)
        ]
        corner = _corner(grid)
        parts += [*filter(None, [block.title]), table.text(rows, [corner, *grid.columns])]
    problems = sorted({tile.problem for tile in grid.tiles.values() if tile.problem})
    return "\n".join([*parts, *(f"{_MARKS['failed']} {problem}" for problem in problems)])


def _sign(tile: Tile | None) -> str:
    if tile is None:
        return ""
    return _FROM_HISTORY if tile.is_from_history else _MARKS.get(tile.state, "?")


def _corner(grid: Grid) -> str:
    names = [grid.scales[axis].name for axis in (grid.down, grid.across) if axis is not None]
    return " \\ ".join(names)


def _blocks(grid: Grid, originals: Originals | None) -> list[Markup]:
    shown = min(len(grid.tiles), _MOST_TILES)
    width = next(width for most, width in _WIDTHS if shown <= most)
    limit = min(_LARGEST, _ALL_PREVIEWS // max(shown, 1))
    blocks: list[Markup] = []
    left = _MOST_TILES
    for block in grid.blocks():
        places = sum(
            grid.tile(block, row, column) is not None
            for row in range(len(grid.rows))
            for column in range(len(grid.columns))
        )
        if blocks and places > left:
            hidden = len(grid.tiles) - _MOST_TILES + left
            blocks.append(
                element("div", faint(f"… and {hidden:,} more cells: sheet() and explore() show all"))
            )
            break
        left -= places
        blocks.append(_block(grid, block, _Look(width, limit, originals)))
    return blocks


class _Look:
    """How pictures are shown."""

    def __init__(self, width: int, limit: int, originals: Originals | None) -> None:
        self.width = width
        self.limit = limit
        self.originals = originals


def _block(grid: Grid, block: Block, look: _Look) -> Markup:
    rows = []
    if grid.across is not None:
        heads = (element("th", label, style=f"{_HEAD};max-width:{look.width}px") for label in grid.columns)
        rows.append(element("tr", element("th", faint(_corner(grid)), style=_HEAD), *heads, style=_ROW))
    for row, label in enumerate(grid.rows):
        cells = (_place(grid.tile(block, row, column), look) for column in range(len(grid.columns)))
        rows.append(
            element(
                "tr", element("th", label, style=f"{_HEAD};max-width:220px"), *cells, style="background:none"
            )
        )
    title = [element("div", block.title, style="margin:10px 0 2px")] if block.title else []
    style = "border-collapse:collapse;border:none;margin:6px 0;table-layout:auto;color:inherit"
    return element("div", *title, element("table", element("tbody", *rows), style=style))


def _place(tile: Tile | None, look: _Look) -> Markup:
    if tile is None:
        return element("td", style=_CELL)
    caption = [element("div", tile.caption, style=f"font-size:11px;{FAINT}")] if tile.caption else []
    return element("td", _content(tile, look), *caption, style=f"{_CELL};max-width:{look.width}px")


def _content(tile: Tile, look: _Look) -> Markup:
    if tile.picture is not None:
        try:
            small = preview(tile.picture, min(256, look.width * 3 // 2), limit=look.limit)
        except MediaError as error:
            return _empty(f"not shown: {error}", look)
        scale = min(1.0, look.width / max(small.width, small.height))
        picture = element(
            "img",
            src=small.uri,
            alt=tile.caption or "picture",
            width=max(1, round(small.width * scale)),
            height=max(1, round(small.height * scale)),
            style="display:block;margin:0;max-width:100%;height:auto;border-radius:3px",
        )
        href = look.originals.keep(Figure(path=tile.picture)).href if look.originals else ""
        return anchor(href, picture) if href else picture
    if tile.problem:
        return _empty(clipped(f"{_MARKS['failed']} {tile.problem}", _LONGEST_REASON), look)
    return _empty(f"{_MARKS.get(tile.state, '?')} {tile.state}", look)


def _empty(words: object, look: _Look) -> Markup:
    style = (
        f"width:{look.width}px;min-height:{look.width // 2}px;border:{LINE};border-radius:3px;padding:6px;"
        "box-sizing:border-box;font-size:11px;overflow-wrap:anywhere"
    )
    return element("div", words, style=style)
