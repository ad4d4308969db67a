"""Rows as a table, for pages and for terminals."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from nbkit.display.escape import Markup, clean
from nbkit.display.markup import FAINT, LINE, NO_MATHEMATICS, clipped, element, faint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Jupyter centres tables, stripes their rows and sets their text to the right; these undo it.
_TABLE = "border-collapse:collapse;border:none;margin:6px 0;table-layout:auto;font-size:13px;color:inherit"
_ANY = "text-align:left;vertical-align:top;padding:3px 18px 3px 0;border:none"
_CELL = f"{_ANY};max-width:640px;white-space:pre-wrap"
# In a narrow window words stay whole, and the table can be scrolled.
_ROOMY, _ROOMIER = ";min-width:7em", ";min-width:16em"
_HEAD = f"{_ANY};font-weight:normal;white-space:nowrap;{FAINT}"
_SHORT = "text-align:left;padding:2px 9px 2px 0"
_NAME = f"{_SHORT};max-width:15em;overflow-wrap:anywhere"
_LONG = 12
_WIDEST = 60
_WIDEST_LAST = 120
_NARROWEST = 10
_GAP = "  "
_LONGEST_WORD = 24  # of what is prose; longer ones are paths, addresses and hashes, which may break anywhere


def bundle(title: str, rows: Sequence[Sequence[object]], columns: Sequence[str] = ()) -> dict[str, Any]:
    """A line and the table below it as a MIME bundle."""
    page = element("div", faint(title), html(rows, columns) if rows else Markup(), class_=NO_MATHEMATICS)
    return {
        "text/plain": "\n".join(filter(None, (clean(title), text(rows, columns)))),
        "text/html": str(page),
    }


def pictured(
    title: str, rows: Sequence[Sequence[object]], columns: Sequence[str], pictures: Sequence[object]
) -> dict[str, Any]:
    """The same with a picture at the end of each row, which a terminal does not show; an empty string for none."""
    shown = [(*row, picture) for row, picture in zip(rows, pictures, strict=True)]
    page = bundle(title, shown, (*columns, "picture"))["text/html"] if any(pictures) else None
    plain = bundle(title, rows, columns)
    return plain | {"text/html": page or plain["text/html"]}


def html(rows: Iterable[Sequence[object]], columns: Sequence[str] = ()) -> Markup:
    """A table. Text is escaped and clipped; `Markup` in a cell stands as it is.

    Args:
        rows: The cells of each row. Without columns the first cell is the row's name.
        columns: The heads of the columns, if they need any.
    """
    return _table([_row(row, named=not columns) for row in rows], _head(columns, _HEAD))


def compact(rows: Iterable[Sequence[object]], columns: Sequence[str]) -> Markup:
    """A table of many short values: the first cell is the row's name, and little is written around each."""
    body = []
    for name, *values in rows:
        while values and not values[-1]:
            values.pop()
        cells = (element("td", value, style=_SHORT if value else None) for value in values)
        body.append(element("tr", element("th", name, style=_NAME), *cells, style="background:transparent"))
    first = element("div", columns[0], style="min-width:84px")
    head = _head((first, *columns[1:]), f"{_SHORT};font-weight:normal;{FAINT}")
    return element("div", _table(body, head), style="overflow-x:auto")


def text(rows: Iterable[Sequence[object]], columns: Sequence[str] = (), width: int | None = None) -> str:
    """The same table for a terminal: aligned columns, long values cut, and wrapped where the terminal is narrow.

    Args:
        rows: The cells of each row.
        columns: The heads of the columns, if they need any.
        width: Columns of the terminal; by default those of the one that is written to, any number elsewhere.
    """
    lines = [_cut(row) for row in ([columns] if columns else []) + [*rows]]
    widths = [max(map(columns_of, column)) for column in zip_longest(*lines, fillvalue="")]
    room = terminal_width() if width is None else width
    if room and widths:
        words = (max(map(_longest_word, column)) for column in zip_longest(*lines, fillvalue=""))
        widths = _narrowed(widths, [*words], room - len(_GAP) * (len(widths) - 1))
    written: list[str] = []
    for line in lines:
        # What stands last may be a path: broken, it could not be copied.
        *first, last = [_wrapped(cell, limit) for cell, limit in zip(line, widths, strict=False)] or [[""]]
        for cells in zip_longest(*first, last, fillvalue=""):
            padded = [_pad(cell, limit) for cell, limit in zip(cells, widths, strict=False)]
            written.append(_GAP.join(padded).rstrip())
    return "\n".join(written)


def terminal_width() -> int | None:
    """Columns of the terminal that is written to; None where it is none, as in a notebook or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def columns_of(line: str) -> int:
    """How many columns of a terminal a line takes: Chinese, Japanese and emoji take two a character."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in line)
    return len(line) + wide - sum(map(bool, map(unicodedata.combining, line)))


def _table(body: Sequence[Markup], head: Markup) -> Markup:
    return element("table", head, element("tbody", *body), style=_TABLE)


def _head(columns: Sequence[object], style: str) -> Markup:
    cells = [element("th", name, style=f"{style};border-bottom:{LINE}") for name in columns]
    return element("thead", element("tr", *cells, style="background:transparent")) if cells else Markup()


def _row(row: Sequence[object], *, named: bool) -> Markup:
    name = [element("th", row[0], style=_HEAD)] if named and row else []
    cells = (
        element("td", cell if isinstance(cell, Markup) else clipped(cell), style=_CELL + _wrapping(cell))
        for cell in row[len(name) :]
    )
    return element("tr", *name, *cells, style="background:transparent")


def _wrapping(cell: object) -> str:
    """How a cell's text may be broken: inside of words only where they are very long."""
    text = "" if isinstance(cell, Markup) else str(cell)
    anywhere = ";overflow-wrap:anywhere" if any(len(word) > _LONGEST_WORD for word in text.split()) else ""
    room = _ROOMIER if len(text) > _WIDEST else _ROOMY if len(text) > _LONG else ""
    return room + anywhere


def _cut(row: Sequence[object]) -> list[str]:
    """The cells as single lines. The last one may be longer: it is where paths stand, and nothing follows."""
    lines = [" ".join(clean(cell).split()) for cell in row]
    most = [_WIDEST] * (len(lines) - 1) + [_WIDEST_LAST]
    return [
        line if len(line) <= limit else f"{line[: limit - 1]}…"
        for line, limit in zip(lines, most, strict=True)
    ]


def _narrowed(widths: list[int], words: list[int], room: int) -> list[int]:
    """The widest columns made as narrow as needed, all alike.

    None gets narrower than its longest word, but for the last: it may hold paths, which the terminal itself breaks.
    """
    least = [min(_NARROWEST, width) for width in widths]
    least[:-1] = map(max, least[:-1], words[:-1])
    narrowed, cap = widths, max(widths)
    while cap > _NARROWEST and sum(narrowed) > room:
        cap -= 1
        narrowed = [max(low, min(width, cap)) for low, width in zip(least, widths, strict=True)]
    return narrowed


def _longest_word(cell: str) -> int:
    return max(map(columns_of, cell.split(" ")))


def _wrapped(cell: str, limit: int) -> list[str]:
    """A cell as lines, broken between words; a word that is longer than a line stays whole."""
    lines = [""]
    for word in cell.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and columns_of(longer) > limit:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - columns_of(cell))
