"""Widgets in a real kernel, spoken to as a notebook does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from nbkit.widgets import attached

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GALLERY = "import nbkit\nfrom PIL import Image\nshown = nbkit.gallery(Image.new('RGB', (8, 8)))\nshown"
COUNT = "from ipywidgets.widgets.widget import _instances\nprint(len(_instances))"


class Notebook:
    """A kernel whose cells have ids, as JupyterLab gives them."""

    def __init__(self, folder: Path) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, cell: str, code: str) -> list[dict[str, Any]]:
        """Run a cell and return the messages that it caused."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        session = self.client.session
        message = session.msg("execute_request", content, metadata={"cellId": cell})
        self.client.shell_channel.send(message)
        seen: list[dict[str, Any]] = []
        while True:
            heard = self.client.get_iopub_msg(timeout=60)
            if heard["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            seen.append(heard)
            if heard["msg_type"] == "error":
                raise AssertionError("\n".join(heard["content"]["traceback"]))
            if heard["content"].get("execution_state") == "idle":
                return seen

    def stop(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A fresh kernel."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    for name in attached._NEED_VIEWS:
        monkeypatch.delenv(name, raising=False)
    started = Notebook(tmp_path)
    yield started
    started.stop()


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    """The kinds of some messages, without those that every cell causes."""
    return [it["msg_type"] for it in messages if it["msg_type"] not in ("status", "execute_input")]


def printed(messages: list[dict[str, Any]]) -> str:
    """What a cell printed."""
    return "".join(it["content"]["text"] for it in messages if it["msg_type"] == "stream").strip()


def test_a_cell_that_runs_again_takes_its_widgets_along(notebook: Notebook) -> None:
    """However often a cell is run, the browser holds the widgets of its last time alone."""
    first = kinds(notebook.run("a", GALLERY))
    assert (first.count("comm_open"), first.count("execute_result")) == (2, 1)
    held = printed(notebook.run("count", COUNT))
    again = notebook.run("a", GALLERY)
    notebook.run("a", GALLERY)

    assert kinds(again).count("comm_close") == 2
    assert printed(notebook.run("count", COUNT)) == held == "2"


def test_a_widget_that_stands_in_two_cells_outlives_one(notebook: Notebook) -> None:
    """It is closed when the last cell that shows it is run again, and opens when it is shown anew."""
    notebook.run("a", GALLERY)
    notebook.run("b", "shown")
    assert "comm_close" not in kinds(notebook.run("a", "1"))
    assert kinds(notebook.run("b", "1")).count("comm_close") == 2

    assert kinds(notebook.run("c", "shown")).count("comm_open") == 2


def test_watched_cards_end_with_their_cell(notebook: Notebook) -> None:
    """A card whose run goes on is closed when its cell is run again."""
    begin = "from nbkit.client.run import Run\nfrom nbkit.model.endpoint import Endpoint\nimport nbkit\n"
    begin += "run = Run(Endpoint.parse('a/b'), {})\nnbkit.watch(run, run)"
    opened = kinds(notebook.run("a", begin)).count("display_data")
    again = kinds(notebook.run("a", "1"))

    assert opened == 2
    assert again.count("comm_close") >= 2


def test_what_is_saved_refers_to_no_widget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook executed without a browser holds pictures and tables, and no trace of a view."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    for name in attached._NEED_VIEWS:
        monkeypatch.delenv(name, raising=False)
    cells = [
        GALLERY,
        "a, b = Image.new('RGB', (8, 8)), Image.new('RGB', (8, 8), 'red')\nnbkit.compare(a, b)",
        "form = nbkit.form('local/collage')\nform.fill(prompt='a cat', seed=3)\nform",
        "form.submit()\nform.result.seed",
        "import time\ntime.sleep(0.5)",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in book.cells for output in cell.outputs]

    assert "widget-view" not in str(outputs)
    shown, compared, filled, card = (output.data["text/html"] for output in outputs[:4])
    assert (shown.count("<img"), compared.count("<img"), card.count("<img")) == (1, 3, 1)
    assert "a cat" in filled
    assert "succeeded" in outputs[3].data["text/plain"]
    assert outputs[4].data["text/plain"] == "3"


def test_front_ends_that_need_a_view_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the static form stands the view of the widget, for those that make widgets no other way."""
    from nbkit.widgets.gallery import Gallery

    monkeypatch.setenv("VSCODE_PID", "1")
    bundle, _ = Gallery()._repr_mimebundle_()

    assert bundle.keys() == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}


@pytest.mark.parametrize("path", sorted(attached._SCRIPTS.iterdir()), ids=lambda path: path.name)
def test_scripts_write_no_markup_and_load_nothing(path: Path) -> None:
    """No script makes elements from text, runs text, or asks the network for anything."""
    text = path.read_text("utf-8")

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\bimport\b|fetch\(|url\(",
        text,
    )
    assert not re.search(r"https?://(?!…)", text)
