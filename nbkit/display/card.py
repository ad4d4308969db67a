"""A run as something to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.display import expense, figure, output, steps, table, timeline
from nbkit.display.escape import Markup, clean
from nbkit.display.markup import (
    LINE,
    MONOSPACE,
    NO_MATHEMATICS,
    code,
    element,
    faint,
    folded,
    join,
    preformatted,
)
from nbkit.display.outline import Outline, outline
from nbkit.display.state import duration, mark, marked, point_in_time
from nbkit.display.step import Step, left

if TYPE_CHECKING:
    from nbkit.display.figure import Figure

__all__ = ["Card", "Step", "bundle", "heading", "html", "steps_table", "steps_timeline", "text"]

_WAITING = ("submitting", "queued")
_OVER = ("succeeded", "failed", "cancelled")
_LAST_LOGS = 400
_LAST_EVENTS = 200
_CARD = "font-size:13px;line-height:1.5;max-width:960px;padding:2px 0 4px"
_BADGE = f"border:{LINE};border-radius:9px;padding:0 8px;font-size:12px;overflow-wrap:anywhere"
_MOST_WARNINGS = 5
_WARNING = (
    "border-left:3px solid #c9a227;padding:2px 0 2px 10px;margin:6px 0;overflow-wrap:anywhere;max-width:720px"
)
_ERROR = (
    "border-left:3px solid #d9603b;padding:2px 0 2px 10px;margin:8px 0;white-space:pre-wrap;"
    "overflow-wrap:anywhere;max-width:720px"
)


@dataclass(frozen=True, slots=True)
class Card:
    """Everything there is to show of one run.

    Attributes:
        endpoint: What was called.
        status: `submitting`, `queued`, `running`, `succeeded`, `failed`, `cancelled` or `unknown`, and
            `cancelling` between the wish to stop it and its end.
        request_id: The service's id of the run.
        seconds: Since it began, or how long it took.
        position: How many requests are ahead of it, None where unknown.
        logs: Lines that the model printed, oldest first.
        warnings: Of these, what a reader must not miss.
        progress: 0 to 1, None where the service gives no numbers.
        steps: The steps of a workflow, in the order they began.
        figures: The files it gave, or the latest intermediate ones.
        output: The output JSON.
        error: What went wrong, for people.
        stand_in: The local model that answers in place of the endpoint.
        cost: Money, None where unknown.
        events: What a stream gave, as rows of words, oldest first.
        output_at: Seconds from the start of the run to its last output, None before.
        started_at: Seconds from the start of the run to the word that the service began to work, None before.
        tokens: How many tokens of language models it used, as the service says; None where it does not.
        is_partial: Whether steps failed and the workflow went on without them.
        waits_for: What a person is to do before it goes on, an empty string where it waits for nobody.
        waits_until: When the service stops waiting, in seconds since 1970; None where it does not say.
        from_history: That it was not asked for again, and when it was; an empty string where it was.
    """

    endpoint: str
    status: str = "submitting"
    request_id: str = ""
    seconds: float = 0.0
    position: int | None = None
    logs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    progress: float | None = None
    steps: tuple[Step, ...] = ()
    figures: tuple[Figure, ...] = ()
    output: Any = None
    error: str = ""
    stand_in: str = ""
    cost: float | None = None
    events: tuple[tuple[str, ...], ...] = ()
    output_at: float | None = None
    started_at: float | None = None
    tokens: int | None = None
    is_partial: bool = False
    waits_for: str = ""
    waits_until: float | None = None
    from_history: str = ""


def bundle(card: Card, show: str = "all") -> dict[str, Any]:
    """The card as a MIME bundle that does not depend on widgets.

    Args:
        card: What to show.
        show: `images` leaves out the tables, `table` the pictures, `none` both.
    """
    return {"text/plain": text(card, show), "text/html": str(html(card, show))}


def html(card: Card, show: str = "all") -> Markup:
    """The card as HTML with inline styles only."""
    parts = [heading(card), _error(card), _warnings(card)]
    if show in ("all", "table"):
        parts += [steps_timeline(card), steps_table(card)]
    if show in ("all", "images"):
        parts.append(figure.grid(card.figures))
    if show in ("all", "table"):
        rows = output.rows(card.output)
        parts += [table.html(rows) if rows else Markup()]
    parts.append(_folded(card))
    return framed(*parts)


def text(card: Card, show: str = "all") -> str:
    """The card for a terminal."""
    stand_in = f"stand-in: {card.stand_in} answered" if card.stand_in else ""
    partial = "partial" if card.is_partial else ""
    facts = [
        mark(card.status),
        card.endpoint,
        card.status,
        *_facts(card),
        partial,
        stand_in,
        card.from_history,
    ]
    request = f"request {card.request_id}" if card.request_id else ""
    warnings = [f"warning: {warning}" for warning in card.warnings[:_MOST_WARNINGS]]
    parts = ["  ".join(filter(None, facts)), request, card.error, _waiting(card), *warnings]
    if show in ("all", "table") and card.steps:
        parts.append(steps.text(_outline(card), card.output_at))
    if show in ("all", "images"):
        parts.append(figure.text(card.figures))
    if show in ("all", "table"):
        rows = output.rows(card.output)
        parts.append(table.text(rows) if rows else "")
    return "\n".join(clean(part) for part in parts if part)


def heading(card: Card) -> Markup:
    """The state line: what, how far, how long, by whom, for how much."""
    name = marked(element("span", card.endpoint, style="font-weight:600"), card.status)
    quiet = faint(" · ".join([card.status, *_facts(card)]))
    stand_in = element("span", f"stand-in: {card.stand_in} answered", style=_BADGE) if card.stand_in else ""
    partial = element("span", "⚠ partial", style=_BADGE) if card.is_partial else ""
    past = element("span", card.from_history, style=_BADGE) if card.from_history else ""
    bar = _bar(card.progress) if card.progress is not None and card.status == "running" else ""
    request = faint("request ", code(card.request_id)) if card.request_id else ""
    shown = (part for part in (name, quiet, bar, partial, stand_in, past, request) if part)
    line = element("div", *shown, style="display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 14px")
    waiting = _waiting(card)
    return join(line, element("div", f"◔ {waiting}", style=_WARNING)) if waiting else line


def steps_timeline(card: Card) -> Markup:
    """What ran when, where the run is one of a workflow."""
    return timeline.html(_outline(card)) if card.steps else Markup()


def steps_table(card: Card) -> Markup:
    """The steps one by one, where the run is one of a workflow."""
    return steps.html(_outline(card), card.output_at) if card.steps else Markup()


def framed(*parts: object) -> Markup:
    """Pieces of a card in its typography, for a page that has another."""
    return element("div", *parts, class_=NO_MATHEMATICS, style=_CARD) if any(parts) else Markup()


def log_tail(card: Card, lines: int = 5) -> Markup:
    """The newest lines that the model printed."""
    tail = element("div", "\n".join(card.logs[-lines:]), style=f"{MONOSPACE};white-space:pre-wrap;opacity:.8")
    return tail if card.logs else Markup()


def _facts(card: Card) -> list[str]:
    ahead = card.position if card.status in _WAITING else None
    place = "" if ahead is None else "next in line" if ahead == 0 else f"{ahead} ahead"
    progress = card.progress if card.status == "running" else None
    percent = "" if progress is None else f"{progress:.0%}"
    count = expense.counted(len(card.steps), "step")
    tokens = expense.counted(expense.tokens(card.steps) if card.tokens is None else card.tokens, "token")
    cost = expense.price(card.steps) if card.cost is None else expense.money(card.cost)
    return [fact for fact in (place, percent, duration(card.seconds), count, tokens, cost) if fact]


def _outline(card: Card) -> Outline:
    return outline(left(card.steps, card.status), card.seconds)


def _waiting(card: Card) -> str:
    if not card.waits_for or card.status in _OVER:
        return ""
    until = point_in_time(card.waits_until)
    return f"paused: {card.waits_for}" + (f" (until {until})" if until else "")


def _bar(progress: float) -> Markup:
    done = min(100, max(0, round(100 * progress)))
    filled = element("div", style=f"width:{done}%;height:4px;border-radius:2px;background:#3b8fd0")
    style = "width:120px;height:4px;border-radius:2px;background:rgba(128,128,128,.25);align-self:center"
    return element("div", filled, style=style)


def _warnings(card: Card) -> Markup:
    told = (element("div", f"⚠ {warning}", style=_WARNING) for warning in card.warnings[:_MOST_WARNINGS])
    return join(*told)


def _error(card: Card) -> Markup:
    return element("div", card.error, style=_ERROR) if card.error else Markup()


def _folded(card: Card) -> Markup:
    parts = []
    if card.logs:
        parts.append(folded(f"logs ({len(card.logs)})", preformatted("\n".join(card.logs[-_LAST_LOGS:]))))
    if len(card.events) > 1:
        rows = table.html(card.events[-_LAST_EVENTS:], ("at", "event", ""))
        parts.append(folded(f"events ({len(card.events)})", rows))
    return join(*parts)
