"""The card of a run: live while it goes on, static ever after."""

from __future__ import annotations

import contextvars
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbkit.client.card import ended, facts, stated
from nbkit.config import shows_progress
from nbkit.display.card import Card, bundle
from nbkit.display.rerun import before_a_cell_ends
from nbkit.display.slot import Shown, Slot, hears_clicks_while_blocked, in_notebook
from nbkit.model.progress import advance
from nbkit.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.client.run import Run
    from nbkit.model.result import Result
    from nbkit.widgets.originals import Originals

_BETWEEN = 0.1
"""Seconds between two changes of the text at the least."""
_BETWEEN_PICTURES = 0.2
_GRACE = 2.0
"""Seconds that the end of a cell waits for a card whose run is over."""
_TICK = 0.5
"""Seconds after which the clock moves although nothing happened."""


def follow(run: Run, *, show: str = "all", originals: Originals | None = None) -> Result:
    """Show a run in the output of the cell that runs now.

    Args:
        run: The run.
        show: What its card shows in the end: `all`, `images`, `table` or `none`.
        originals: Where to put whole files for the previews to link to.

    Returns:
        The result.

    Raises:
        NbkitError: The run ended badly.
        KeyboardInterrupt: Somebody interrupted the cell, which cancels the run.
    """
    live = LiveCard(run, show=show, originals=originals)
    live.open()
    try:
        return run.result()
    except KeyboardInterrupt as interrupt:
        # IPython shows these lines instead of the places where the cell was waiting.
        became = run.status if run.is_done else "asked to stop"
        interrupt.__dict__["_render_traceback_"] = lambda: [f"KeyboardInterrupt: {run.endpoint} was {became}"]
        raise
    finally:
        live.close()


class LiveCard:
    """Keeps one output up to date with one run.

    A thread of its own does it, because the thread of the cell waits and that of the network must not. Setting
    `NBKIT_PROGRESS` to `off` leaves only the end. In a terminal the run's own line tells how far it is.
    """

    def __init__(
        self,
        run: Run,
        *,
        show: str = "all",
        background: bool = False,
        originals: Originals | None = None,
        slot: Slot | None = None,
    ) -> None:
        self._run = run
        self._show = show
        self._background = background
        self._originals = originals
        self._slot = slot or Slot()
        self._panel: Panel | None = None
        self._card = Card(run.endpoint)
        self._seen = 0
        self._pictures_at = 0.0
        self._cancelling = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._cell = contextvars.copy_context()
        self._thread: threading.Thread | None = None
        self._ending: tuple[dict[str, Any], dict[str, Any]] = ({}, {})

    def open(self) -> None:
        """Show it, and begin to keep it up to date."""
        if in_notebook():
            if shows_progress():
                clickable = self._background or hears_clicks_while_blocked()
                self._panel = Panel(self._cancel, clickable=clickable)
                self._slot.fill(Shown({**bundle(self._now(), self._show), **self._panel.view}))
                self._panel.free_button()
            elif self._background:
                self._slot.fill(Shown(bundle(self._now(), self._show)))
        keeps_itself = self._background and in_notebook()
        if self._panel or keeps_itself:
            stop = self._run.listen(lambda _event: self._wake.set())
            self._thread = threading.Thread(target=self._keep, args=(stop,), name="nbkit-card", daemon=True)
            self._thread.start()
            if self._background:
                before_a_cell_ends(self._settled)

    def _settled(self) -> bool:
        """Whether it shows its end. Where the run is over that is waited for, and told again as the cell's own word.

        A client without a screen drops what its thread said while the cell was running.
        """
        assert self._thread is not None, "asked only of a card that keeps itself"  # noqa: S101
        if self._run.is_done:
            self._thread.join(_GRACE)
        if self._thread.is_alive():
            return False
        self._slot.end(*self._ending)
        return True

    def join(self) -> None:
        """Wait until a card in the background shows its end; one that a cell closes has nothing to wait for."""
        if self._background and self._thread:
            self._thread.join()

    def close(self) -> None:
        """Write the end. Call it from the cell's own thread, where the output surely belongs to the cell."""
        self._closing.set()
        self._wake.set()
        if self._thread:
            self._thread.join()
        self._end()

    def _cancel(self) -> None:
        self._cancelling = True
        self._run.cancel()
        self._wake.set()

    def _keep(self, stop: Callable[[], None]) -> None:
        while not (self._run.is_done or self._closing.is_set()):
            self._in_output(self._paint)
            self._closing.wait(_BETWEEN)
            self._wake.wait(_TICK - _BETWEEN)
            self._wake.clear()
        stop()
        if self._background:
            self._in_output(self._end)

    def _in_output(self, work: Callable[[], None]) -> None:
        """Do something that writes into the cell's output.

        While the cell runs, messages belong to it. After it has ended, clients without a screen drop what
        claims to come from it; the output's own id is enough then, and a context that knows no cell. Only
        ipykernel 7.0 cannot send anything without one.
        """
        if self._background:
            try:
                contextvars.Context().run(work)
            except LookupError:
                pass
            else:
                return
        self._cell.copy().run(work)

    def _now(self) -> Card:
        events = self._run.events
        self._card = advance(self._card, events[self._seen :], self._run.began)
        self._seen = len(events)
        card = stated(self._card, self._run)
        return replace(card, status="cancelling") if self._cancelling and not self._run.is_done else card

    def _paint(self) -> None:
        card = self._now()
        if self._panel is None:
            return
        self._panel.write(card)
        if time.monotonic() - self._pictures_at >= _BETWEEN_PICTURES:
            self._panel.show_pictures(card)
            self._pictures_at = time.monotonic()

    def _end(self) -> None:
        card = self._last()
        if self._originals and in_notebook():
            card = self._originals.of(card)
        self._ending = bundle(card, self._show), facts(self._run)
        self._slot.end(*self._ending)
        if self._panel:
            self._panel.close()
            self._panel = None

    def _last(self) -> Card:
        card = ended(self._now(), self._run)
        # A cell that waited shows the message as its error, below the card.
        return card if self._background else replace(card, error="")
