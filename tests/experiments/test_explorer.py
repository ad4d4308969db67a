from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.errors import InputError, MediaError
from nbkit.experiments.explorer import write_explorer
from nbkit.experiments.grid import Tile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.experiments.conftest import MakeGrid

HOSTILE = "</script><script>alert(1)</script><!-- \u2028 %DATA% %SCRIPT% \x00 猫"


def data_of(page: str) -> Any:
    """What the page's script reads."""
    found = re.search('<script type="application/json" class="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_every_cell_is_in_the_page(make_grid: MakeGrid, tmp_path: Path) -> None:
    """The page holds the axes with their labels and a small picture of each cell, and names the originals beside it."""
    page = write_explorer(make_grid("Cats", prompt=("猫", "dog"), seed=("1", "2")), tmp_path / "s.html")
    data = data_of(page.read_text())

    assert data["axes"] == [
        {"name": "prompt", "labels": ["猫", "dog"]},
        {"name": "seed", "labels": ["1", "2"]},
    ]
    assert [cell["at"] for cell in data["cells"]] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    for cell in data["cells"]:
        assert cell["thumbnail"].startswith("data:image/webp;base64,")
        assert (tmp_path / cell["original"]).read_bytes().startswith(b"\x89PNG")
    assert len({cell["original"] for cell in data["cells"]}) == 3


def test_the_page_may_run_its_own_script_only(make_grid: MakeGrid, tmp_path: Path) -> None:
    """Its policy names the very bytes of its script and style, and nothing may be loaded from elsewhere."""
    page = write_explorer(make_grid(seed=("1", "2")), tmp_path / "s.html").read_text()
    policy = html.unescape(re.findall('Content-Security-Policy" content="([^"]*)"', page)[0])
    parts = re.findall(r"<(script|style)>(.*?)</\1>", page, re.DOTALL)

    assert "default-src 'none'" in policy
    assert [tag for tag, _text in parts] == ["style", "script"]
    for tag, text in parts:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.findall("https?://", page)


def test_hostile_words_stay_words(make_grid: MakeGrid, tmp_path: Path) -> None:
    """Labels, titles, captions and reasons with markup in them end no script and begin none."""
    grid = make_grid(HOSTILE, **{HOSTILE: (HOSTILE, "b")})
    tile = Tile(state="failed", caption=HOSTILE, problem=HOSTILE, numbers={HOSTILE: 1.5, "none": math.nan})
    grid = replace(grid, tiles={**grid.tiles, (0,): tile})
    page = write_explorer(grid, tmp_path / "s.html", about=HOSTILE, sweep=HOSTILE).read_text()
    data = data_of(page)

    assert len(re.findall("</?script", page)) == 4
    assert "<!-- " not in page
    assert list(data["cells"][0]["numbers"].values()) == [1.5]
    assert data["cells"][0]["problem"] == HOSTILE.replace("\x00", "").replace("\u2028", "")


def test_what_readers_compare_can_be_named(make_grid: MakeGrid, tmp_path: Path) -> None:
    """Judgements are about one axis: the columns', or the one that is named."""
    grid = make_grid(model=("a", "b"), seed=("1", "2"))
    data = data_of(write_explorer(grid, tmp_path / "s.html", judged="model").read_text())

    assert data["judged"] == 0
    assert [cell["judgedAs"] for cell in data["cells"]] == ["a", "a", "b", "b"]
    with pytest.raises(InputError, match="'modle' is no axis: there are model, seed"):
        write_explorer(grid, tmp_path / "s.html", judged="modle")


def test_the_page_can_stand_alone(make_grid: MakeGrid, tmp_path: Path) -> None:
    """Without the originals nothing is written but the page."""
    folder = tmp_path / "alone"
    folder.mkdir()
    page = write_explorer(make_grid(seed=("1", "2")), folder / "s.html", originals=False)

    assert [*folder.iterdir()] == [page]
    assert {cell["original"] for cell in data_of(page.read_text())["cells"]} == {""}


def test_a_page_that_cannot_be_written_is_one_error(make_grid: MakeGrid, tmp_path: Path) -> None:
    """Another ending, or a folder that is not there."""
    with pytest.raises(InputError, match="an explorer is written as"):
        write_explorer(make_grid(), tmp_path / "s.pdf")
    with pytest.raises(MediaError, match="cannot write"):
        write_explorer(make_grid(), tmp_path / "nowhere" / "s.html")
