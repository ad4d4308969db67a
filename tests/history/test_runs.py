from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from nbkit import history
from nbkit.errors import ConfigError, RunFailed
from nbkit.model.media import Media

if TYPE_CHECKING:
    from pathlib import Path

    from tests.history.conftest import Record


def test_runs_show_themselves_as_a_table(record: Record, tmp_path: Path) -> None:
    """What was found can be looked at: prompts, states, and small pictures."""
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    picture = Media("https://files.example/a.png", "image/png", path=tmp_path / "a.png", place="images.0")
    history.star(record({"prompt": "a <b>cat</b>", "seed": 7}, media=(picture,), cost=0.5).id)
    record({"text": "no prompt"}, error=RunFailed("out of memory"), state="failed")
    shown = history.search()._repr_mimebundle_()

    assert "★" in shown["text/plain"]
    assert "a <b>cat</b>" in shown["text/plain"]
    assert "failed: out of memory" in shown["text/plain"]
    assert "text: no prompt" in shown["text/plain"]
    assert "&lt;b&gt;cat&lt;/b&gt;" in shown["text/html"]
    assert shown["text/html"].count("<img") == 1


def test_a_search_that_finds_nothing_says_so() -> None:
    """An empty table is not shown as one."""
    assert "no runs" in history.search()._repr_mimebundle_()["text/plain"]


def test_runs_are_a_list(record: Record) -> None:
    """They are counted, sliced and gone through like any list."""
    names = [record().id for _ in range(3)][::-1]
    runs = history.search()

    assert [run.id for run in runs] == names
    assert [run.id for run in runs[1:]] == names[1:]
    assert (len(runs), runs[0].id, runs[-1].id, repr(runs[:2])) == (3, names[0], names[2], "<2 runs>")


def test_what_runs_took_is_added_up(record: Record) -> None:
    """Seconds and money stand by endpoint; a cost that nobody knows is not called nothing."""
    record(cost=0.25)
    record(cost=0.5)
    record()
    record(endpoint="acme/other")
    record(error=RunFailed("no"), state="failed")
    totals = history.search().totals.to_records()

    assert [(it["endpoint"], it["runs"], it["succeeded"], it["cost"]) for it in totals] == [
        ("acme/imgen", 4, 3, 0.75),
        ("acme/other", 1, 1, None),
    ]
    assert [it["without cost"] for it in totals] == [1, 1]
    assert "acme/other" in str(history.search().totals)


def test_runs_become_records(record: Record) -> None:
    """Each run is a dict with its input's names beside its own."""
    run = record({"prompt": "a cat", "steps": 4})
    (row,) = history.search().to_records()

    assert (row["id"], row["input.prompt"], row["input.steps"], row["state"]) == (
        run.id,
        "a cat",
        4,
        "succeeded",
    )


def test_runs_become_a_data_frame(record: Record) -> None:
    """Who has pandas gets a data frame."""
    pandas = pytest.importorskip("pandas")
    record({"prompt": "a cat"})

    assert isinstance(history.search().to_pandas(), pandas.DataFrame)


def test_without_pandas_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no pandas learns what to do."""
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(ConfigError, match=r"pandas is not installed\n.*to_records"):
        history.search().to_pandas()
