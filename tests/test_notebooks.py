"""The notebooks, executed in a real kernel against the embedded server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], str]:
    """What `nbkit demo` prints, the notebook that it writes, and the page."""
    out = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "nbkit", "demo", str(NOTEBOOKS / "01-quickstart.ipynb"), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    notebook = json.loads((out / "quickstart.ipynb").read_text(encoding="utf-8"))
    return done.stdout, notebook, (out / "quickstart.html").read_text(encoding="utf-8")


def test_the_notebook_of_widgets_needs_no_key_and_saves_no_widget(tmp_path: Path) -> None:
    """It runs from its first cell to its last, and what it leaves are pictures and tables."""
    done = subprocess.run(
        [sys.executable, "-m", "nbkit", "demo", str(NOTEBOOKS / "04-widgets.ipynb"), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "widgets.ipynb").read_text(encoding="utf-8")
    notebook = json.loads(text)

    assert "widget-view" not in text
    assert outputs(notebook, "nbkit.gallery").count("<img") == 7
    assert outputs(notebook, "nbkit.compare").count("<img") == 3
    assert "%%generate fal-ai/flux/schnell" in outputs(notebook, "nbkit.form")


def outputs(notebook: dict[str, Any], of: str) -> str:
    """The HTML that the cell with some text in its source shows."""
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code" and of in cell["source"])
    shown = [output["data"].get("text/html", "") for output in cell["outputs"] if "data" in output]
    return "".join("".join(part) for part in shown)


def test_the_demo_lists_what_ran(demo: tuple[str, dict[str, Any], str]) -> None:
    """The table names every endpoint with its seconds, the size of its picture and its file."""
    printed, _, _ = demo

    assert re.search(r"^fal-ai/flux/schnell +\d+\.\d +1024×768 +\S+\.(jpg|png)$", printed, re.MULTILINE)
    assert re.search(r"^workflows/fal-ai/sdxl-sticker +\d+\.\d +1024×1024 ", printed, re.MULTILINE)
    assert re.search(r"^fal-ai/flux-vision-upscaler +\d+\.\d +600×600 ", printed, re.MULTILINE)


def test_the_page_holds_the_pictures_itself(demo: tuple[str, dict[str, Any], str]) -> None:
    """The page shows at least six different pictures, each inside the page."""
    _, _, page = demo
    sources: list[str] = []

    class Pictures(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            sources.extend(value or "" for name, value in attrs if (tag, name) == ("img", "src"))

    Pictures().feed(page)

    assert len(set(sources)) >= 6
    assert all(source.startswith("data:image/") for source in sources)


def test_the_workflows_cell_shows_every_step(demo: tuple[str, dict[str, Any], str]) -> None:
    """Three steps are submitted and completed, each with its picture, and then comes the output."""
    _, notebook, _ = demo
    shown = outputs(notebook, "workflows/fal-ai/sdxl-sticker")
    rows = re.findall(r"<tr.*?</tr>", shown, re.DOTALL)
    completions = [row for row in rows if "completion" in row]

    assert sum("submit" in row for row in rows) == 3
    assert len(completions) == 3
    assert all("data:image/" in row for row in completions)
    assert sum(">output<" in row or " output<" in row for row in rows) == 1


def test_the_saved_notebook_needs_no_widgets_and_stays_small(demo: tuple[str, dict[str, Any], str]) -> None:
    """What nbkit leaves in a notebook is static: no widget, and no preview over 60 kB."""
    _, notebook, _ = demo
    text = json.dumps(notebook)
    previews = re.findall(r"data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)", text)

    assert "widget-view" not in text
    assert "widgets" not in notebook["metadata"]
    assert previews
    assert max(map(len, previews)) * 3 // 4 <= 60_000


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_committed_notebooks_have_no_outputs(path: Path) -> None:
    """A notebook in the repository is a recipe: whoever runs it makes the pictures."""
    notebook = json.loads(path.read_text(encoding="utf-8"))

    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook["cells"])
