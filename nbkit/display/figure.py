"""A file as something to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.display.drawing import drawing
from nbkit.display.escape import Markup, beside, clean, link
from nbkit.display.markup import FAINT, LINE, NO_MATHEMATICS, anchor, element, faint, join
from nbkit.display.player import player
from nbkit.display.preview import preview
from nbkit.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.display.preview import Preview

_MOST = 24  # further pictures are named, so that a large batch does not make a heavy notebook
_ROOM = 200_000  # bytes that the previews of a card share, so that sixteen leave the notebook below 300 kB
_KILO = 1000
_HEAVIEST, _LIGHT = 60_000, 6_000  # bytes of a picture, and of one in a line of text or a table
_DRAWING = "image/svg+xml"
_DRAWN = 384  # pixels; a drawing has no size of its own
_BLOCK = "max-width:100%;height:auto;display:block;margin:0"
# Behind cutouts, so that dark lines show on dark themes, too.
_CHECKS = "repeating-conic-gradient(#ececec 0 25%,#fff 0 50%) 0 0/16px 16px"


@dataclass(frozen=True, slots=True)
class Figure:
    """One file with its caption.

    Attributes:
        path: The copy on this machine, None where there is none.
        name: File name for people.
        caption: What stands under it.
        content_type: MIME type, an empty string where unknown.
        url: Where the service keeps it.
        width: Pixels, None where unknown.
        height: Pixels, None where unknown.
        problem: Why there is no copy.
        sha256: Hexadecimal hash of the copy, an empty string where unknown.
        original: Percent-encoded path of the whole file from the notebook, an empty string where there is none.
    """

    path: Path | None = None
    name: str = ""
    caption: str = ""
    content_type: str = ""
    url: str = ""
    width: int | None = None
    height: int | None = None
    problem: str = ""
    sha256: str = ""
    original: str = ""

    @property
    def href(self) -> str:
        """Where a reader finds the whole file, an empty string where nowhere safe."""
        return beside(self.original) or link(self.url)


def bundle(figures: Sequence[Figure]) -> dict[str, Any]:
    """The figures as a MIME bundle."""
    page = element("div", grid(figures), class_=NO_MATHEMATICS, style="font-size:13px")
    return {"text/plain": text(figures), "text/html": str(page)}


def text(figures: Sequence[Figure]) -> str:
    """The figures as lines for a terminal: what it is, its size, where it lies."""
    return "\n".join(clean("  ".join(filter(None, _words(figure)))) for figure in figures)


def grid(figures: Sequence[Figure], *, width: int | None = None) -> Markup:
    """Pictures side by side with their captions, then everything else by name.

    Args:
        figures: What to show.
        width: Pixels a picture may be wide; by default fewer the more there are.
    """
    width = width or _width(len(figures))
    limit = min(_HEAVIEST, _ROOM // max(1, min(_MOST, len(figures))))
    pictures: list[Markup] = []
    others: list[Markup] = []
    for figure in figures:
        shown = _picture(figure, width, limit) if len(pictures) < _MOST else _named(figure, "")
        (pictures if shown.startswith("<figure") else others).append(shown)
    rows = []
    if pictures:
        rows.append(element("div", *pictures, style="display:flex;flex-wrap:wrap;gap:12px;margin:8px 0 4px"))
    if others:
        rows.append(element("div", *others, style="margin:6px 0"))
    return join(*rows)


def thumbnail(figure: Figure, width: int = 96) -> Markup:
    """One file inside a line of text or a table: a small picture, or its name."""
    try:
        small = _preview(figure, 2 * width, _LIGHT)
    except MediaError:
        return _linked(figure, figure.name or figure.caption or "file")
    return _image(figure, small, width)


def _width(count: int) -> int:
    few, some = 1, 4
    return 512 if count <= few else 256 if count <= some else 176


def _picture(figure: Figure, width: int, limit: int) -> Markup:
    try:
        small = _preview(figure, min(512, width * 3 // 2), limit)
    except MediaError as error:
        return _other(figure, width, str(error))
    size = _pixels(figure.width or small.full_width, figure.height or small.full_height)
    facts = " · ".join(filter(None, (size, "animated" if small.animated else "")))
    caption = [figure.caption, faint(f" · {facts}")] if figure.caption else [faint(facts)]
    return _captioned(_image(figure, small, width), caption, width)


def _other(figure: Figure, width: int, problem: str) -> Markup:
    """What is no picture of pixels: a drawing, a player, or a name."""
    caption = [_linked(figure, _name(figure)), faint(_about(figure))]
    if figure.content_type == _DRAWING and figure.path is not None:
        try:
            uri = drawing(figure.path)
        except MediaError as error:
            return _named(figure, str(error))
        shown = element("img", src=uri, alt=_name(figure), width=min(width, _DRAWN), style=_BLOCK)
        return _captioned(_linked(figure, shown), caption, width)
    played = player(figure)
    return (
        _captioned(played, caption, width)
        if played
        else _named(figure, "" if _is_named_only(figure) else problem)
    )


def _captioned(shown: Markup, caption: Sequence[object], width: int) -> Markup:
    words = element("figcaption", *caption, style="font-size:12px;margin-top:2px;overflow-wrap:anywhere")
    return element("figure", shown, words, style=f"margin:0;max-width:{width}px")


def _image(figure: Figure, small: Preview, width: int) -> Markup:
    scale = min(1, width / max(small.width, small.height))
    size = f"{figure.width or small.full_width} by {figure.height or small.full_height} pixels"
    ground = f";background:{_CHECKS}" if small.see_through else ""
    picture = element(
        "img",
        src=small.uri,
        alt=", ".join(filter(None, (figure.caption or figure.name, size))),
        width=max(1, round(small.width * scale)),
        height=max(1, round(small.height * scale)),
        style=f"{_BLOCK};border-radius:3px{ground}",
    )
    return _linked(figure, picture)


def _linked(figure: Figure, *children: object) -> Markup:
    return anchor(figure.href, *children) if figure.href else join(*children)


def _named(figure: Figure, problem: str) -> Markup:
    missing = figure.problem or problem
    reason = element("div", f"not shown: {missing}", style=FAINT) if missing else Markup()
    style = f"border-left:{LINE};border-left-width:3px;padding:2px 0 2px 10px;margin:4px 0"
    return element("div", _linked(figure, _name(figure)), faint(_about(figure)), reason, style=style)


def _name(figure: Figure) -> str:
    return figure.name or figure.caption or "file"


def _about(figure: Figure) -> str:
    """What is said behind a name: its place in the output, its type and its size."""
    facts = [figure.caption if figure.caption != figure.name else "", figure.content_type, _size(figure)]
    words = " · ".join(filter(None, facts))
    return f"  {words}" if words else ""


def _is_named_only(figure: Figure) -> bool:
    """Whether nobody expects to see it: it does not claim to be a picture."""
    is_no_picture = bool(figure.content_type) and not figure.content_type.startswith("image/")
    return is_no_picture and not figure.problem


def _preview(figure: Figure, longest: int, limit: int) -> Preview:
    if figure.path is None:
        raise MediaError(figure.problem or "there is no copy on this machine")
    return preview(figure.path, longest, limit=limit)


def _words(figure: Figure) -> tuple[str, ...]:
    size = _pixels(figure.width, figure.height) if figure.width and figure.height else ""
    place = figure.original or (short_path(figure.path) if figure.path else link(figure.url))
    missing = (
        f"not {'shown' if figure.path else 'on this machine'}: {figure.problem}" if figure.problem else ""
    )
    return (figure.caption or figure.name, size or _size(figure), place, missing)


def short_path(path: Path) -> str:
    """A path as people write it, from their home folder on: what a notebook keeps may be passed on."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere, or there is no home
        return str(path)


def _pixels(width: int, height: int) -> str:
    return f"{width} × {height}"


def _size(figure: Figure) -> str:
    try:
        count = float(figure.path.stat().st_size) if figure.path else 0.0
    except OSError:
        return ""
    for unit in ("B", "kB", "MB"):
        if count < _KILO:
            return f"{count:.0f} {unit}" if count else ""
        count /= _KILO
    return f"{count:.1f} GB"
