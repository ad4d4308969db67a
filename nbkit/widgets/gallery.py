"""Many pictures in a cell: a grid to look through, to sort, and to choose from."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import traitlets

from nbkit.client.run import Run
from nbkit.display import figure
from nbkit.display.escape import clean
from nbkit.display.markup import element, faint
from nbkit.display.preview import preview
from nbkit.errors import MediaError
from nbkit.widgets.attached import Attached, script
from nbkit.widgets.pictures import Picture, pictures_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbkit.display.escape import Markup

ORDERS = ("given", "time", "seconds", "seed", "name")
_STILL = 24
_MOST_AT_ONCE = 48
_SIZES = {"small": (384, 60_000), "large": (1600, 600_000)}  # pixels of the longer side, bytes


class Gallery(Attached):
    """A grid of pictures.

    Attributes:
        selection: What is ticked, in the order it was given: media, or what else was given. A trait:
            `gallery.observe(function, "selection")`.
        selected: The numbers of the ticked pictures, from 0 in the order they were given.
        starred: The numbers of the starred ones.
        order: What they are sorted by: `given`, `time`, `seconds`, `seed` or `name`.
        descending: Whether the last comes first.
        captions: Whether prompt, seed and endpoint stand below each picture.
    """

    _esm = script("attach.js", "gallery_zoom.js", "gallery.js")
    items: Any = traitlets.List().tag(sync=True)
    waiting = traitlets.Int().tag(sync=True)
    captions = traitlets.Bool(default_value=True).tag(sync=True)
    order = traitlets.Enum(ORDERS, "given").tag(sync=True)
    descending = traitlets.Bool().tag(sync=True)
    selected = traitlets.List(traitlets.Int()).tag(sync=True)
    starred = traitlets.List(traitlets.Int()).tag(sync=True)
    selection = traitlets.Tuple()

    def __init__(self, **state: Any) -> None:
        self._pictures: list[Picture] = []
        self._adding = threading.Lock()
        super().__init__(**state)

    def add(self, *things: Any) -> None:
        """Show more. A run that is not over yet brings its pictures when it is.

        Raises:
            InputError: Something among them is no picture, run or result.
        """
        runs, others = _parted(things)
        self._show(list(pictures_of(*others)))
        for run in runs:
            self._await(run)

    @traitlets.observe("selected")
    def _choose(self, change: Any) -> None:
        count = len(self._pictures)
        self.selection = tuple(
            self._pictures[number].thing for number in sorted(set(change["new"])) if 0 <= number < count
        )

    def _await(self, run: Run) -> None:
        def ended(event: object) -> None:
            if event is None:
                self._show(list(pictures_of(run)), waited=True)

        with self._adding:
            self.waiting += 1
        run.listen(ended)

    def _show(self, pictures: list[Picture], *, waited: bool = False) -> None:
        with self._adding:
            first = len(self._pictures)
            self._pictures += pictures
            self.items = [
                *self.items,
                *(_about(number, one) for number, one in enumerate(pictures, first)),
            ]
            self.waiting -= waited

    def still(self) -> tuple[str, Markup]:
        """The first pictures with their captions, and how many more there are."""
        figures = [replace(one.figure, caption=clean(one.caption)) for one in self._pictures]
        more = len(figures) - _STILL
        rest = f"and {more} more" if more > 0 else "" if figures else "no pictures yet"
        text = "\n".join(filter(None, (figure.text(figures[:_STILL]), rest)))
        grid = figure.grid(figures[:_STILL], width=176)
        return text, element("div", grid, faint(rest), style="font-size:13px")

    def answers(self) -> dict[str, Callable[[dict[str, Any], Sequence[Any]], None]]:
        """It sends pictures when the browser comes to them."""
        return {"pictures": self._send_pictures}

    def _send_pictures(self, wish: dict[str, Any], _buffers: Sequence[Any]) -> None:
        numbers, size = wish.get("numbers"), wish.get("size")
        if not isinstance(numbers, list) or size not in _SIZES:
            return
        for number in numbers[:_MOST_AT_ONCE]:
            if isinstance(number, int) and 0 <= number < len(self._pictures):
                self._send_picture(number, size)

    def _send_picture(self, number: int, size: str) -> None:
        about = {"kind": "picture", "number": number, "size": size}
        longest, limit = _SIZES[size]
        try:
            small = preview(self._pictures[number].path, longest, limit=limit)
        except MediaError as error:
            self.send({**about, "problem": clean(error)})
        else:
            self.send({**about, "type": small.content_type}, [small.data])


def gallery(*things: Any) -> Gallery:
    """Show pictures as a grid to look through, to sort, to star and to select from.

    Args:
        *things: Runs, results, media, paths, bytes or PIL images, or lists of them.

    Raises:
        InputError: Something among them is none of these.
    """
    made = Gallery()
    made.add(*things)
    return made


def _parted(things: Sequence[Any]) -> tuple[list[Run], list[Any]]:
    """The runs that are not over, and everything else."""
    flat: list[Any] = []
    for thing in things:
        flat += thing if isinstance(thing, (list, tuple)) else [thing]
    runs = [thing for thing in flat if isinstance(thing, Run) and not thing.is_done]
    return runs, [thing for thing in flat if not (isinstance(thing, Run) and thing in runs)]


def _about(number: int, picture: Picture) -> dict[str, Any]:
    shown = picture.figure
    return {
        "number": number,
        "name": clean(shown.name),
        "prompt": clean(picture.prompt),
        "endpoint": clean(picture.endpoint),
        "seed": None if picture.seed is None else str(picture.seed),
        "seconds": picture.seconds,
        "time": picture.at,
        "width": shown.width,
        "height": shown.height,
    }
