"""The steps of a workflow as a table: when each was submitted, when it completed, and what it gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.display import table
from nbkit.display.escape import Markup
from nbkit.display.figure import Figure, thumbnail
from nbkit.display.markup import clipped, element, faint, join
from nbkit.display.state import duration, marked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLUMNS = ("step", "event", "at", "took", "")
_ENDED = {"completed": "completion", "failed": "error"}
_SHOWN = 4  # pictures of one step; the files at the end of the card are complete


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a workflow.

    Attributes:
        node: The step's id.
        status: `submitted`, `completed` or `failed`.
        endpoint: What it calls.
        request_id: The service's id of the step's own request.
        seconds: How long it took, None while it runs or where nobody noticed it begin.
        figures: The files it gave.
        message: Why it failed.
        began: Seconds from the start of the run to its submission, None where nobody noticed.
        ended: Seconds from the start of the run to its end, None while it runs.
    """

    node: str
    status: str = "submitted"
    endpoint: str = ""
    request_id: str = ""
    seconds: float | None = None
    figures: tuple[Figure, ...] = ()
    message: str = ""
    began: float | None = None
    ended: float | None = None


def html(steps: Sequence[Step], output_at: float | None = None) -> Markup:
    """Two rows a step, `submit` and `completion` with its picture, and a last one for the `output`."""
    rows: list[Sequence[object]] = [row for step in steps for row in _rows(step)]
    if output_at is not None:
        rows.append((Markup(), marked("output", "succeeded"), _plain(duration(output_at)), "", ""))
    return table.html(rows, COLUMNS) if rows else Markup()


def text(steps: Sequence[Step], output_at: float | None = None) -> str:
    """The same for a terminal."""
    rows = [row for step in steps for row in _lines(step)]
    if output_at is not None:
        rows.append(("", "output", duration(output_at), "", ""))
    return table.text(rows, COLUMNS) if rows else ""


def _rows(step: Step) -> Iterator[tuple[object, ...]]:
    node = element("span", step.node, style="font-weight:600;overflow-wrap:anywhere")
    label = faint(step.endpoint)
    if step.began is not None or step.status == "submitted":
        # What ended is marked once, at its end; what has not ended yet is marked here.
        word = "submit" if step.status in _ENDED else marked("submit", "running")
        yield (node, word, _plain(duration(step.began)), "", "" if step.status in _ENDED else label)
        node = Markup()
    if step.status in _ENDED:
        state = "succeeded" if step.status == "completed" else "failed"
        gave = [thumbnail(figure) for figure in step.figures[:_SHOWN]]
        more = [faint(f"and {len(step.figures) - _SHOWN} more")] if len(step.figures) > _SHOWN else []
        pictures = element("div", *gave, *more, style="display:flex;flex-wrap:wrap;gap:6px;align-items:end")
        result = join(pictures if gave else Markup(), clipped(step.message) if step.message else Markup())
        word = marked(_ENDED[step.status], state)
        took = _plain(duration(step.seconds))
        yield (node or label, word, _plain(duration(step.ended)), took, result)


def _lines(step: Step) -> Iterator[tuple[str, ...]]:
    if step.began is not None or step.status == "submitted":
        yield (step.node, "submit", duration(step.began), "", step.endpoint)
    if step.status in _ENDED:
        gave = ", ".join(figure.original or str(figure.path or figure.name) for figure in step.figures)
        ended, took = duration(step.ended), duration(step.seconds)
        yield (step.node, _ENDED[step.status], ended, took, step.message or gave)


def _plain(words: str) -> Markup:
    return element("span", words, style="white-space:nowrap")
