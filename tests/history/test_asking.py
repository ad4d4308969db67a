from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import pytest

from nbkit import history
from nbkit.errors import InputError
from nbkit.history.asking import add_arguments, answer

if TYPE_CHECKING:
    from tests.history.conftest import Record


def asked(*words: str) -> dict[str, Any]:
    """What is told to someone who writes these words."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    return answer(parser.parse_args(words))


def test_runs_are_listed_with_what_they_took(record: Record) -> None:
    """Words and options narrow the list; below it stand seconds and money by endpoint."""
    record({"prompt": "a red cat"}, cost=0.5, output={})
    record({"prompt": "a dog"}, "acme/other", output={})
    text = asked("red", "cat", "--endpoint", "acme", "--since", "1d")["text/plain"]

    assert "a red cat" in text
    assert "a dog" not in text
    assert text.splitlines()[-1].split()[:3] == ["acme/imgen", "1", "1"]
    assert "0.5" in text.splitlines()[-1]
    assert "<table" in asked()["text/html"]
    assert asked("nothing")["text/plain"] == "no runs"


def test_json_has_runs_and_totals(record: Record) -> None:
    """A program reads the same."""
    run = record({"prompt": "a cat", "seed": 3}, output={"a": 1})
    told = json.loads(asked("--json", "--limit", "1")["text/plain"])

    assert [it["id"] for it in told["runs"]] == [run.id]
    assert told["totals"][0]["endpoint"] == "acme/imgen"
    assert json.loads(asked("show", run.id, "--json")["text/plain"])["output"] == {"a": 1}


@pytest.mark.parametrize("output", [None, {}, [], 0])
def test_an_output_that_says_little_is_told_as_it_is(record: Record, output: Any) -> None:
    """A service may answer with nothing: that is its output, and the run is shown like any other."""
    run = record({"prompt": "a cat"}, output=output)

    assert json.loads(asked("show", run.id, "--json")["text/plain"])["output"] == output
    assert "succeeded" in asked("show", run.id)["text/plain"]


def test_one_run_is_shown_marked_and_noted(record: Record) -> None:
    """Its facts stand in rows; a star and a note are shown with it."""
    run = record({"prompt": "a cat"}, error=InputError("too small"), state="failed")
    shown = asked("show", run.id[:8])["text/plain"]
    assert "a cat" in shown
    assert "too small" in shown

    assert "★" in asked("star", run.id[:8])["text/plain"].splitlines()[0]
    assert "the best one" in asked("note", run.id[:8], "the", "best", "one")["text/plain"]
    asked("unstar", run.id)
    assert not history.get(run.id).starred


def test_pruning_tells_first(record: Record) -> None:
    """Nothing goes without `--yes`, and stars stay unless they are named."""
    kept = record()
    history.star(kept.id)
    record()
    assert "1 runs" in asked("prune", "--older-than", "0m")["text/plain"]
    assert len(history.search()) == 2

    assert "are gone" in asked("prune", "--older-than", "0m", "--keep-starred", "--yes")["text/plain"]
    assert [run.id for run in history.search()] == [kept.id]
    asked("prune", "--older-than", "0m", "--no-keep-starred", "--yes")
    assert list(history.search()) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("show", "takes the ID"),
        ("star a b", "takes the ID"),
        ("show nothing-like-it", "no run of the history"),
        ("prune cats", "takes no 'cats'"),
        ("prune --limit 3", "--limit is not for"),
        ("cats --yes", "--yes is not for"),
        ("--status good", "is not a status"),
        ("--since once", "is not a moment"),
    ],
)
def test_what_cannot_be_meant_is_told(line: str, said: str) -> None:
    """A slip is one clear error, and nothing is changed."""
    with pytest.raises(InputError, match=said):
        asked(*line.split())
