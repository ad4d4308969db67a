"""Judging the pictures of a sweep in pairs, inside the notebook, without knowing which is which."""

from __future__ import annotations

import getpass
import hashlib
import itertools
import random
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nbkit.config import data_dir
from nbkit.errors import InputError
from nbkit.experiments.ballots import BallotBox
from nbkit.experiments.judging import Ballot, agreement, bradley_terry, preference_of_left
from nbkit.experiments.numbers import Numbers
from nbkit.history.marks import star, unstar
from nbkit.widgets.voting import Question

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nbkit.experiments.plan import Cell
    from nbkit.experiments.sweep import Sweep
    from nbkit.widgets.voting import Voting

_SURE = 0.05


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture that is judged."""

    name: str
    path: Path
    sha256: str
    request_id: str


@dataclass(frozen=True, slots=True)
class _Pair:
    left: _Seen
    right: _Seen
    words: str

    @property
    def id(self) -> str:
        return "-".join(sorted((self.left.sha256[:16], self.right.sha256[:16])))

    def ballot(self, choice: str, voter: str) -> Ballot:
        return Ballot(self.left.name, self.right.name, choice, voter, self.id)


class Vote:
    """A vote between the values of an axis: two pictures at a time that share all else, the seed, too.

    Each ballot is on the disk before the next pair is shown. Asked again, in another kernel or by another voter, the
    vote goes on: a pair that a voter judged is not shown to them again.

    Attributes:
        by: The axis.
        voter: Who judges.
        path: The file of the ballots.
    """

    def __init__(self, pairs: Sequence[_Pair], most: int | None, by: str, voter: str, path: Path) -> None:
        self.by = by
        self.voter = voter
        self.path = path
        self._box = BallotBox(path)
        self._pairs = {pair.id for pair in pairs}
        judged = {ballot.pair for ballot in self.ballots if ballot.voter == voter}
        chosen = pairs[:most]
        self._waiting = [pair for pair in chosen if pair.id not in judged]
        self._total = len(chosen)
        self._turn = 0
        self._judged: list[_Pair] = []
        self._starred: set[str] = set()
        self._panel: Voting | None = None

    @property
    def ballots(self) -> list[Ballot]:
        """Every ballot on these pictures, oldest first: of all voters and all kernels of this machine."""
        return [ballot for ballot in self._box.ballots if ballot.pair in self._pairs]

    @property
    def turn(self) -> int:
        """Another number for each question of this kernel."""
        return self._turn

    @property
    def progress(self) -> tuple[int, int]:
        """How many pairs this voter judged, and how many there are."""
        return self._total - len(self._waiting), self._total

    @property
    def question(self) -> Question | None:
        """The pair that is to be judged now, None where all are."""
        if not self._waiting:
            return None
        pair = self._waiting[-1]
        sides = (("left", pair.left), ("right", pair.right))
        starred = tuple(side for side, seen in sides if seen.request_id in self._starred)
        return Question(pair.left.path, pair.right.path, pair.words, starred)

    def cast(self, choice: str) -> None:
        """Judge the pair: `left`, `right` or `tie`.

        Raises:
            InputError: It is no choice, or every pair is judged.
            MediaError: The ballot cannot be kept; the pair stays.
        """
        if not self._waiting:
            raise InputError("every pair is judged")
        self._box.add(self._waiting[-1].ballot(choice, self.voter))
        self._judged.append(self._waiting.pop())
        self._ask()

    def undo(self) -> None:
        """Take the last ballot of this kernel back; its pair is shown again.

        Raises:
            MediaError: That cannot be kept; the ballot still counts.
        """
        if self._box.undo():
            self._waiting.append(self._judged.pop())
            self._ask()

    def star(self, side: str) -> None:
        """Star the run of the picture on a side (`left`, `right`) in the history, or take its star away.

        Raises:
            InputError: The history does not know the run.
            ConfigError: The history cannot be written.
        """
        if self._waiting:
            pair = self._waiting[-1]
            request_id = (pair.left if side == "left" else pair.right).request_id
            (unstar if request_id in self._starred else star)(request_id)
            self._starred ^= {request_id}

    def scores(self) -> Numbers:
        """How good each value is beside the others (Bradley & Terry's model), best first, with 95 % intervals."""
        rows = [asdict(score) for score in bradley_terry(self.ballots)]
        return Numbers(f"{self.by}: {self._about()}", list(rows[0]) if rows else [], rows)

    def agreement(self) -> float:
        """How far voters agree about the same pairs: 1 for always, 0 for no more than by chance, NaN where unknown."""
        return agreement(self.ballots)

    def preference_of_left(self) -> tuple[float, int]:
        """How often the left side was preferred, and in how many judgements; far from one half, the side was judged."""
        return preference_of_left(self.ballots)

    def _ask(self) -> None:
        self._turn += 1
        if self._panel:
            self._panel.ask()

    def _about(self) -> str:
        voters = len({ballot.voter for ballot in self.ballots})
        share, decided = self.preference_of_left()
        words = [
            f"{len(self.ballots)} ballots of {voters} {'voter' if voters == 1 else 'voters'}",
            f"left preferred in {round(share * decided)} of {decided}" if decided else "",
            "the side seems to have been judged, not the picture" if _is_biased(share, decided) else "",
        ]
        return " · ".join(filter(None, words))

    def _repr_mimebundle_(self, **choice: Any) -> Any:
        from nbkit.widgets.voting import Voting

        if self._panel is None:
            self._panel = Voting(self)
        return self._panel._repr_mimebundle_(**choice)

    def __repr__(self) -> str:
        return f"<Vote on {self.by}: {self.progress[0]} of {self.progress[1]} pairs judged; {self._about()}>"


def vote(sweep: Sweep, by: str, *, voter: str | None = None, most: int | None = None) -> Vote:
    """Judge the pictures of a sweep in pairs, without knowing which is which.

    Two pictures that differ in the value of one axis are shown, in random order and on random sides.

    Args:
        sweep: A sweep that ran.
        by: The axis whose values are judged.
        voter: Who judges; the name of this machine's user where none is given.
        most: How many pairs, drawn at random; all where it is not given.

    Raises:
        InputError: There is no such axis, or no two pictures that share all else.
        MediaError: Ballots that were kept earlier cannot be read.
    """
    names = [axis.name for axis in sweep.plan.axes]
    if by not in names:
        raise InputError(f"{by!r:.60} is no axis: there are {', '.join(names) or 'none'}", field="by")
    if most is not None and most < 1:
        raise InputError(f"most is at least 1, not {most!r:.40}", field="most")
    pairs = _pairs(sweep, names.index(by))
    if not pairs:
        raise InputError(f"no two pictures differ in {by} alone", field="by", hint="run the sweep first")
    question = hashlib.sha256(f"{sweep.id}\0{by}".encode("utf-8", "replace")).hexdigest()[:16]
    return Vote(
        pairs, most, by, _user() if voter is None else voter, data_dir() / "ballots" / f"{question}.jsonl"
    )


def _pairs(sweep: Sweep, axis: int) -> list[_Pair]:
    """Every two different pictures that share all but one value, in random order and on random sides."""
    groups: dict[tuple[int, ...], list[_Seen]] = {}
    words: dict[tuple[int, ...], str] = {}
    for cell, outcome in sweep:
        if outcome and outcome.image and outcome.image.path:
            rest = (*cell.position[:axis], *cell.position[axis + 1 :])
            image, name = outcome.image, cell.labels[axis]
            groups.setdefault(rest, []).append(
                _Seen(name, outcome.image.path, image.sha256, outcome.request_id)
            )
            words[rest] = _shared(sweep, cell, axis)
    made = [
        _Pair(*_on_random_sides(one, other), words[rest])
        for rest, seen in groups.items()
        for one, other in itertools.combinations(seen, 2)
        if one.sha256 != other.sha256
    ]
    random.shuffle(made)
    return made


def _on_random_sides(one: _Seen, other: _Seen) -> tuple[_Seen, _Seen]:
    return (one, other) if random.random() < 0.5 else (other, one)  # noqa: S311, PLR2004 - a coin


def _shared(sweep: Sweep, cell: Cell, axis: int) -> str:
    return " · ".join(
        f"{other.name} {cell.labels[number]}"
        for number, other in enumerate(sweep.plan.axes)
        if number != axis and len(other) > 1
    )


def _is_biased(share: float, decided: int) -> bool:
    if not decided:
        return False
    from scipy.stats import binomtest

    return bool(binomtest(round(share * decided), decided).pvalue < _SURE)


def _user() -> str:
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return ""
