from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import nbkit
from nbkit.errors import InputError, MediaError
from nbkit.experiments import read_ballots
from nbkit.experiments.voting import Vote, vote
from nbkit.widgets.voting import Voting
from tests.experiments.queue_service import ENDPOINT

if TYPE_CHECKING:
    from nbkit.experiments.sweep import Sweep
    from tests.experiments.conftest import MakeSweep

STYLES = ["ink", "oil", "chalk"]


def draw(given: dict[str, Any]) -> Image.Image | None:
    """A colour for each style and seed; one cell failed."""
    if (given["style"], given["seed"]) == ("oil", 3):
        return None
    return Image.new("RGB", (32, 32), (80 * STYLES.index(given["style"]), 40 * given["seed"], 0))


@pytest.fixture
def sweep(make_sweep: MakeSweep) -> Sweep:
    """Three styles, three seeds, one failure: seven pairs."""
    return make_sweep(draw, style=STYLES, seed=[1, 2, 3])


def shown(asked: Vote) -> tuple[str, str, int, int]:
    """The styles on the left and on the right side, and their seeds."""
    question = asked.question
    assert question is not None
    facts = []
    for path in (question.left, question.right):
        red, green, _ = Image.open(path).getpixel((0, 0))  # type: ignore[misc]
        facts.append((STYLES[red // 80], green // 40))
    (left, seed), (right, other) = facts
    return left, right, seed, other


def judge(asked: Vote) -> None:
    """Judge everything: ink is better than oil, and oil than chalk."""
    while asked.question:
        left, right, *_ = shown(asked)
        asked.cast("left" if STYLES.index(left) < STYLES.index(right) else "right")


def test_pairs_differ_in_one_value_alone(sweep: Sweep) -> None:
    """Two pictures of the same seed are shown, each pair once, on either side; a failed cell is in none."""
    pairs: list[tuple[str, str]] = []
    asked = vote(sweep, "style", voter="ann")
    while asked.question:
        left, right, seed, other = shown(asked)
        assert seed == other
        assert asked.question.words == f"seed {seed}"
        pairs.append((left, right))
        asked.cast("tie")

    assert asked.progress == (7, 7)
    assert sum("oil" in pair for pair in pairs) == 4
    sides = {shown(vote(sweep, "style", voter=str(number)))[0] for number in range(40)}
    assert sides == set(STYLES), "order and sides are drawn anew"


def test_ballots_are_kept_and_counted(sweep: Sweep) -> None:
    """Scores have the best value first; each ballot knows what was on which side."""
    asked = vote(sweep, "style", voter="ann")
    judge(asked)
    scores = asked.scores()

    assert [row["name"] for row in scores] == STYLES
    assert scores[0]["low"] < scores[0]["score"] < scores[0]["high"]
    assert sum(row["judged"] for row in scores) == 14
    assert read_ballots(asked.path) == asked.ballots
    assert scores.title.startswith("style: 7 ballots of 1 voter · left preferred in ")
    with pytest.raises(InputError, match="every pair is judged"):
        asked.cast("left")


def test_a_vote_goes_on_where_it_was(sweep: Sweep) -> None:
    """In the next kernel the voter is asked the rest, and another voter everything; their agreement is told."""
    first = vote(sweep, "style", voter="ann")
    first.cast("tie")
    again = vote(sweep, "style", voter="ann")
    assert again.progress == (1, 7)
    judge(again)
    other = vote(sweep, "style", voter="ben")
    assert other.progress == (0, 7)
    assert math.isnan(other.agreement())
    judge(other)

    assert len(other.ballots) == 14
    assert 0 < other.agreement() < 1, "they disagree about one pair"
    assert "14 ballots of 2 voters" in repr(other)


def test_undo_brings_the_pair_back(sweep: Sweep) -> None:
    """A slip is taken back: the same pair is asked again, and only its second ballot counts."""
    asked = vote(sweep, "style", voter="ann")
    before = asked.question
    asked.cast("left")
    asked.undo()
    asked.undo()

    assert asked.question == before
    assert (asked.ballots, read_ballots(asked.path)) == ([], [])


def test_a_judged_side_is_told(sweep: Sweep) -> None:
    """Who always takes the left side is told so."""
    asked = vote(sweep, "style", voter="ann")
    while asked.question:
        asked.cast("left")

    assert asked.preference_of_left() == (1.0, 7)
    assert "the side seems to have been judged" in asked.scores().title


def test_other_pictures_are_another_vote(sweep: Sweep, make_sweep: MakeSweep) -> None:
    """Ballots on pictures that are not in the sweep any more do not count."""
    judge(vote(sweep, "style", voter="ann"))
    other = Image.new("RGB", (8, 8))
    changed = make_sweep(
        lambda given: other.resize((len(given["style"]), 8)), style=["ink", "chalk"], seed=[1]
    )

    assert vote(changed, "style", voter="ann").ballots == []


def test_what_cannot_be_judged_is_one_error(sweep: Sweep, make_sweep: MakeSweep) -> None:
    """An axis that is not there, a sweep without pictures and equal pictures are told."""
    with pytest.raises(InputError, match="'styles' is no axis: there are style, seed"):
        vote(sweep, "styles")
    with pytest.raises(InputError, match="most is at least 1"):
        vote(sweep, "style", most=0)
    same = make_sweep(lambda _given: Image.new("RGB", (8, 8)), style=STYLES, seed=[1])
    with pytest.raises(InputError, match="no two pictures differ in style alone"):
        vote(same, "style")
    assert vote(sweep, "style", most=2, voter="x").progress == (0, 2)


def asked_by(panel: Voting, wish: Any) -> list[tuple[dict[str, Any], list[bytes]]]:
    """What a browser is sent when it says something."""
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    panel.send = lambda content, buffers=(): sent.append((content, list(buffers)))
    panel._handle_custom_msg(wish, [])
    return sent


def test_the_browser_judges_what_it_shows(sweep: Sweep) -> None:
    """A ballot counts for the pair that was shown; a key that was pressed twice is no answer to the next one."""
    asked = vote(sweep, "style", voter="ann")
    panel = Voting(asked)
    ((content, buffers),) = asked_by(panel, {"kind": "pictures", "turn": 0})
    assert (content["types"], len(buffers)) == (["image/webp"] * 2, 2)
    for _press in range(2):
        asked_by(panel, {"kind": "choice", "turn": 0, "choice": "left"})

    assert asked.progress == (1, 7)
    assert (panel.state["turn"], panel.state["done"]) == (1, 1)
    asked_by(panel, {"kind": "undo", "turn": 1})
    assert (panel.state["turn"], panel.state["done"]) == (2, 0)


@pytest.mark.parametrize(
    "wish",
    [
        None,
        {"kind": "choice"},
        {"kind": "choice", "turn": 0, "choice": "both"},
        {"kind": "choice", "turn": 0, "choice": ["left"]},
        {"kind": "choice", "turn": 9, "choice": "left"},
        {"kind": "star", "turn": 0, "side": "up"},
        {"kind": "pictures", "turn": "0"},
    ],
)
def test_a_browser_may_say_anything(sweep: Sweep, wish: Any) -> None:
    """What makes no sense is left alone."""
    asked = vote(sweep, "style", voter="ann")

    assert asked_by(Voting(asked), wish) == []
    assert asked.ballots == []


def test_what_goes_wrong_is_shown(sweep: Sweep) -> None:
    """A ballot that cannot be kept, or a star for a run that the history does not know, is told beside the pair."""
    asked = vote(sweep, "style", voter="ann")
    panel = Voting(asked)
    asked_by(panel, {"kind": "star", "turn": 0, "side": "left"})
    assert "no run of the history is called" in panel.state["problem"]
    asked.path.parent.mkdir(parents=True)
    asked.path.mkdir()
    asked_by(panel, {"kind": "choice", "turn": 0, "choice": "left"})
    assert "the ballot cannot be kept" in panel.state["problem"]
    assert asked.progress == (0, 7)
    with pytest.raises(MediaError):
        asked.cast("left")


def test_nothing_tells_which_is_which(sweep: Sweep) -> None:
    """What the browser gets, and what stays in the notebook, has no name of a style and no path."""
    asked = vote(sweep, "style", voter="ann")
    panel = Voting(asked)
    bundle, _ = asked._repr_mimebundle_()
    told = json.dumps(panel.get_state(), default=str) + json.dumps(bundle)
    told = told.replace(str(panel._esm), "").replace(str(panel._css), "")

    assert "0 of 7 pairs judged" in bundle["text/plain"]
    assert bundle["text/html"].count("<img") == 2
    for picture in bundle["text/html"].split("base64,")[1:]:
        assert b"RIFF" in base64.b64decode(picture.partition('"')[0])
    assert not [style for style in STYLES if f"{style}" in bundle["text/plain"]]
    assert "cell-" not in told
    assert str(sweep.cells[0].labels[0]) not in json.dumps(panel.state)


def test_stars_are_kept_in_the_history(client: nbkit.Client) -> None:
    """A star given while judging is the star of the run; a second one takes it away."""
    made = nbkit.Sweep(ENDPOINT, {"prompt": "a cat"}, {"steps": [4, 8]}, seeds=[1], client=client)
    made.run(show=False)
    asked = nbkit.vote(made, "steps", voter="ann")
    asked.star("left")
    assert asked.question
    assert asked.question.starred == ("left",)
    assert len(nbkit.history.search(starred=True)) == 1
    asked.star("left")
    assert len(nbkit.history.search(starred=True)) == 0
