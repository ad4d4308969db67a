"""Output that is static in the notebook's file, and comes alive where a browser and its kernel are connected."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget  # noqa: TID253 - this file is loaded when the first widget is made
import traitlets

from nbkit.display.markup import element
from nbkit.display.rerun import when_run_again

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbkit.display.escape import Markup

_SCRIPTS = Path(__file__).parent / "scripts"
_VIEW = "application/vnd.jupyter.widget-view+json"
# These make a widget only where they show its view; Jupyter makes it at once, and the script finds its place.
_NEED_VIEWS = ("VSCODE_PID", "COLAB_RELEASE_TAG")


def script(*names: str) -> str:
    """Files of the folder `scripts`, joined into one ECMAScript module."""
    return "\n".join((_SCRIPTS / name).read_text("utf-8") for name in names)


class Attached(anywidget.AnyWidget):
    """A widget whose output is plain HTML, which its script takes over while the kernel lives.

    A notebook that refers to widgets shows an error where they are gone. This one does not refer to any: its
    HTML carries a class, and the script of the widget looks for elements with it.
    """

    _esm = ""
    _css = script("style.css")
    place = traitlets.Unicode().tag(sync=True)

    def __init__(self, **state: Any) -> None:
        self._shown = 0
        super().__init__(place=f"nbkit-{uuid.uuid4().hex}", **state)
        self.on_msg(self._hear)

    def still(self) -> tuple[str, Markup]:
        """What stays where nothing moves: text, and HTML."""
        raise NotImplementedError

    def answers(self) -> dict[str, Callable[[dict[str, Any], Sequence[Any]], None]]:
        """What to do with each kind of message of the script."""
        return {}

    def close(self) -> None:
        """Take it out of the browser, which shows the static form then. Displaying it again brings it back."""
        super().close()
        self.__dict__.pop("_repr_mimebundle_", None)  # ipywidgets forbids to display what is closed
        self.layout.close()

    def bundle(self) -> dict[str, Any]:
        """The static form as a MIME bundle."""
        text, page = self.still()
        return {"text/plain": text, "text/html": str(element("div", page, class_=self.place))}

    def _repr_mimebundle_(self, **choice: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        if self.comm is None:  # it was closed, and is wanted again
            self.layout.open()
            self.open()
        self._shown += 1
        when_run_again(self._leave_cell)
        shown = self.bundle()
        view = super()._repr_mimebundle_(**choice)
        if view and any(name in os.environ for name in _NEED_VIEWS):
            shown[_VIEW] = view[0][_VIEW]
        return shown, {}

    def _leave_cell(self) -> None:
        self._shown -= 1
        if not self._shown:
            self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _hear(self, _widget: Any, content: Any, buffers: Sequence[Any]) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        answer = self.answers().get(kind) if isinstance(kind, str) else None
        if answer:
            answer(content, buffers)
