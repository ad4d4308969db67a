"""The steps of a workflow as a table: when each was submitted, how it ended, and what it took and gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.display import table, timeline
from nbkit.display.escape import Markup
from nbkit.display.expense import money
from nbkit.display.figure import short_path, thumbnail
from nbkit.display.markup import clipped, element, faint, join
from nbkit.display.state import duration, mark, sign
from nbkit.display.step import RUN_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbkit.display.outline import Outline, Row
    from nbkit.display.step import Step

_WORDS = {"submitted": "running", "completed": "completion", "failed": "error"}
_SHOWN = 4  # pictures of one step; the files at the end of the card are complete
_PICTURE = 72
_WIDE = 100  # columns of a terminal that has room for the timeline, too
_PICTURES = "display:flex;flex-wrap:wrap;gap:6px;align-items:end"
_QUIET = "opacity:.65;font-weight:400"


def html(shown: Outline, output_at: float | None = None) -> Markup:
    """One row a step, with its pictures, and a last one for the `output`."""
    facts = _facts(shown)
    rows: list[Sequence[object]] = []
    seen: set[str] = set()
    for row in shown.rows:
        step = row.step
        state = _signed(step.status, _state(step))
        rows.append(
            (_name(row), _submit(step), state, *(tell(step) for tell in facts.values()), _gave(step, seen))
        )
    gave = ("gave",) if any(row[-1] for row in rows) else ()
    if shown.hint:
        rows.append((element("span", shown.hint, style=_QUIET),))
    if output_at is not None:
        rows.append(("output", "", _signed("completed", _time(output_at))))
    return table.compact(rows, ("step", "started", "state", *facts, *gave)) if rows else Markup()


def text(shown: Outline, output_at: float | None = None) -> str:
    """The same for a terminal, with a bar of the timeline for each step."""
    facts = _facts(shown)
    drawn = ("timeline",) if (table.terminal_width() or _WIDE) >= _WIDE else ()
    rows: list[tuple[str, ...]] = []
    for row in shown.rows:
        step = row.step
        name = "· " * row.depth + "  ".join(filter(None, (step.name, row.kind)))
        state = f"{mark(RUN_WORDS.get(step.status, step.status))} {_state(step)}"
        gave = ", ".join(
            figure.original or (short_path(figure.path) if figure.path else figure.name)
            for figure in step.figures
        )
        told = (tell(step) for tell in facts.values())
        bar = (timeline.bar(row.spans, shown.end),) if drawn else ()
        rows.append((name, _submit(step), state, *told, *bar, step.message or gave))
    if shown.hint:
        rows.append((shown.hint,))
    if output_at is not None:
        rows.append(("output", "", f"{mark('succeeded')} {duration(output_at)}"))
    return table.text(rows, ("step", "started", "state", *facts, *drawn, "gave")) if rows else ""


def _facts(shown: Outline) -> dict[str, Callable[[Step], str]]:
    """The columns of numbers; those that would be empty are left out."""
    columns: dict[str, Callable[[Step], str]] = {
        "took": lambda step: _time(step.seconds),
        "tokens": lambda step: f"{step.tokens:,}" if step.tokens else "",
        "cost": lambda step: money(step.price or None, step.currency),
    }
    return {name: tell for name, tell in columns.items() if any(tell(row.step) for row in shown.rows)}


def _name(row: Row) -> Markup:
    indent = element("span", style=f"margin-left:{14 * row.depth}px") if row.depth else Markup()
    kind = join(" ", element("span", row.kind, style=_QUIET)) if row.kind else Markup()
    return join(indent, row.step.name, kind)


def _submit(step: Step) -> str:
    return "" if step.began is None else f"submit {_time(step.began)}"


def _state(step: Step) -> str:
    if step.status == "submitted" and step.attempt > 1:
        return f"retry {step.attempt - 1}"
    word = _WORDS.get(step.status, step.status)
    return word if step.ended is None else f"{word} {_time(step.ended)}"


def _signed(status: str, words: str) -> Markup:
    return join(sign(RUN_WORDS.get(status, status)), f"\u00a0{words}")


def _time(seconds: float | None) -> str:
    """A duration that is never broken between its number and its unit."""
    return duration(seconds).replace(" ", "\u00a0")


def _gave(step: Step, seen: set[str]) -> Markup:
    """Its pictures and why it failed. A file that an earlier step gave is not shown again: many only hand on."""
    new = [figure for figure in step.figures if not figure.sha256 or figure.sha256 not in seen]
    seen.update(figure.sha256 for figure in new)
    gave = [thumbnail(figure, _PICTURE) for figure in new[:_SHOWN]]
    if len(new) > _SHOWN:
        gave.append(faint(f"and {len(new) - _SHOWN} more"))
    pictures = element("div", *gave, style=_PICTURES) if gave else Markup()
    return join(pictures, clipped(step.message) if step.message else Markup())
