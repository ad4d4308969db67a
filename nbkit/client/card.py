"""A run as something to be shown."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbkit.display.card import Card, bundle
from nbkit.model.progress import advance, figures

if TYPE_CHECKING:
    from nbkit.client.run import Run


def stated(card: Card, run: Run) -> Card:
    """The card with what the run says of itself now."""
    return replace(card, status=run.status, request_id=run.id, seconds=run.seconds, stand_in=run.stand_in)


def ended(card: Card, run: Run) -> Card:
    """The card with what the run gave, or with why it gave nothing; as it was while the run goes on."""
    if run.error is not None:
        return replace(card, error=str(run.error))
    if not run.is_done:
        return card
    result = run.result()
    return replace(
        card,
        output=result.data,
        figures=figures(result.media),
        cost=result.cost,
        tokens=result.tokens,
        from_history=result.from_history.said if result.from_history else "",
    )


def facts(run: Run) -> dict[str, Any]:
    """What a notebook keeps beside the card of a run that ended well."""
    return run.result().facts() if run.is_done and run.error is None else {}


def shown(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """The run as it stands now, as a MIME bundle and the metadata of it."""
    card = advance(Card(run.endpoint), run.events, time.time() - run.seconds)
    return bundle(ended(stated(card, run), run)), facts(run)
