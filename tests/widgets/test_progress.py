from __future__ import annotations

from pathlib import Path

import pytest

from nbkit.display.card import Card, bundle
from nbkit.model.event import (
    Event,
    Failed,
    Log,
    Output,
    Paused,
    Queued,
    Started,
    StepFinished,
    StepStarted,
    Unrecognised,
)
from nbkit.model.media import Media
from nbkit.widgets.progress import advance
from tests.dify_recordings import STREAMS, read, recording

PICTURE = Media("http://x/a.png", "image/png", path=Path("/store/a.png"))


def after(*events: Event) -> Card:
    """The card after some events."""
    return advance(Card("a/b"), events, began=100.0)


def test_queue_and_start_are_told() -> None:
    """The place in the queue shows until work begins."""
    assert after(Queued(3)).position == 3
    assert after(Queued(3), Queued(1)).position == 1
    started = after(Queued(0), Started())
    assert (started.status, started.position) == ("running", None)


def test_logs_are_kept_in_order() -> None:
    """Every printed line is there, oldest first."""
    assert after(Log("one"), Started(), Log("two")).logs == ("one", "two")


@pytest.mark.parametrize(
    ("line", "progress"),
    [(" 45%|████▌     | 9/20 [00:01<00:02]", 0.45), ("100%|██|", 1.0), ("50% of users", None)],
)
def test_a_progress_bar_in_the_logs_moves_the_bar(line: str, progress: float | None) -> None:
    """What `tqdm` prints on the other side is progress here."""
    assert after(Log(line)).progress == progress


def test_a_step_knows_when_it_began_and_ended() -> None:
    """A step goes from submitted to completed, with its time and its files."""
    card = after(
        StepStarted("scene", "local/collage", at=101.0),
        StepStarted("other", at=101.5),
        StepFinished("scene", {}, media=(PICTURE,), at=103.0),
    )

    scene, other = card.steps
    assert (scene.status, scene.began, scene.ended, scene.seconds) == ("completed", 1.0, 3.0, 2.0)
    assert scene.endpoint == "local/collage"
    assert scene.figures[0].path == PICTURE.path
    assert other.status == "submitted"


def test_a_step_that_runs_again_is_another_step() -> None:
    """A loop in a workflow gives one row a turn."""
    turn = (StepStarted("scene", at=101.0), StepFinished("scene", {}, at=102.0))
    card = after(*turn, *turn)

    assert [step.status for step in card.steps] == ["completed", "completed"]


def test_an_end_without_a_beginning_still_counts() -> None:
    """A step whose beginning nobody saw appears when it ends."""
    step = after(StepFinished("scene", {}, at=102.0)).steps[0]

    assert (step.status, step.began, step.seconds, step.ended) == ("completed", None, None, 2.0)


def test_a_failed_step_is_marked() -> None:
    """The step that failed says why; a failure of the whole run marks no step."""
    card = after(StepStarted("scene", at=101.0), Failed("too large", node="scene", at=102.0))

    assert (card.steps[0].status, card.steps[0].message, card.steps[0].seconds) == (
        "failed",
        "too large",
        1.0,
    )
    assert after(Failed("broken")).steps == ()


def test_intermediate_pictures_replace_each_other() -> None:
    """A stream shows its newest pictures, and counts what it gave."""
    later = Media("http://x/b.png", path=Path("/store/b.png"))
    card = after(
        Output({"progress": 0.5}, media=(PICTURE,), at=101.0),
        Output({}, final=True, media=(later,), at=102.0),
    )

    assert [figure.path for figure in card.figures] == [later.path]
    assert card.progress == 0.5
    assert card.output_at == 2.0
    assert card.events == (("1.0 s", "output", "1 file"), ("2.0 s", "output", "1 file · final"))


def test_an_output_without_files_keeps_the_pictures() -> None:
    """A last event that carries only numbers does not take the picture away."""
    assert after(Output({}, media=(PICTURE,)), Output({"seed": 1}, final=True)).figures


def test_what_nobody_knows_is_kept() -> None:
    """An event without a name here is listed with its own."""
    assert after(Unrecognised("heartbeat", raw={"a": 1}, at=101.0)).events == (
        ("1.0 s", "heartbeat", "{'a': 1}"),
    )


def test_a_warning_is_shown_unfolded() -> None:
    """What a reader must not miss stands on the card itself, not in the folded lines alone."""
    card = advance(Card("a/b"), [Log("seed is ignored", level="WARNING"), Log("step 1")])

    assert card.warnings == ("seed is ignored",)
    page = bundle(card)["text/html"]
    assert page.index("seed is ignored") < page.index("<details")
    assert "warning: seed is ignored" in bundle(card)["text/plain"]


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_workflow_makes_a_card(name: str) -> None:
    """Every step of a recorded run stands on its card, marked as it ended."""
    reader, events = read(recording(name))
    card = after(*events)
    begun = [event for event in events if isinstance(event, StepStarted)]

    assert len(card.steps) == len(begun)
    if reader.outcome and reader.outcome.is_well:
        assert {step.status for step in card.steps} == {"completed"}
    if reader.node:
        assert [step.node for step in card.steps if step.status == "failed"] == [reader.node]


def test_a_pause_is_kept() -> None:
    """A run that waits for a person leaves a line that says for what."""
    assert after(Paused("Ask waits for a person", at=101.0)).events == (
        ("1.0 s", "paused", "Ask waits for a person"),
    )


def test_a_step_has_the_title_that_its_author_gave_it() -> None:
    """Beside its id, a step shows its title where it has one."""
    step = StepStarted("n1", "http-request", title="Fetch image")

    assert after(step).steps[0].endpoint == "Fetch image"
    assert (
        after(step, StepFinished("n1", {}, "http-request", title="Fetch image")).steps[0].endpoint
        == "Fetch image"
    )
