"""The cards of runs that were begun by Python, in any cell."""

from __future__ import annotations

from typing import Any

from nbkit.client.run import Run
from nbkit.display.rerun import when_run_again
from nbkit.errors import InputError
from nbkit.widgets.live import LiveCard


def watch(*runs: Any) -> None:
    """Show the live card of each run, and return at once; the cards go on by themselves.

    Args:
        *runs: Runs of `client.submit` or `client.stream`, or lists of them; also such that are over.

    Raises:
        InputError: Something among them is no run.
    """
    flat = [inner for run in runs for inner in (run if isinstance(run, (list, tuple)) else [run])]
    for run in flat:
        if not isinstance(run, Run):
            raise InputError(f"{type(run).__name__} is not a run", hint="client.submit(…) returns one")
    for run in flat:
        card = LiveCard(run, background=True)
        card.open()
        when_run_again(card.close)
