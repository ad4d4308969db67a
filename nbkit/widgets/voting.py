"""Two pictures and a question, again and again, without a word about which is which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import traitlets

from nbkit.display.escape import clean
from nbkit.display.figure import Figure, thumbnail
from nbkit.display.markup import element, faint
from nbkit.display.preview import preview
from nbkit.errors import NbkitError
from nbkit.widgets.attached import Attached, script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nbkit.display.escape import Markup

CHOICES = ("left", "right", "tie")
SIDES = ("left", "right")
_LONGEST = 1200
_LIMIT = 500_000  # bytes of a picture
_KEYS = "← left · → right · space as good as each other · u takes the last one back · 1 and 2 star a picture"


@dataclass(frozen=True, slots=True)
class Question:
    """Two pictures to choose from.

    Attributes:
        left: The file on the left side.
        right: The file on the right side.
        words: What they share.
        starred: The sides that have a star.
    """

    left: Path
    right: Path
    words: str = ""
    starred: tuple[str, ...] = ()


class Judging(Protocol):
    """Who asks, and keeps the answers."""

    @property
    def turn(self) -> int:
        """Another number for each question."""

    @property
    def question(self) -> Question | None:
        """What is asked now, None at the end."""

    @property
    def progress(self) -> tuple[int, int]:
        """How many were answered, and how many there are."""

    def cast(self, choice: str) -> None:
        """Take an answer: `left`, `right` or `tie`."""

    def undo(self) -> None:
        """Take the last answer back."""

    def star(self, side: str) -> None:
        """Star the picture of a side, or take its star away."""


class Voting(Attached):
    """Pairs of pictures to be judged one after the other.

    Attributes:
        state: What is shown: `turn`, `words`, `done`, `total`, `starred`, `problem` and more.
    """

    _esm = script("attach.js", "vote.js")
    state: Any = traitlets.Dict().tag(sync=True)

    def __init__(self, judging: Judging, **state: Any) -> None:
        self._judging = judging
        super().__init__(state=self._now(), **state)

    def ask(self, problem: str = "") -> None:
        """Show what is asked now, and what went wrong before."""
        self.state = self._now(problem)

    def still(self) -> tuple[str, Markup]:
        """How far it is, and the pair that is asked now."""
        done, total = self._judging.progress
        line = f"{done} of {total} pairs judged"
        question = self._judging.question
        if question is None:
            return line, element("div", line, style="font-size:13px")
        pair = (
            thumbnail(Figure(path, side, side), 256)
            for side, path in zip(SIDES, (question.left, question.right), strict=True)
        )
        row = element("div", *pair, style="display:flex;flex-wrap:wrap;gap:12px;margin:6px 0")
        about = element("div", line, *([" · ", faint(question.words)] if question.words else []))
        words = "\n".join(filter(None, (line, clean(question.words))))
        return words, element(
            "div", about, row, faint("it is judged where a kernel runs"), style="font-size:13px"
        )

    def answers(self) -> dict[str, Callable[[dict[str, Any], Sequence[Any]], None]]:
        """It sends the pictures of the question, and takes answers to it alone."""
        return {
            "pictures": self._send_pictures,
            "choice": lambda wish, _: self._take(wish, wish.get("choice"), CHOICES, self._judging.cast),
            "star": lambda wish, _: self._take(wish, wish.get("side"), SIDES, self._judging.star),
            "undo": lambda wish, _: self._take(wish, "", ("",), lambda _: self._judging.undo()),
        }

    def _take(
        self, wish: dict[str, Any], value: Any, allowed: Sequence[str], act: Callable[[str], None]
    ) -> None:
        # A key that was pressed twice is no answer to the next question.
        if wish.get("turn") != self._judging.turn or not isinstance(value, str) or value not in allowed:
            return
        try:
            act(value)
        except NbkitError as error:
            self.ask(clean(error))
        else:
            self.ask()

    def _send_pictures(self, wish: dict[str, Any], _buffers: Sequence[Any]) -> None:
        question = self._judging.question
        if question is None or wish.get("turn") != self._judging.turn:
            return
        try:
            pair = [preview(path, _LONGEST, limit=_LIMIT) for path in (question.left, question.right)]
        except NbkitError as error:
            self.ask(clean(error))
            return
        about = {"kind": "pictures", "turn": self._judging.turn, "types": [it.content_type for it in pair]}
        self.send(about, [it.data for it in pair])

    def _now(self, problem: str = "") -> dict[str, Any]:
        question = self._judging.question
        done, total = self._judging.progress
        return {
            "turn": self._judging.turn,
            "done": done,
            "total": total,
            "asks": question is not None,
            "words": clean(question.words) if question else "",
            "starred": list(question.starred) if question else [],
            "keys": _KEYS,
            "problem": problem,
        }
