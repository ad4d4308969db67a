from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbkit.display.card import Card, bundle, html, text
from nbkit.display.figure import Figure
from nbkit.display.output import rows
from nbkit.display.state import duration
from nbkit.display.step import Step

if TYPE_CHECKING:
    from tests.display.conftest import Paint

DONE = Card(
    "fal-ai/flux/schnell", "succeeded", "request-1", 1.24, output={"seed": 42, "images": [{"url": "x"}]}
)


def words(page: str) -> str:
    """The text of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_card_tells_what_ran_how_it_ended_and_how_long_it_took() -> None:
    """Endpoint, state, seconds, request id and seed can be read in the page and in a terminal."""
    shown = bundle(DONE)

    for fact in ("fal-ai/flux/schnell", "succeeded", "1.2 s", "request-1", "seed", "42"):
        assert fact in words(shown["text/html"])
        assert fact in shown["text/plain"]


def test_a_card_without_pictures_is_tiny() -> None:
    """What a run adds to a notebook besides its previews is a few kilobytes at most."""
    assert len(bundle(DONE)["text/html"]) < 2_500


def test_a_stand_in_is_always_named() -> None:
    """Nobody can take the picture of a local model for that of the endpoint that was asked."""
    shown = bundle(replace(DONE, stand_in="local/collage"), "none")

    assert "stand-in: local/collage answered" in words(shown["text/html"])
    assert "stand-in: local/collage answered" in shown["text/plain"]


def test_unknown_cost_is_not_shown_as_nothing() -> None:
    """A cost appears only when it is known, and nothing is not the same as unknown."""
    assert "$" not in text(DONE)
    assert "$0.003" in text(replace(DONE, cost=0.003))
    assert "$0" in text(replace(DONE, cost=0.0))


def test_every_state_has_its_own_shape() -> None:
    """Success, failure, cancellation and doubt differ without colours."""
    marks = {
        text(Card("a/b", status))[0]
        for status in ("queued", "running", "succeeded", "failed", "cancelled", "unknown")
    }

    assert len(marks) == 6


def test_a_workflow_shows_submit_completion_and_output(paint: Paint) -> None:
    """Each step says when it was submitted and completed, and has its picture; the last row is the `output`."""
    steps = tuple(
        Step(
            node,
            "completed",
            f"local/{node}",
            seconds=1.0,
            figures=(Figure(paint(f"{node}.png")),),
            began=at,
            ended=at + 1,
        )
        for at, node in enumerate(("collage", "cutout", "sticker"))
    )
    shown = bundle(Card("workflows/me/poster", "succeeded", steps=steps, output_at=3.1))

    page = words(shown["text/html"])
    assert page.count("submit") == page.count("completion") == shown["text/html"].count("<img") == 3
    first, second = (page.index(f"{node} local/{node} submit") for node in ("collage", "cutout"))
    assert first < second < page.index("output ✓ 3.1 s")
    assert shown["text/plain"].count("completion") == 3


def test_a_failed_step_says_why() -> None:
    """The step that failed carries its message."""
    failed = Step(
        "upscale",
        "failed",
        "local/upscale",
        message="the picture is too large",
        began=1.0,
        ended=1.5,
        seconds=0.5,
    )

    assert "✕ error 1.5 s 0.5 s the picture is too large" in words(
        html(Card("workflows/a/b", "failed", steps=(failed,)))
    )


def test_logs_and_events_are_folded() -> None:
    """What a model printed is there, behind a click."""
    events = (("0.1 s", "output", "1 file"), ("0.2 s", "output", "1 file · final"))
    page = html(replace(DONE, logs=("step 1", "step 2"), events=events))

    assert page.count("<details") == 2
    assert "logs (2) step 1 step 2" in words(page)
    assert "events (2)" in words(page)
    assert "events" not in html(replace(DONE, events=events[:1]))


def test_endless_logs_keep_their_end() -> None:
    """Of a hundred thousand lines the newest are kept."""
    page = html(replace(DONE, logs=tuple(f"line {number}" for number in range(100_000))))

    assert "line 99999" in page
    assert len(page) < 20_000


@pytest.mark.parametrize(
    ("show", "pictures", "tables"),
    [("all", 1, True), ("images", 1, False), ("table", 0, True), ("none", 0, False)],
)
def test_what_is_shown_can_be_chosen(paint: Paint, show: str, pictures: int, *, tables: bool) -> None:
    """Pictures and tables can be left out."""
    page = html(replace(DONE, figures=(Figure(paint()),)), show)

    assert page.count("<img") == pictures
    assert ("<table" in page) is tables


def test_a_waiting_run_tells_its_place() -> None:
    """A queued run says how many are ahead, a running one how far it is."""
    assert "3 ahead" in text(Card("a/b", "queued", position=3))
    assert "next in line" in text(Card("a/b", "queued", position=0))
    assert "45%" in text(Card("a/b", "running", progress=0.45, position=3))
    assert "ahead" not in text(Card("a/b", "running", position=3))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.04 s"),
        (1.24, "1.2 s"),
        (125.0, "2:05 min"),
        (59.96, "60.0 s"),
        (3720.0, "1:02 h"),
        (-1.0, "0.00 s"),
        (None, ""),
    ],
)
def test_durations_read_naturally(seconds: float | None, words: str) -> None:
    """Seconds, minutes and hours are written as people say them."""
    assert duration(seconds) == words


def test_output_becomes_one_value_a_row() -> None:
    """Scalars become rows by their dotted names; files and empty values do not."""
    given = {
        "images": [{"url": "https://x/1.png", "width": 5}],
        "image": "data:image/png;base64,AAAA",
        "old": [{"__variant": "FileVar", "tenant_id": "t", "related_id": "r", "filename": "a.png"}],
        "seed": 7,
        "timings": {"inference": 0.123456789, "queue": 1},
        "nsfw": [False, True],
        "boxes": [{"label": "cat", "score": 0.5}],
        "description": "",
        "extra": None,
    }

    assert rows(given) == [
        ("seed", "7"),
        ("timings.inference", "0.123457"),
        ("timings.queue", "1"),
        ("nsfw", "[false, true]"),
        ("boxes.0.label", "cat"),
        ("boxes.0.score", "0.5"),
    ]


def test_a_plain_output_is_a_row_of_its_own() -> None:
    """A model that answers with one sentence shows that sentence."""
    assert rows("a cat on a beach") == [("output", "a cat on a beach")]


def test_an_output_of_a_thousand_values_is_counted() -> None:
    """A huge output shows its beginning and says how much is left."""
    assert rows({str(number): number for number in range(1000)})[-1] == ("…", "960 more values")
