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
from nbkit.model.progress import advance
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
    source = recording(name)
    reader, events = read(source)
    card = after(*events)
    begun = [event for event in events if isinstance(event, StepStarted)]
    handled = [it for it in source.events if it.get("data", {}).get("status") == "exception"]

    assert len(card.steps) == len(begun)
    if reader.outcome and reader.outcome.is_well:
        assert [step.status for step in card.steps if step.status != "completed"] == ["exception"] * len(
            handled
        )
        assert card.is_partial is (reader.outcome.status == "partial-succeeded")
    if reader.node:
        assert [step.node for step in card.steps if step.status == "failed"] == [reader.node]


def test_a_failed_step_is_told_once_and_by_its_own_words() -> None:
    """The end of the run repeats the failure of its step; the card keeps what the step itself said."""
    card = after(
        StepStarted("n", at=101.0),
        StepFinished("n", None, status="failed", message="429 from the model", seconds=0.5, at=102.0),
        Failed("the run failed", node="n", at=102.1),
    )

    assert [(step.status, step.message) for step in card.steps] == [("failed", "429 from the model")]


def test_a_step_takes_what_the_service_measured() -> None:
    """Seconds, tokens and price of a step are the service's own."""
    card = after(
        StepStarted("n", at=101.0),
        StepFinished("n", {}, seconds=1.5, tokens=120, price=0.002, currency="USD", at=103.0),
    )
    (step,) = card.steps

    assert (step.seconds, step.tokens, step.price, step.currency) == (1.5, 120, 0.002, "USD")
    assert (step.began, step.ended) == (1.0, 3.0)


def test_events_that_were_held_back_keep_their_lengths() -> None:
    """Where all events come at once, as after a lost connection, steps stand where the service says they ran."""
    card = after(
        Started(at=100.0),
        StepStarted("a", since=0.0, at=160.0),
        StepFinished("a", {}, seconds=20.5, since=20.0, at=160.0),
        StepStarted("b", since=20.0, at=160.1),
        StepFinished("b", {}, seconds=39.0, since=59.0, at=160.1),
        StepStarted("c", since=59.0, at=160.2),
    )

    assert [step.began for step in card.steps] == [0.0, 20.0, pytest.approx(60.2)]
    assert [step.ended for step in card.steps] == [20.5, pytest.approx(60.1), None]


def test_steps_after_a_long_upload_stand_where_they_were_noticed() -> None:
    """The service's clock begins when the workflow does, which may be long after the call."""
    card = after(
        Started(at=130.0), StepStarted("a", since=0.0, at=130.5), StepFinished("a", {}, since=2.0, at=133.0)
    )

    assert [(step.began, step.ended) for step in card.steps] == [(30.5, 33.0)]


def test_a_try_again_is_the_same_step() -> None:
    """A step that is tried again keeps its row and its beginning."""
    card = after(
        StepStarted("n", request_id="r", at=101.0), StepStarted("n", request_id="r", attempt=2, at=103.0)
    )

    assert [(step.attempt, step.began, step.status) for step in card.steps] == [(2, 1.0, "submitted")]


def test_parallel_rounds_end_by_their_own_ids() -> None:
    """Of two rounds of a step that run at the same time each has its own end."""
    card = after(
        StepStarted("n", request_id="r1", parent="iter", index=0, at=101.0),
        StepStarted("n", request_id="r2", parent="iter", index=1, at=101.0),
        StepFinished("n", {}, request_id="r1", index=0, at=102.0),
    )

    assert [step.status for step in card.steps] == ["completed", "submitted"]
    assert [(step.parent, step.index) for step in card.steps] == [("iter", 0), ("iter", 1)]


def test_a_pause_says_for_what_and_until_when() -> None:
    """The step that asks waits, and what is asked stays until the run goes on."""
    question = Paused("Ask waits for a person: fine?", "ask", 1_000_000.0)
    card = after(StepStarted("ask"), question, Paused("the workflow is paused", "ask"))

    assert card.steps[0].status == "waiting"
    assert (card.waits_for, card.waits_until) == (question.message, 1_000_000.0)
    again = advance(card, [StepFinished("ask", {})])
    assert (again.waits_for, again.waits_until, again.steps[0].status) == ("", None, "completed")


def test_a_pause_is_kept() -> None:
    """A run that waits for a person leaves a line that says for what."""
    assert after(Paused("Ask waits for a person", at=101.0)).events == (
        ("1.0 s", "paused", "Ask waits for a person"),
    )


def test_a_step_has_the_title_that_its_author_gave_it() -> None:
    """Beside its id, a step shows its title where it has one."""
    step = StepStarted("n1", "http-request", title="Fetch image")

    (begun,) = after(step).steps
    (ended,) = after(step, StepFinished("n1", {}, "http-request", title="Fetch image")).steps
    assert (begun.title, begun.endpoint) == (ended.title, ended.endpoint) == ("Fetch image", "http-request")
