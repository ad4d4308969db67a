from __future__ import annotations

import pytest

from nbkit.client.card import shown
from nbkit.client.run import Run
from nbkit.errors import RunFailed
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Started, StepFinished, StepStarted
from nbkit.model.result import Result

GIVEN = {"seed": 7}


@pytest.fixture
def run() -> Run:
    """A run that a test drives by hand, with a step behind it."""
    run = Run(Endpoint.parse("workflows/execute"), {})
    for event in (Started(), StepStarted("draw"), StepFinished("draw"), StepStarted("cut_out")):
        run._publish(event)
    return run


def test_a_run_that_goes_on_shows_where_it_stands(run: Run) -> None:
    """As the last value of a cell a run is its card, with its steps so far."""
    bundle, facts = run._repr_mimebundle_()

    assert "◐  workflows/execute  running" in bundle["text/plain"]
    assert "timeline of 2 steps" in bundle["text/html"]
    assert facts == {}


def test_a_run_that_ended_shows_what_it_gave(run: Run) -> None:
    """The card of a run that is over has its output, and the notebook keeps the facts beside it."""
    run._settle(Result(GIVEN, endpoint="workflows/execute", request_id="r-1"))
    bundle, facts = shown(run)

    assert bundle["text/plain"].endswith("seed  7")
    assert facts["text/html"]["nbkit"]["request_id"] == "r-1"


def test_a_run_that_failed_shows_why(run: Run) -> None:
    """Showing a run never fails, however the run ended; its open step was stopped."""
    run._settle(None, RunFailed("the mill is broken"))
    bundle, facts = shown(run)

    assert "the mill is broken" in bundle["text/html"]
    assert "the mill is broken" in bundle["text/plain"]
    assert "■ stopped" in bundle["text/plain"]
    assert facts == {}
