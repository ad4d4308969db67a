"""A grid as one labelled picture, for a paper or a talk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit.errors import InputError, MediaError
from nbkit.experiments.lettering import Lettering

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from nbkit.experiments.grid import Block, Grid, Tile

FORMATS = (".png", ".pdf", ".jpg", ".jpeg", ".webp")
_LONGEST_SIDE = 16_000
_MOST_PIXELS = 120_000_000
_SMALLEST = 24
_INK, _QUIET, _GROUND = "#1a1a1a", "#6b6b6b", "white"
_EMPTY = "#f1f1f1"
_HEAD_LINES = 3
_TITLE_LINES = 2
_CAPTION_LINES = 2
_DOTS_PER_INCH = 300


def write_sheet(grid: Grid, path: str | Path, *, side: int = 256, captions: bool = False) -> Path:
    """Draw a grid into a file: columns and rows with their labels, one block for each value of further axes.

    Args:
        grid: What to draw.
        path: Where; `.png`, `.pdf` (one page, drawn at 300 dots an inch), `.jpg` or `.webp`.
        side: Pixels that a picture takes at most, each way.
        captions: Whether each picture has its caption under it.

    Returns:
        The file.

    Raises:
        InputError: The name has another ending, or the sheet would be larger than 16,000 pixels a side.
        MediaError: The file cannot be written.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() not in FORMATS:
        raise InputError(
            f"a sheet is written as {', '.join(FORMATS)}, not {target.suffix or target.name!r}", field="path"
        )
    picture = draw_sheet(grid, side=side, captions=captions)
    try:
        picture.save(target, dpi=(_DOTS_PER_INCH, _DOTS_PER_INCH), resolution=_DOTS_PER_INCH)
    except OSError as error:
        raise MediaError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def draw_sheet(grid: Grid, *, side: int = 256, captions: bool = False) -> Image:
    """Draw a grid as a picture.

    Args:
        grid: What to draw.
        side: Pixels that a picture takes at most, each way.
        captions: Whether each picture has its caption under it.

    Raises:
        InputError: It would be larger than 16,000 pixels a side.
    """
    from PIL import Image, ImageDraw

    if side < _SMALLEST:
        raise InputError(f"side is at least {_SMALLEST} pixels, not {side!r:.40}", field="side")
    layout = _Layout.of(grid, side, captions=captions)
    width, height = layout.size
    if max(width, height) > _LONGEST_SIDE or width * height > _MOST_PIXELS:
        raise InputError(
            f"the sheet would have {width} × {height} pixels",
            field="side",
            hint=f"draw smaller pictures with side={_smaller(side, width, height)}",
        )
    sheet = Image.new("RGB", (width, height), _GROUND)
    canvas = ImageDraw.Draw(sheet)
    layout.large.draw(canvas, (layout.gap, layout.gap), layout.title, _INK)
    for number, block in enumerate(grid.blocks()):
        _draw_block(sheet, canvas, layout, block, number)
    return sheet


def _smaller(side: int, width: int, height: int) -> int:
    factor = min(_LONGEST_SIDE / max(width, height), math.sqrt(_MOST_PIXELS / (width * height)))
    return max(_SMALLEST, int(side * factor * 0.95))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where everything goes, in pixels."""

    grid: Grid
    side: int
    gap: int
    small: Lettering
    large: Lettering
    title: str
    label_width: int
    head: int
    caption: int
    blocks: int
    across: int

    @classmethod
    def of(cls, grid: Grid, side: int, *, captions: bool) -> _Layout:
        small = Lettering(max(10, side // 14))
        large = Lettering(max(13, side // 10))
        gap = max(3, side // 32)
        blocks = len(list(grid.blocks()))
        labels = [*grid.rows, _name_of(grid, grid.down)]
        label_width = min(side, max(math.ceil(small.width(it)) for it in labels) + gap) if any(labels) else 0
        heads = [small.fit(label, side, _HEAD_LINES) for label in grid.columns]
        head = max(map(len, heads)) * small.line + gap
        block_width = label_width + len(grid.columns) * (side + gap)
        block_height = len(grid.rows) * (side + gap)
        # Blocks stand side by side where one is narrow, so that the sheet fits a page.
        across = max(1, min(blocks, round(math.sqrt(blocks * block_height / max(block_width, 1)))))
        caption = _CAPTION_LINES * small.line if captions else 0
        room = across * (block_width + 2 * gap)
        title = next(iter(large.fit(grid.title, room, 1)), "")
        return cls(grid, side, gap, small, large, title, label_width, head, caption, blocks, across)

    @property
    def top(self) -> int:
        return self.gap + (self.large.line + self.gap if self.title else 0)

    @property
    def has_titles(self) -> bool:
        return self.blocks > 1

    @property
    def block_size(self) -> tuple[int, int]:
        axes = self.small.line if self.grid.across is not None else 0
        title = _TITLE_LINES * self.large.line + self.gap if self.has_titles else 0
        width = self.label_width + len(self.grid.columns) * (self.side + self.gap) + 2 * self.gap
        height = (
            title
            + axes
            + self.head
            + len(self.grid.rows) * (self.side + self.caption + self.gap)
            + 2 * self.gap
        )
        return width, height

    @property
    def size(self) -> tuple[int, int]:
        width, height = self.block_size
        return self.across * width + self.gap, self.top + math.ceil(self.blocks / self.across) * height


def _draw_block(sheet: Image, canvas: ImageDraw, layout: _Layout, block: Block, number: int) -> None:
    grid, gap, side, small = layout.grid, layout.gap, layout.side, layout.small
    width, height = layout.block_size
    left, y = gap + number % layout.across * width, layout.top + number // layout.across * height
    start = left + layout.label_width
    if layout.has_titles:
        layout.large.write(
            canvas, (left, y), block.title, width=width - 4 * gap, lines=_TITLE_LINES, fill=_INK
        )
        y += _TITLE_LINES * layout.large.line + gap
    if grid.across is not None:
        small.write(canvas, (start, y), _name_of(grid, grid.across), width=width, lines=1, fill=_QUIET)
        y += small.line
    for column, label in enumerate(grid.columns):
        at = (start + column * (side + gap), y)
        small.write(canvas, at, label, width=side, lines=_HEAD_LINES, fill=_INK)
    beside = layout.label_width - gap
    small.write(canvas, (left, y), _name_of(grid, grid.down), width=beside, lines=1, fill=_QUIET)
    y += layout.head
    for row, label in enumerate(grid.rows):
        small.write(canvas, (left, y), label, width=beside, lines=max(1, side // small.line), fill=_INK)
        for column in range(len(grid.columns)):
            at = (start + column * (side + gap), y)
            _draw_tile(sheet, canvas, layout, grid.tile(block, row, column), at)
        y += side + layout.caption + gap


def _draw_tile(
    sheet: Image, canvas: ImageDraw, layout: _Layout, tile: Tile | None, at: tuple[int, int]
) -> None:
    if tile is None:
        return
    x, y = at
    side, gap, small = layout.side, layout.gap, layout.small
    picture = _read(tile, side)
    if picture is None:
        canvas.rectangle((x, y, x + side - 1, y + side - 1), fill=_EMPTY)
        reason, most = tile.problem or tile.state, max(1, side // small.line - 1)
        small.write(canvas, (x + gap, y + gap), reason, width=side - 2 * gap, lines=most, fill=_QUIET)
    else:
        sheet.paste(picture, (x + (side - picture.width) // 2, y + (side - picture.height) // 2))
    if layout.caption:
        small.write(canvas, (x, y + side), tile.caption, width=side, lines=_CAPTION_LINES, fill=_QUIET)


def _read(tile: Tile, side: int) -> Image | None:
    """The picture of a cell, no larger than it is drawn; None where there is none that can be read."""
    import io

    from PIL import Image

    from nbkit.display.preview import preview

    if tile.picture is None:
        return None
    try:
        small = preview(tile.picture, side, content_type="image/jpeg", limit=side * side * 3 + 10_000)
    except MediaError:
        return None
    return Image.open(io.BytesIO(small.data))


def _name_of(grid: Grid, axis: int | None) -> str:
    return "" if axis is None else grid.scales[axis].name
