from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from nbkit.display.outline import Span, outline
from nbkit.display.step import Step, left

NODES = st.sampled_from(["", "a", "b", "c", "iter"])
TIMES = st.none() | st.floats(0, 1e6)
STEPS = st.builds(
    Step,
    node=NODES,
    status=st.sampled_from(["submitted", "waiting", "completed", "failed", "exception", "odd"]),
    seconds=TIMES,
    began=TIMES,
    ended=TIMES,
    parent=NODES,
    index=st.none() | st.integers(0, 300),
)


def ended(node: str, began: float, end: float, **more: object) -> Step:
    """A step that went well."""
    return Step(node, "completed", began=began, ended=end, seconds=end - began, **more)  # type: ignore[arg-type]


def rounds(count: int, **last: object) -> list[Step]:
    """An iteration of so many rounds, a second each."""
    parts = [ended("part", at, at + 1, parent="iter", index=at) for at in range(count - 1)]
    final = Step("part", **{"began": count - 1.0, "parent": "iter", "index": count - 1, **last})  # type: ignore[arg-type]
    return [ended("iter", 0, count), *parts, final]


def test_parts_stand_below_their_whole() -> None:
    """Steps of an iteration follow it, further in, even where others began between them."""
    steps = [
        ended("iter", 0, 3),
        ended("other", 0, 1),
        ended("part", 1, 2, parent="iter", index=0),
    ]

    rows = outline(steps, 3.0).rows
    assert [(row.step.node, row.depth) for row in rows] == [("iter", 0), ("part", 1), ("other", 0)]


def test_few_rounds_are_shown_and_many_are_one_row() -> None:
    """Up to six rounds stand one by one; of more, each is a segment of their whole."""
    few = outline(rounds(6, status="completed", ended=6.0), 6.0)
    many = outline(rounds(7, status="completed", ended=7.0), 7.0)

    assert len(few.rows) == 7
    assert [len(row.spans) for row in few.rows] == [1] * 7
    assert [(row.step.node, row.rounds) for row in many.rows] == [("iter", 7)]
    assert many.rows[0].spans == tuple(Span(at, at, at + 1, "completed") for at in range(7))


@pytest.mark.parametrize("status", ["failed", "exception", "submitted", "waiting"])
def test_what_goes_on_or_went_wrong_is_never_folded(status: str) -> None:
    """Among many rounds, the one that failed or goes on has a row, and its segment says so."""
    shown = outline(rounds(12, status=status), 12.0)

    assert [row.step.status for row in shown.rows] == ["completed", status]
    assert shown.rows[0].spans[-1].status == status
    assert shown.rows[1].kind == "round 12"


def test_a_thousand_rounds_are_a_few_segments() -> None:
    """Neighbouring rounds are taken together where there are too many to be seen."""
    (row,) = outline(rounds(1000, status="completed", ended=1000.0), 1000.0).rows

    assert row.rounds == 1000
    assert len(row.spans) <= 60
    assert (row.spans[0].began, row.spans[-1].ended) == (0.0, 1000.0)


def test_hundreds_of_steps_are_bounded() -> None:
    """Of very many steps those that failed, go on or took long are shown, in their order, and the rest is counted."""
    steps = [ended(f"n{at}", at, at + 0.1) for at in range(400)]
    steps[300] = Step("bad", "failed", began=300.0, ended=300.1)
    steps[301] = Step("now", began=301.0)
    steps[5] = ended("long", 5, 50)
    shown = outline(steps, 400.0)

    assert len(shown.rows) + shown.hidden == 400
    assert shown.hint == f"and {shown.hidden} more"
    names = [row.step.node for row in shown.rows]
    assert [name for name in names if not name.startswith("n") or name == "now"] == ["long", "bad", "now"]


def test_the_time_before_the_work_is_waiting() -> None:
    """Where a service says how long it worked, what was before that was waiting."""
    queued = Step("n", "completed", began=1.0, ended=5.0, seconds=1.5)

    assert outline([queued], 5.0).rows[0].spans == (Span(1.0, 3.5, 5.0, "completed"),)
    assert outline([Step("ask", "waiting", began=1.0)], 9.0).rows[0].spans == (
        Span(1.0, 9.0, 9.0, "waiting"),
    )


def test_steps_left_open_end_with_their_run() -> None:
    """When a run was stopped or failed, no step goes on; what was never told is unknown."""
    steps = (Step("done", "completed"), Step("open"), Step("ask", "waiting"))

    assert [step.status for step in left(steps, "cancelled")] == ["completed", "stopped", "stopped"]
    assert [step.status for step in left(steps, "unknown")] == ["completed", "unknown", "unknown"]
    assert left(steps, "running") == steps


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=60), st.floats(0, 1e6))
def test_any_steps_have_an_outline(steps: list[Step], now: float) -> None:
    """Whatever steps say of each other, each row has its place in time, and none of what went wrong is lost."""
    shown = outline(steps, now)

    for row in shown.rows:
        for span in row.spans:
            assert 0 <= span.began <= span.worked <= span.ended <= shown.end
    bad = [step for step in steps if not step.is_well]
    assert sum(not row.step.is_well for row in shown.rows) == min(len(bad), len(shown.rows))
