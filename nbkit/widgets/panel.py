"""The widgets of a card whose run is not over."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from nbkit.display.card import framed, heading, log_tail, steps_table, steps_timeline
from nbkit.display.markup import faint
from nbkit.display.preview import preview
from nbkit.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.display.card import Card

_PICTURES = 4
_WIDTH = 256
_ONE_WIDTH = 384


class Panel:
    """State line, timeline, steps, pictures, newest logs, and a button that cancels.

    Everything in its HTML is escaped by `nbkit.display`. Writing to it is cheap where nothing has changed:
    a widget sends only what differs.

    Args:
        on_cancel: Called when the button is clicked, on any thread; it must not wait.
        clickable: Whether a click can be heard; else the panel says how to stop the run.
    """

    def __init__(self, on_cancel: Callable[[], None], *, clickable: bool = True) -> None:
        import ipywidgets

        flush = {"margin": "0"}
        self._head = ipywidgets.HTML(layout=flush)
        self._timeline = ipywidgets.HTML(layout=flush)
        self._steps = ipywidgets.HTML(layout=flush)
        self._pictures = ipywidgets.HBox([], layout={"flex_flow": "row wrap", "grid_gap": "12px"})
        self._logs = ipywidgets.HTML(layout=flush)
        self._button = ipywidgets.Button(
            description="Cancel",
            tooltip="Stop it at the service",
            layout={"width": "auto", "height": "24px", "margin": "6px 0 2px", "align_self": "flex-start"},
        )
        self._button.on_click(lambda _button: on_cancel())
        hint = ipywidgets.HTML(framed(faint("■ (interrupt) cancels it")), layout=flush)
        end = self._button if clickable else hint
        shown = [self._head, self._timeline, self._steps, self._pictures, self._logs]
        self.widget = ipywidgets.VBox([*shown, end])
        self._all = [*shown, self._button, hint, self.widget]

    @property
    def view(self) -> dict[str, Any]:
        """The MIME entry that makes a notebook show the widgets."""
        mime = "application/vnd.jupyter.widget-view+json"
        return {mime: self.widget._repr_mimebundle_()[mime]}

    def free_button(self) -> None:
        """Let clicks arrive while the cell blocks.

        ipykernel 7.4 sends what a widget hears to the shell that last wrote to it, which is the blocked one;
        without that memory the click goes to a shell of its own. Nothing may be written to the button after.
        """
        with contextlib.suppress(Exception):
            self._button.comm.__dict__.pop("_reply_subshell_id", None)

    def write(self, card: Card) -> None:
        """Show the state of a run, but for its pictures."""
        self._head.value = framed(heading(card))
        self._timeline.value = framed(steps_timeline(card))
        self._steps.value = framed(steps_table(card))
        self._logs.value = framed(log_tail(card))

    def show_pictures(self, card: Card) -> None:
        """Show the newest pictures. Each keeps its widget, so that they do not flicker."""
        import ipywidgets

        small = []
        for figure in card.figures[:_PICTURES]:
            with contextlib.suppress(MediaError):
                small.append(preview(figure.path, content_type="image/jpeg") if figure.path else None)
        shown = [one for one in small if one is not None]
        while len(self._pictures.children) < len(shown):
            picture = ipywidgets.Image(format="jpeg")
            self._all.append(picture)
            self._pictures.children = (*self._pictures.children, picture)
        width = _ONE_WIDTH if len(shown) == 1 else _WIDTH
        for widget, one in zip(self._pictures.children, shown, strict=False):
            _show(widget, one, width)

    def close(self) -> None:
        """Take the widgets away."""
        for picture in self._pictures.children:
            # Clients without a screen save the last state of every widget into the notebook.
            picture.value = b""
        for widget in self._all:
            widget.close()


def _show(widget: Any, small: Any, width: int) -> None:
    scale = min(1, width / max(small.width, small.height))
    with widget.hold_sync():
        widget.width, widget.height = (str(round(side * scale)) for side in (small.width, small.height))
        widget.value = small.data
