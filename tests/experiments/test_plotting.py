from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from nbkit.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.experiments.conftest import MakeSweep


def draw(given: dict[str, Any]) -> Image.Image:
    """A picture as wide as its steps and seed say."""
    return Image.new("RGB", (10 * given["steps"] + given["seed"], 8))


def test_means_are_drawn_with_their_intervals(make_sweep: MakeSweep) -> None:
    """Numbers stand where they belong on the axis, each with the interval of the table."""
    shown = make_sweep(draw, steps=[1, 4, 16], seed=[1, 2, 3, 4]).plot("width", by="steps")
    (axes,) = shown.figure.axes
    (line,), (bars,) = axes.containers[0][:1], axes.containers[0][2]

    assert line.get_xdata().tolist() == [1, 4, 16]
    assert line.get_ydata().tolist() == [12.5, 42.5, 162.5]
    ends = [(row["low"], row["high"]) for row in shown.means]
    assert [(low[1], high[1]) for low, high in bars.get_segments()] == [pytest.approx(it) for it in ends]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("steps", "width")


def test_words_and_several_lines(make_sweep: MakeSweep, tmp_path: Path) -> None:
    """Words stand side by side, a second axis becomes lines with a legend, and dollars are no formula."""
    sweep = make_sweep(draw, style=["oil", "$5 $6", "ink " * 30], steps=[1, 4], seed=[1, 2])
    shown = sweep.plot("width", by=["style", "steps"])
    (axes,) = shown.figure.axes

    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["1", "4"]
    assert [text.get_text() for text in axes.get_xticklabels()][:2] == ["oil", r"\$5 \$6"]
    bundle, metadata = shown._repr_mimebundle_()
    assert Image.open(io.BytesIO(bundle["image/png"])).size == (864, 518)
    assert metadata["image/png"] == {"width": 576, "height": 346}
    assert shown.save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(MediaError, match="cannot write"):
        shown.save(tmp_path / "none" / "a.pdf")
    assert repr(shown).startswith("width: mean and 95% interval")


def test_it_draws_into_given_axes(make_sweep: MakeSweep) -> None:
    """Who has a figure already draws into a part of it."""
    left, _right = Figure().subplots(1, 2)
    shown = make_sweep(draw, steps=[1, 4], seed=[1]).plot("width", by="steps", axes=left)

    assert shown.figure is left.figure
    assert len(left.containers) == 1


def test_without_matplotlib_one_is_told(make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no matplotlib learns what to install."""
    sweep = make_sweep(draw, steps=[1], seed=[1])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(ConfigError, match=r"matplotlib is not installed\n.*nbkit-media\[experiments\]"):
        sweep.plot("width", by="steps")
