"""Pictures against each other: a slider, side by side, in turns, and what differs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import traitlets

from nbkit.display import figure
from nbkit.display.difference import Difference, difference
from nbkit.display.escape import clean
from nbkit.display.markup import element, faint
from nbkit.display.preview import preview
from nbkit.errors import InputError, MediaError
from nbkit.widgets.attached import Attached, script
from nbkit.widgets.pictures import Picture, keep, pictures_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbkit.display.escape import Markup

MODES = ("slider", "side by side", "flicker", "difference")
_FEWEST = 2
_LONGEST = 1600
_LIMIT = 800_000  # bytes of what a browser gets to look at closely


class Comparison(Attached):
    """Two of several pictures, compared.

    Attributes:
        mode: `slider`, `side by side`, `flicker` or `difference`.
        pair: The numbers of the two that are compared, from 0.
    """

    _esm = script("attach.js", "compare_panes.js", "compare.js")
    pictures: Any = traitlets.List().tag(sync=True)
    mode = traitlets.Enum(MODES, MODES[0]).tag(sync=True)
    pair = traitlets.List(traitlets.Int(), [0, 1]).tag(sync=True)

    def __init__(self, pictures: Sequence[Picture], **state: Any) -> None:
        self._pictures = tuple(pictures)
        self._known: dict[tuple[int, int], Difference] = {}
        super().__init__(pictures=[_about(one) for one in self._pictures], **state)

    def difference(self, first: int = 0, second: int = 1) -> Difference:
        """How two of them differ, by their numbers: `greatest`, `mean`, `share` and the picture's `data`.

        Raises:
            MediaError: They are too large.
        """
        known = self._known.get((first, second))
        if known is None:
            paths = (self._pictures[number].path for number in (first, second))
            known = self._known[first, second] = difference(*paths)
        return known

    def still(self) -> tuple[str, Markup]:
        """All of them side by side, and what differs between the first two."""
        figures = [
            replace(one.figure, caption=f"{_letter(number)} · {clean(one.caption)}")
            for number, one in enumerate(self._pictures)
        ]
        try:
            found = self.difference()
        except MediaError as error:
            words = f"A and B: {clean(error)}"
        else:
            words = " · ".join(filter(None, ("A and B", _words(found), found.note)))
            path = keep(found.data, ".png")
            figures.insert(_FEWEST, figure.Figure(path, "difference.png", "difference of A and B"))
        grid = figure.grid(figures, width=256)
        page = element("div", grid, faint(words), style="font-size:13px")
        return "\n".join((figure.text(figures), words)), page

    def answers(self) -> dict[str, Callable[[dict[str, Any], Sequence[Any]], None]]:
        """It sends pictures and differences when they are to be shown."""
        return {"picture": self._send_picture, "difference": self._send_difference}

    def _send_picture(self, wish: dict[str, Any], _buffers: Sequence[Any]) -> None:
        number = wish.get("number")
        if isinstance(number, int) and 0 <= number < len(self._pictures):
            small = preview(self._pictures[number].path, _LONGEST, limit=_LIMIT)
            self.send({"kind": "picture", "number": number, "type": small.content_type}, [small.data])

    def _send_difference(self, wish: dict[str, Any], _buffers: Sequence[Any]) -> None:
        pair, count = wish.get("pair"), len(self._pictures)
        numbers = pair if isinstance(pair, list) else []
        if len(numbers) != _FEWEST or not all(isinstance(it, int) and 0 <= it < count for it in numbers):
            return
        about = {"kind": "difference", "pair": numbers}
        try:
            found = self.difference(*numbers)
        except MediaError as error:
            self.send({**about, "problem": clean(error)})
            return
        facts = {name: value for name, value in asdict(found).items() if name != "data"}
        self.send({**about, **facts, "words": _words(found)}, [found.data])


def compare(a: Any, b: Any, *more: Any) -> Comparison:
    """Show pictures against each other: with a slider, side by side, in turns, and as what differs.

    Args:
        a: A run, a result, media, a path, bytes or a PIL image; of a run or a result its first picture.
        b: The same.
        *more: More of them; two at a time are compared.

    Raises:
        InputError: Something among them is none of these, or has no picture.
        MediaError: A picture cannot be read.
    """
    return Comparison([_first(thing) for thing in (a, b, *more)])


def _first(thing: Any) -> Picture:
    found = list(pictures_of(thing))
    images = [one for one in found if one.figure.content_type.startswith("image/")] or found
    if not images:
        raise InputError(f"{type(thing).__name__} has no picture to compare")
    return images[0]


def _about(picture: Picture) -> dict[str, Any]:
    small = preview(picture.path)
    return {"caption": clean(picture.caption), "width": small.full_width, "height": small.full_height}


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)  # noqa: PLR2004 - letters


def _words(found: Difference) -> str:
    if not found.greatest:
        return "no pixel differs"
    return f"{found.share:.1%} of the pixels differ, by {found.mean:.1f} of 255 on average, {found.greatest} at most"
