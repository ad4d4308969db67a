"""What is wrong with a workflow: everything at once, each with its place and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbkit.display import table
from nbkit.display.escape import clean
from nbkit.display.expense import counted
from nbkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a workflow.

    Attributes:
        place: Where: `cut.image_url` is an input of the step `cut`, `input.seed` an input of the workflow.
        message: What, in a sentence.
        advice: What to do about it, or an empty string.
    """

    place: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f" → {self.advice}" if self.advice else "")


@dataclass(frozen=True)
class Report:
    """What a check of a workflow found. It shows itself as a table.

    Attributes:
        name: The workflow.
        problems: What keeps it from being run as it is meant.
        notes: What may be meant as it is, and what could not be checked.
    """

    name: str
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether there is no problem; there may be notes."""
        return not self.problems

    def adding(self, problems: Iterable[Problem]) -> Report:
        """The same with more problems."""
        return replace(self, problems=(*self.problems, *problems))

    def insist(self) -> None:
        """Do nothing where there is no problem.

        Raises:
            InputError: There are problems; all of them are told.
        """
        if self.problems:
            told = [str(problem) for problem in self.problems[:_MOST_TOLD]]
            if len(self.problems) > _MOST_TOLD:
                told.append(f"and {len(self.problems) - _MOST_TOLD} more")
            head = (
                f"workflow {self.name!r:.80} has {counted(len(self.problems), 'problem')}; nothing was sent"
            )
            raise InputError("\n  ".join((head, *told)), field=self.problems[0].place)

    def __str__(self) -> str:
        return clean("\n".join((self._title, *(f"{mark} {it}" for mark, it in self._marked))))

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        rows = [(mark, it.place, it.message, it.advice) for mark, it in self._marked]
        page = table.bundle(self._title, rows, ("", "where", "what", "what to do") if rows else ())
        return page | {"text/plain": str(self)}

    @property
    def _title(self) -> str:
        counts = [counted(len(self.problems), "problem"), counted(len(self.notes), "note")]
        return f"{self.name}: {', '.join(filter(None, counts)) or 'nothing is wrong with it'}"

    @property
    def _marked(self) -> list[tuple[str, Problem]]:
        return [("✕", it) for it in self.problems] + [("○", it) for it in self.notes]
