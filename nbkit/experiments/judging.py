"""Which is better, from judgements in pairs: Bradley and Terry's model, and how far the judges agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

_STEPS = 100
_SMALL = 1e-9
_PAIR = 2


@dataclass(frozen=True, slots=True)
class Ballot:
    """One judgement.

    Attributes:
        left: What was shown on the left side.
        right: What was shown on the right side.
        choice: `left`, `right` or `tie`.
        voter: Who judged, an empty string where nobody was named.
        pair: Which two pictures were judged, an empty string where that is not known.
    """

    left: str
    right: str
    choice: str
    voter: str = ""
    pair: str = ""

    def __post_init__(self) -> None:
        if self.choice not in ("left", "right", "tie"):
            raise InputError(f"a choice is 'left', 'right' or 'tie', not {self.choice!r:.40}", field="choice")
        if self.left == self.right:
            raise InputError(f"{self.left[:60]!r} cannot be judged against itself", field="right")


@dataclass(frozen=True, slots=True)
class Score:
    """How good something is beside the others.

    Attributes:
        name: What was judged.
        score: The logarithm of its strength; the mean of all is 0. One point more wins in 73 of 100 judgements.
        low: The lower end of the 95 % interval.
        high: The upper end of the 95 % interval.
        wins: How often it was preferred, a tie counting one half.
        judged: How often it was judged.
    """

    name: str
    score: float
    low: float
    high: float
    wins: float
    judged: int


def bradley_terry(ballots: Iterable[Ballot], *, prior: float = 0.5) -> list[Score]:
    """The strengths that make the judgements most likely, best first (Bradley & Terry 1952).

    A tie is half a win for both. Without a prior something that won every time would be infinitely strong.

    Args:
        ballots: The judgements.
        prior: That many wins and as many losses, against an opponent of mean strength, are taken for granted for each;
            0 for the bare maximum of likelihood.

    Raises:
        InputError: Without a prior, the judgements do not connect everything with everything, or something won or lost
            every time.
    """
    import numpy as np

    cast = list(ballots)
    names = sorted({name for ballot in cast for name in (ballot.left, ballot.right)})
    index = {name: number for number, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    for ballot in cast:
        left, right = index[ballot.left], index[ballot.right]
        share = {"left": 1.0, "right": 0.0, "tie": 0.5}[ballot.choice]
        wins[left, right] += share
        wins[right, left] += 1 - share
    strengths, spread = _fit(wins, prior)
    half = 1.96 * spread
    judged = (wins + wins.T).sum(axis=1)
    scores = [
        Score(name, float(s), float(s - h), float(s + h), float(won), round(float(count)))
        for name, s, h, won, count in zip(names, strengths, half, wins.sum(axis=1), judged, strict=True)
    ]
    return sorted(scores, key=lambda it: -it.score)


def _fit(wins: np.ndarray, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method for the logarithms of the strengths; gives them and their standard errors, about a mean of 0."""
    import numpy as np

    count = len(wins)
    games = wins + wins.T
    strengths = np.zeros(count)
    centre = np.eye(count) - 1 / max(count, 1)
    information = np.zeros((count, count))
    for _step in range(_STEPS):
        chance = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
        chance_prior = 1 / (1 + np.exp(-strengths))
        slope = (wins - games * chance).sum(axis=1) + prior * (1 - 2 * chance_prior)
        weight = games * chance * (1 - chance)
        information = np.diag(weight.sum(axis=1) + 2 * prior * chance_prior * (1 - chance_prior)) - weight
        move = np.linalg.pinv(information) @ slope
        longest = float(np.abs(move).max(initial=0.0))
        strengths += move / max(1.0, longest)
        if longest < _SMALL:
            return centre @ strengths, np.sqrt(np.diag(centre @ np.linalg.pinv(information) @ centre))
    raise InputError(
        "these judgements have no strengths: something won or lost every time, or was never compared with the rest",
        hint="judge more pairs, or leave the prior as it is",
    )


def preference_of_left(ballots: Iterable[Ballot]) -> tuple[float, int]:
    """How often the left side was preferred, ties left out, and how many judgements that are.

    Far from one half it tells that the side was judged, and not the picture.
    """
    choices = Counter(ballot.choice for ballot in ballots)
    decided = choices["left"] + choices["right"]
    return (choices["left"] / decided if decided else 0.5), decided


def agreement(ballots: Iterable[Ballot]) -> float:
    """How far voters agree about the same pairs: Krippendorff's alpha, 1 for always, 0 for no more than by chance.

    NaN where no pair was judged by two voters, or all said the same of everything.
    """
    pairs: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for ballot in ballots:
        preferred = {"left": ballot.left, "right": ballot.right, "tie": ""}[ballot.choice]
        names = sorted((ballot.left, ballot.right))
        side = "tie" if not preferred else str(names.index(preferred))
        pairs[ballot.pair, *names][ballot.voter] = side
    return nominal_alpha([list(votes.values()) for votes in pairs.values()])


def nominal_alpha(units: Sequence[Sequence[str]]) -> float:
    """Krippendorff's alpha for names: each unit has what its judges called it (Krippendorff 2011).

    NaN where it is not defined.
    """
    paired = [unit for unit in units if len(unit) >= _PAIR]
    total = sum(map(len, paired))
    names = Counter(name for unit in paired for name in unit)
    expected = total**2 - sum(count**2 for count in names.values())
    if not expected:
        return float("nan")
    observed = sum(
        (len(unit) ** 2 - sum(count**2 for count in Counter(unit).values())) / (len(unit) - 1)
        for unit in paired
    )
    return 1 - (total - 1) * observed / expected
