from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbkit.display import steps
from nbkit.display.card import Card, bundle, html, text
from nbkit.display.expense import money, price, tokens
from nbkit.display.figure import Figure
from nbkit.display.outline import outline
from nbkit.display.state import point_in_time
from nbkit.display.step import Step

if TYPE_CHECKING:
    from tests.display.conftest import Paint

DRAW = Step("draw", "completed", "llm", title="图像生成", began=0.0, ended=1.5, seconds=1.5, tokens=1200)


def rows(page: str) -> list[str]:
    """The words of each row of a table."""
    found = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


def test_a_row_a_step() -> None:
    """Each step is one row: its title, its kind, when it was submitted and completed, what it took and used."""
    head, row = rows(steps.html(outline([replace(DRAW, price=0.0024, currency="USD")], 2.0)))

    assert head == "step started state took tokens cost"
    assert row == "图像生成 llm submit 0.00 s ✓ completion 1.5 s 1.5 s 1,200 $0.0024"


def test_columns_that_would_be_empty_are_left_out() -> None:
    """Tokens, cost and files have no column where no step has any; a price of nothing is none."""
    head, *_ = rows(steps.html(outline([Step("a", "completed", seconds=1.0, tokens=0, price=0.0)], 2.0)))

    assert head == "step started state took"


def test_the_state_of_a_step() -> None:
    """A step runs, is tried again, waits, failed, was handled, or was stopped; each looks different."""
    states = [
        Step("a"),
        Step("a", attempt=3),
        Step("a", "waiting"),
        Step("a", "failed", ended=1.0),
        Step("a", "exception", ended=1.0),
        Step("a", "stopped"),
    ]
    _, *found = rows(steps.html(outline(states, 2.0)))

    assert found == [
        "a ◐ running",
        "a ◐ retry 2",
        "a ◔ waiting",
        "a ✕ error 1.0 s",
        "a ! exception 1.0 s",
        "a ■ stopped",
    ]


def test_pictures_of_a_step_are_bounded(paint: Paint) -> None:
    """A step shows its first pictures and counts the others."""
    step = replace(DRAW, figures=tuple(Figure(paint(f"{number}.png")) for number in range(7)))
    page = steps.html(outline([step], 2.0))

    assert page.count("<img") == 4
    assert "and 3 more" in rows(page)[1]


def test_a_file_that_is_handed_on_is_shown_once(paint: Paint) -> None:
    """A step that gives what an earlier one made does not repeat its picture."""
    picture = Figure(paint(), sha256="aa")
    page = steps.html(outline([replace(DRAW, figures=(picture,)), replace(DRAW, figures=(picture,))], 2.0))

    assert page.count("<img") == 1
    assert steps.html(outline([replace(DRAW, figures=(Figure(paint()),))] * 2, 2.0)).count("<img") == 2


def test_twenty_steps_are_small() -> None:
    """A workflow of twenty steps adds less than 20 kB to a notebook, whatever columns it has."""
    step = replace(DRAW, title="Describe the picture", price=0.0123, currency="USD", began=1.0, ended=4.0)
    card = Card("dify/default", "succeeded", "346a48d4-a1be-408d-b6eb-5e67f4f3c889", 5.0, steps=(step,) * 20)

    assert len(bundle(card)["text/html"].encode()) < 20_000
    assert len(bundle(replace(card, steps=(step,) * 500))["text/html"].encode()) < 45_000


def test_a_terminal_has_aligned_columns_and_bars() -> None:
    """In a terminal the table is aligned, also with wide letters, and has the timeline beside it."""
    shown = outline([DRAW, Step("cut", began=1.5)], 3.0)
    lines = steps.text(shown).splitlines()

    assert [line.split()[-1] for line in lines[1:]] == ["█" * 12 + "·" * 12, "·" * 12 + "█" * 12]
    assert lines[0].split() == ["step", "started", "state", "took", "tokens", "timeline", "gave"]


def test_a_run_tells_its_totals() -> None:
    """The first line counts steps and tokens and sums up the cost."""
    parts = tuple(
        Step("part", "completed", parent="iter", tokens=100, price=0.25, currency="USD") for _ in range(3)
    )
    whole = Step("iter", "completed", tokens=300, price=0.75, currency="USD")
    card = Card("dify/default", "succeeded", seconds=5.0, steps=(whole, *parts))

    assert (tokens(card.steps), price(card.steps)) == (300, "$0.75")
    assert "5.0 s  4 steps  300 tokens  $0.75" in bundle(card)["text/plain"]
    assert "310 tokens" in bundle(replace(card, tokens=310))["text/plain"]


def test_money() -> None:
    """Dollars have their sign, other currencies their name, and each has its own sum."""
    mixed = (Step("a", price=0.1, currency="USD"), Step("b", price=2.0, currency="RMB"), Step("c", price=0.1))

    assert price(mixed) == "$0.2 + 2 RMB"
    assert (money(None), money(0.0), money(0.02, "EUR")) == ("", "$0", "0.02 EUR")


def test_a_partial_success_has_a_badge() -> None:
    """A run in which steps failed and were handled says so in its first line."""
    shown = bundle(Card("dify/default", "succeeded", is_partial=True))

    assert "⚠ partial" in shown["text/html"]
    assert "partial" in shown["text/plain"].splitlines()[0]
    assert "partial" not in bundle(Card("dify/default", "succeeded"))["text/html"]


def test_a_pause_says_until_when() -> None:
    """A run that waits for a person says for what, and when the service gives up."""
    shown = bundle(Card("dify/default", "running", waits_for="Ask: fine?", waits_until=1_795_426_452.0))

    for page in shown.values():
        assert "paused: Ask: fine? (until 2026-11-23 09:34 UTC)" in page
    assert point_in_time(None) == point_in_time(1e300) == point_in_time(float("nan")) == ""


@pytest.mark.parametrize("status", ["failed", "cancelled", "succeeded"])
def test_what_is_over_waits_for_nobody(status: str) -> None:
    """The card of a run that was paused and then ended does not say that it is paused."""
    card = Card("dify/a", "running", waits_for="a name")

    assert "paused" in text(card)
    assert "paused" not in text(replace(card, status=status)) + html(replace(card, status=status))


def test_a_narrow_terminal_has_no_room_for_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """In eighty columns the steps are a table without bars, rather than lines that are broken anywhere."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    card = Card("dify/a", "succeeded", steps=(Step("draw", "completed", began=0.0, ended=1.0, seconds=1.0),))
    monkeypatch.setenv("COLUMNS", "120")
    wide = text(card)
    monkeypatch.setenv("COLUMNS", "80")

    assert "█" in wide
    assert "█" not in text(card)
    assert "1.0 s" in text(card)
