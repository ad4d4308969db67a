"""The notebooks, executed in a real kernel against the embedded server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests.oldest_jupyter import VERSIONS, oldest_jupyter

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
_ON_OLDEST = ("test_kernel.py", "test_completion.py", "test_terminal.py")
every_notebook = pytest.mark.parametrize(
    "path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name
)
_TELLING = re.compile(
    r"/(tmp|home|root|Users)/|~/|127\.0\.0\.1|localhost:|widget-view|\bapp-\w|nbkit_files|Key [\w-]{8}"
)
"""What the outputs of a notebook must not tell of the machine that executed it."""


def execute(name: str, out: Path) -> str:
    """Execute a notebook as `nbkit demo` does, into a folder, and return what that prints."""
    done = subprocess.run(
        [sys.executable, "-m", "nbkit", "demo", str(NOTEBOOKS / name), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], str]:
    """What `nbkit demo` prints, the notebook that it writes, and the page."""
    out = tmp_path_factory.mktemp("demo")
    printed = execute("01-quickstart.ipynb", out)
    notebook = json.loads((out / "quickstart.ipynb").read_text(encoding="utf-8"))
    return printed, notebook, (out / "quickstart.html").read_text(encoding="utf-8")


def test_the_notebook_of_widgets_needs_no_key_and_saves_no_widget(tmp_path: Path) -> None:
    """It runs from its first cell to its last, and what it leaves are pictures and tables."""
    execute("04-widgets.ipynb", tmp_path)
    text = (tmp_path / "widgets.ipynb").read_text(encoding="utf-8")
    notebook = json.loads(text)

    assert "widget-view" not in text
    assert outputs(notebook, "nbkit.gallery").count("<img") == 7
    assert outputs(notebook, "nbkit.compare").count("<img") == 3
    assert "%%generate fal-ai/flux/schnell" in outputs(notebook, "nbkit.form")


def test_the_notebook_of_a_study_ends_with_what_its_numbers_say(tmp_path: Path) -> None:
    """It runs without a key, and the numbers are those that its conclusions speak of."""
    execute("05-experiments.ipynb", tmp_path)
    text = (tmp_path / "experiments.ipynb").read_text(encoding="utf-8")
    notebook = json.loads(text)

    said = [it for cell in notebook["cells"] for it in cell.get("outputs", ()) if "data" in it]
    tables = ["".join(it["data"]["text/plain"]) for it in said]
    sharp = next(table for table in tables if table.startswith("sharpness: mean"))
    means = {line.split()[0]: float(line.split()[1]) for line in sharp.splitlines()[2:]}
    assert means["two"] > 2 * means["bare"]
    assert means["bare"] < min(means["scarf"], means["snow"])
    enlarged = next(table for table in tables if table.startswith("in_print: mean"))
    once, twice, most = (float(line.split()[1]) for line in enlarged.splitlines()[2:])
    assert once < twice < most > 10 * once
    assert any("2 × identical bytes" in table for table in tables)
    assert "widget-view" not in text


def test_the_notebook_of_own_models_paints_wires_and_compares(tmp_path: Path) -> None:
    """A function of the notebook is called, refuses what it does not take, is a step among others, and is swept."""
    execute("06-own-models.ipynb", tmp_path)
    text = (tmp_path / "own-models.ipynb").read_text(encoding="utf-8")
    notebook = json.loads(text)
    printed = [it["text"] for cell in notebook["cells"] for it in cell.get("outputs", ()) if "text" in it]
    painted = outputs(notebook, "generate me/oil-paint")
    swept = outputs(notebook, "nbkit.Sweep")

    assert "1024 × 768" in painted
    assert "data:image/webp" in painted
    assert any("".join(words).startswith("brush: 400 is more than 60") for words in printed)
    assert outputs(notebook, "generate workflows/local/postcard").count("completion") == 3
    assert "6 of 6" in swept
    assert swept.count("<img") == 6
    assert "widget-view" not in text


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


@pytest.fixture(scope="module")
def dify(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The notebook about Dify, executed in a fresh kernel without a key."""
    out = tmp_path_factory.mktemp("dify")
    execute("03-dify.ipynb", out)
    notebook: dict[str, Any] = json.loads((out / "dify.ipynb").read_text(encoding="utf-8"))
    return notebook


@pytest.mark.parametrize(("cell", "titles"), [("generate dify/default", 4), ("generate dify/sticker", 6)])
def test_a_dify_run_leaves_a_timeline_and_a_table(dify: dict[str, Any], cell: str, titles: int) -> None:
    """Each step of a Dify run has a bar and a row, and what was drawn stands in the notebook."""
    shown = outputs(dify, cell)

    assert f"timeline of {titles} steps" in shown
    assert shown.count("completion") == titles
    assert "data:image/webp" in shown


def test_a_wrong_input_is_one_clear_error(dify: dict[str, Any]) -> None:
    """The notebook shows what a wrong input looks like, in nbkit's own words."""
    printed = [it["text"] for cell in dify["cells"] for it in cell.get("outputs", ()) if "text" in it]

    assert any("".join(text).startswith('width: "wide" is not a number') for text in printed)


@every_notebook
def test_saved_outputs_tell_nothing_of_their_machine(path: Path) -> None:
    """Saved outputs are whole, static and small: no path, address, key, error or widget, and no link to files."""
    text = path.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]

    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not _TELLING.search(json.dumps(outputs))
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert "data:image/" in text
    assert len(text) < 300_000


@every_notebook
def test_committed_notebooks_say_how_they_become_scripts(path: Path) -> None:
    """`jupyter nbconvert --to script` makes Python of a notebook whose metadata says so, and loose text of others."""
    language = json.loads(path.read_text(encoding="utf-8"))["metadata"]["language_info"]

    assert (language.get("file_extension"), language.get("nbconvert_exporter")) == (".py", "python")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with Jupyter's own files elsewhere."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))))
    work = tmp_path / "work"
    work.mkdir()
    return work


def call(*words: str, folder: Path) -> str:
    """Run a program of Jupyter's, see that it ended well, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def generating(notebook: Any) -> list[Any]:
    """The cells that send a prompt."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code"
        and re.match("%%?generate", cell.source)
        and "--dry-run" not in cell.source
    ]


def shown(cell: Any) -> str:
    """What a cell shows, as text."""
    return "".join(output["data"]["text/plain"] for output in cell.outputs if "data" in output)


@every_notebook
def test_a_notebook_runs_on_the_oldest_jupyter(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each notebook runs with ipykernel 6.29 and IPython 8.20, and each prompt leaves a card that ended well."""
    monkeypatch.setenv("PYTHONPATH", oldest_jupyter())
    notebook = nbformat.read(path, as_version=4)
    asking = nbformat.v4.new_code_cell(
        "import IPython, ipykernel\nipykernel.__version__, IPython.__version__"
    )
    notebook.cells.insert(0, asking)
    nbclient.NotebookClient(
        notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()

    assert shown(asking) == VERSIONS
    assert all(shown(cell).startswith("✓") for cell in generating(notebook))


@every_notebook
def test_a_notebook_runs_under_papermill(path: Path, folder: Path) -> None:
    """Each notebook runs under papermill with the installed kernel."""
    call("papermill", str(path), "out.ipynb", "--no-progress-bar", folder=folder)
    executed = nbformat.read(folder / "out.ipynb", as_version=4)

    assert all(shown(cell).startswith("✓") for cell in generating(executed))


@every_notebook
def test_a_notebook_runs_as_a_script_in_a_terminal(path: Path, folder: Path) -> None:
    """Each notebook, converted to a script, runs in IPython without a browser and prints its cards as text."""
    call("nbconvert", "--to", "script", "--output-dir", str(folder), str(path), folder=folder)
    printed = call("IPython", "--colors=nocolor", f"{path.stem}.py", folder=folder)

    prompts = generating(nbformat.read(path, as_version=4))
    assert len(re.findall("^✓  ", printed, re.MULTILINE)) >= len(prompts)
    assert "<div" not in printed


def test_the_magics_pass_their_tests_on_the_oldest_jupyter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells in a real kernel, and TAB, do with ipykernel 6.29 and IPython 8.20 what they do with the newest."""
    monkeypatch.setenv("PYTHONPATH", oldest_jupyter())
    tests = [str(ROOT / "tests" / "magics" / name) for name in _ON_OLDEST]
    chosen = "background or interrupt or slip or front_end or shell_offers or first_line or typed_with_tab"
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "-k", chosen)
    printed = call("pytest", *options, *tests, folder=folder)

    assert re.search(r"^8 passed", printed, re.MULTILINE)
