"""Films and sounds: players for whole files that lie beside the notebook.

Nothing is played from another place: a page that is opened must not call home.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.display.escape import beside
from nbkit.display.markup import element

if TYPE_CHECKING:
    from nbkit.display.escape import Markup
    from nbkit.display.figure import Figure

_WIDEST = 512
_TALLEST = 384
_HEAD = 16  # bytes that tell what a file is
_SOUND = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9", b"fLaC")
_EITHER = (b"OggS", b"\x1aE\xdf\xa3")  # Ogg; WebM and Matroska
_MP4 = b"ftyp"
_STYLE = f"max-width:100%;max-height:{_TALLEST}px;display:block"


def player(figure: Figure) -> Markup | None:
    """An element that plays the file; None for what is no film and no sound, or does not lie beside the notebook."""
    kind = _kind(figure) if beside(figure.original) else ""
    if not kind:
        return None
    # Only the beginning is read before somebody plays it, which shows a film's first picture.
    about = {"controls": "", "preload": "metadata", "src": beside(figure.original), "style": _STYLE}
    if kind == "video":
        return element("video", **about, width=min(_WIDEST, figure.width or _WIDEST))
    return element("audio", **about)


def _kind(figure: Figure) -> str:
    """`video`, `audio` or an empty string, by the first bytes; the stated type only decides where both can be."""
    if figure.path is None:
        return ""
    try:
        with figure.path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return ""
    if head.startswith(_SOUND) or (head.startswith(b"RIFF") and head[8:12] == b"WAVE"):
        return "audio"
    if head[4:8] == _MP4 or head.startswith(_EITHER):
        return "audio" if figure.content_type.startswith("audio/") else "video"
    return ""
