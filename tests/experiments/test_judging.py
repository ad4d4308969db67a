from __future__ import annotations

import math

import pytest

from nbkit.errors import InputError
from nbkit.experiments.judging import Ballot, agreement, bradley_terry, nominal_alpha, preference_of_left

# Baseball, American League, eastern division, 1987: wins of the row's team over the column's, and the estimates for
# them, Baltimore's being 0 (Agresti, Categorical Data Analysis, section 10.6).
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
WINS = (
    (0, 7, 9, 7, 7, 9, 11),
    (6, 0, 7, 5, 11, 9, 9),
    (4, 6, 0, 7, 7, 8, 12),
    (6, 8, 6, 0, 6, 7, 10),
    (6, 2, 6, 7, 0, 7, 12),
    (4, 4, 5, 6, 6, 0, 6),
    (2, 4, 1, 3, 1, 7, 0),
)
PUBLISHED = (1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0)
# Three coders and fifteen units, with gaps (Krippendorff's example): its alpha for names is 0.691.
CODED = (
    "* * * * * 3 4 1 2 1 1 3 3 * 3",
    "1 * 2 1 3 3 4 3 * * * * * * *",
    "* * 2 1 3 4 4 * 2 1 1 3 3 * 4",
)


def season() -> list[Ballot]:
    """A judgement for each game; the winner is now on the left and now on the right."""
    games = [
        (TEAMS[row], TEAMS[column])
        for row in range(7)
        for column in range(7)
        for _game in range(WINS[row][column])
    ]
    return [
        Ballot(won, lost, "left") if number % 2 else Ballot(lost, won, "right")
        for number, (won, lost) in enumerate(games)
    ]


def test_strengths_are_the_published_ones() -> None:
    """For a season of baseball the model gives what the textbook prints."""
    scores = bradley_terry(season(), prior=0)
    found = {it.name: it.score - scores[-1].score for it in scores}

    assert [it.name for it in scores] == list(TEAMS)
    assert [round(found[team], 2) for team in TEAMS] == list(PUBLISHED)
    assert sum(it.score for it in scores) == pytest.approx(0)
    assert (scores[0].wins, scores[0].judged) == (50, 78)


def test_intervals_become_narrower_with_more_judgements() -> None:
    """Four times as many judgements halve the width of an interval."""
    once, often = bradley_terry(season(), prior=0), bradley_terry(season() * 4, prior=0)

    assert (often[0].high - often[0].low) == pytest.approx((once[0].high - once[0].low) / 2)


def test_the_prior_keeps_strengths_finite() -> None:
    """What won every time is strong and not infinitely so; without the prior that is one error."""
    always = [Ballot("a", "b", "left")] * 5
    best, worst = bradley_terry(always)

    assert (best.name, worst.name) == ("a", "b")
    assert 0 < best.score < 3
    with pytest.raises(InputError, match="have no strengths"):
        bradley_terry(always, prior=0)
    assert bradley_terry([]) == []


def test_ties_count_half() -> None:
    """Ties alone leave both as strong as each other."""
    first, second = bradley_terry([Ballot("a", "b", "tie")] * 4)

    assert first.score == second.score == pytest.approx(0)
    assert (first.wins, first.judged) == (2, 4)


def test_agreement_is_the_published_one() -> None:
    """Krippendorff's alpha of his own example comes out as he prints it."""
    coders = [row.split() for row in CODED]
    units = [[row[unit] for row in coders if row[unit] != "*"] for unit in range(15)]

    assert nominal_alpha(units) == pytest.approx(0.691, abs=0.0005)


def test_voters_agree_whichever_side_they_saw() -> None:
    """The same picture preferred on either side is agreement; opposite choices are less than chance."""
    same = [
        Ballot("a", "b", "left", "ann"),
        Ballot("b", "a", "right", "ben"),
        Ballot("c", "d", "right", "ann"),
        Ballot("d", "c", "left", "ben"),
        Ballot("e", "f", "left", "ann"),
        Ballot("e", "f", "left", "ben"),
    ]
    opposite = [
        Ballot(first, second, choice, voter)
        for first, second in (("a", "b"), ("c", "d"))
        for choice, voter in (("left", "ann"), ("right", "ben"))
    ]

    assert agreement(same) == 1.0
    assert agreement(opposite) < 0
    assert math.isnan(agreement(same[:1]))


def test_a_bias_to_one_side_is_told() -> None:
    """Whoever always takes the left side judged the side."""
    assert preference_of_left([Ballot("a", "b", "left")] * 9 + [Ballot("a", "b", "tie")]) == (1.0, 9)
    assert preference_of_left([]) == (0.5, 0)


def test_a_ballot_is_a_choice_between_two() -> None:
    """Something else than left, right or tie, or the same twice, is one error."""
    with pytest.raises(InputError, match="not 'both'"):
        Ballot("a", "b", "both")
    with pytest.raises(InputError, match="against itself"):
        Ballot("a", "a", "left")
