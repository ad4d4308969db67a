from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import bootstrap

from nbkit.errors import ConfigError, InputError
from nbkit.experiments.sweep import Sweep

if TYPE_CHECKING:
    from tests.experiments.conftest import MakeSweep

STEPS = [1, 4, 8]
SEEDS = list(range(1, 13))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBKIT_CACHE", str(tmp_path / "cache"))


def grey(given: dict[str, Any]) -> int:
    """The grey of a cell: its seed says much, its steps a little."""
    seed, steps = int(given["seed"]), int(given["steps"])
    noise = (seed * 37 + steps * 11) % 7
    return 15 * seed + 2 * steps + noise


def draw(given: dict[str, Any]) -> Image.Image | None:
    """A plain picture; one of the cells failed."""
    if (given["steps"], given["seed"]) == (4, 5):
        return None
    return Image.new("RGB", (64, 48), (grey(given),) * 3)


def values(steps: int) -> list[float]:
    """The brightness of the cells of a column that did not fail."""
    return [grey({"steps": steps, "seed": seed}) / 255 for seed in SEEDS if (steps, seed) != (4, 5)]


def test_each_cell_is_a_row(make_sweep: MakeSweep) -> None:
    """A row has the axes, what came of the cell, its input and what was measured; a failed cell says why."""
    sweep = make_sweep(draw, steps=STEPS, seed=SEEDS)
    sweep.measure(["brightness", "megapixels"])
    rows = sweep.rows()

    assert len(rows) == 36
    first, failed = rows[0], rows[16]
    assert (first["steps"], first["seed"], first["input.prompt"], first["state"]) == (
        1,
        1,
        "a cat",
        "succeeded",
    )
    assert (first["width"], first["height"], first["seconds"], first["cost"]) == (64, 48, 1.5, 0.25)
    assert first["brightness"] == pytest.approx(grey({"steps": 1, "seed": 1}) / 255)
    assert first["path"].endswith("cell-0.png")
    assert (failed["steps"], failed["seed"], failed["state"], failed["problem"]) == (
        4,
        5,
        "failed",
        "it went wrong",
    )
    assert math.isnan(failed["brightness"])
    assert failed["path"] is None
    assert all(row.keys() == first.keys() for row in rows)


def test_a_sweep_becomes_a_data_frame(make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are numbers there; without pandas one is told what to do."""
    sweep = make_sweep(draw, steps=STEPS, seed=SEEDS)
    sweep.measure("brightness")
    frame = sweep.to_pandas()
    assert frame.groupby("steps")["brightness"].mean()[8] == pytest.approx(np.mean(values(8)))
    assert sweep.means("brightness", by="steps").to_pandas()["n"].tolist() == [12, 11, 12]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"pandas is not installed\n.*\.rows\(\)"):
        sweep.to_pandas()


def test_an_axis_keeps_its_name(make_sweep: MakeSweep) -> None:
    """A fact that is called like an axis stands beside it; values are values, and labels where those were given."""
    sweep = make_sweep(
        lambda _given: Image.new("RGB", (8, 8)), width=[512], style={"oil": "an oil painting"}, seed=[7]
    )
    row = sweep.rows()[0]

    assert (row["width"], row["run.width"], row["style"], row["input.style"]) == (
        512,
        8,
        "oil",
        "an oil painting",
    )
    with pytest.raises(InputError, match="'style' is the name of another column"):
        sweep.measure({"style": lambda _image: 1})


def test_cells_that_wait_are_rows_too() -> None:
    """Before a sweep ran, its rows say so."""
    rows = Sweep("local/collage", {"prompt": "a cat"}, seeds=2).rows()

    assert [(row["seed"], row["state"], row["problem"]) for row in rows] == [
        (1, "waiting", ""),
        (2, "waiting", ""),
    ]


def test_means_have_the_interval_of_scipy(make_sweep: MakeSweep) -> None:
    """Each value of an axis has its mean and interval; the failed cell is left out and counted."""
    sweep = make_sweep(draw, steps=STEPS, seed=SEEDS)
    found = sweep.means("brightness", by="steps")

    assert [(row["steps"], row["n"], row["left out"]) for row in found] == [
        (1, 12, 0),
        (4, 11, 1),
        (8, 12, 0),
    ]
    for row in found:
        expected = bootstrap(
            (values(row["steps"]),), np.mean, rng=np.random.default_rng(0)
        ).confidence_interval
        assert row["mean"] == pytest.approx(np.mean(values(row["steps"])))
        assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), rel=0.02)
    assert "over seed (12)" in found.title
    assert "steps" in repr(found)
    assert "<table" in found._repr_mimebundle_()["text/html"]


def test_several_axes_make_combinations(make_sweep: MakeSweep) -> None:
    """A mean for each combination of two axes."""
    sweep = make_sweep(draw, steps=STEPS, seed=[1, 2])
    found = sweep.means("brightness", by=["seed", "steps"])

    assert len(found) == 6
    assert [row["seed"] for row in found] == [1, 1, 1, 2, 2, 2]
    assert repr(found).count("–") == 12, "one value has no interval"


def test_pairs_are_the_same_seeds(make_sweep: MakeSweep) -> None:
    """Differences are taken seed by seed; a pair with a failed cell is left out and counted."""
    sweep = make_sweep(draw, steps=STEPS, seed=SEEDS)
    found = sweep.paired("brightness", by="steps", baseline=8)
    gains = [(grey({"steps": 1, "seed": it}) - grey({"steps": 8, "seed": it})) / 255 for it in SEEDS]

    assert [(row["steps"], row["pairs"], row["left out"]) for row in found] == [(1, 12, 0), (4, 11, 1)]
    assert found[0]["difference"] == pytest.approx(np.mean(gains))
    assert found[0]["apart from 0"]
    assert found[0]["high"] - found[0]["low"] < 0.03 < np.std(values(1)), "seeds differ by more than that"
    assert repr(found).splitlines()[0].startswith("brightness: difference from steps 8")


def test_an_unfinished_column_has_no_mean(make_sweep: MakeSweep) -> None:
    """Where every cell failed, there is a dash and no number."""
    sweep = make_sweep(lambda given: draw(given) if given["steps"] > 1 else None, steps=[1, 8], seed=[1, 2])

    assert sweep.means("brightness", by="steps")[0]["left out"] == 2
    row = sweep.paired("brightness", by="steps")[0]
    assert (row["pairs"], row["left out"], row["apart from 0"]) == (0, 2, None)
    assert math.isnan(row["difference"])


def test_facts_are_counted_like_metrics(make_sweep: MakeSweep) -> None:
    """Seconds, cost and sizes have means, too; what a function gives is asked for by its name."""
    sweep = make_sweep(draw, steps=[1], seed=[1, 2, 3])
    sweep.measure({"wide": lambda image: image.width})

    assert sweep.means("cost", by="steps")[0]["mean"] == 0.25
    assert sweep.means("wide", by="steps")[0]["mean"] == 64
    assert "wide 64" in str(sweep.grid().tiles[0, 0].numbers).replace("'", "").replace(":", "")


def test_what_was_run_since_is_measured(make_sweep: MakeSweep) -> None:
    """A mean that is asked for later has the cells that came later."""
    sweep = make_sweep(draw, steps=[1], seed=SEEDS)
    later = sweep.outcomes.pop((0, 0))
    assert sweep.means("brightness", by="steps")[0]["n"] == 11
    sweep.outcomes[0, 0] = later

    assert sweep.means("brightness", by="steps")[0]["n"] == 12


def test_misspelt_names_are_one_error(make_sweep: MakeSweep) -> None:
    """An axis, a value or a metric that is not there is told with those that are."""
    sweep = make_sweep(draw, steps=[1, 8], seed=[1, 2])

    with pytest.raises(InputError, match="'step' is no axis: there are steps, seed"):
        sweep.means("brightness", by="step")
    with pytest.raises(InputError, match="steps has no value '3'"):
        sweep.paired("brightness", by="steps", baseline=3)
    with pytest.raises(InputError, match="'blur' was not measured"):
        sweep.means("blur", by="steps")
    with pytest.raises(InputError, match="level is between 0 and 1"):
        sweep.means("brightness", by="steps", level=95)


def test_the_summary_says_what_was_measured(make_sweep: MakeSweep) -> None:
    """Measuring gives a table: how many pictures, and the least, mean and most of each metric."""
    found = make_sweep(draw, steps=[1], seed=[1, 2]).measure(["megapixels"])

    assert found.to_records() == [
        {
            "metric": "megapixels",
            "pictures": 2,
            "least": 0.003072,
            "mean": 0.003072,
            "most": 0.003072,
            "without a number": 0,
            "why": "",
        }
    ]
