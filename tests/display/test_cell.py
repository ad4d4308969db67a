from __future__ import annotations

from typing import TYPE_CHECKING

import nbclient
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from nbkit.display.cell import Cell, current_cell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ASK = "from nbkit.display.cell import current_cell\nprint(current_cell())"


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A shell as a terminal has it."""
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_outside_of_ipython_there_is_no_cell() -> None:
    """A script's calls come from no cell."""
    assert current_cell() == Cell("", "")


def test_in_a_terminal_it_is_what_was_typed(shell: InteractiveShell) -> None:
    """The line that makes a call is known as it was typed."""
    shell.run_cell("from nbkit.display.cell import current_cell\nfound = current_cell()", store_history=True)  # type: ignore[no-untyped-call]

    assert shell.user_ns["found"].source.endswith("found = current_cell()")


@pytest.mark.parametrize(
    ("name", "notebook"), [("/books/a.ipynb", "/books/a.ipynb"), ("8f6c-console", ""), ("", "")]
)
def test_a_notebook_is_known_where_its_server_tells_it(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, name: str, notebook: str
) -> None:
    """A Jupyter server names the notebook to the kernel; what is no notebook is not taken for one."""
    monkeypatch.setenv("JPY_SESSION_NAME", name)
    assert shell.user_ns is not None

    assert current_cell().notebook == notebook


def test_an_editor_may_tell_the_notebook(shell: InteractiveShell) -> None:
    """Visual Studio Code tells the kernel in its own way."""
    shell.user_ns["__vsc_ipynb_file__"] = "/home/me/b.ipynb"
    assert current_cell().notebook == "/home/me/b.ipynb"
    shell.user_ns["__vsc_ipynb_file__"] = 7
    assert current_cell().notebook == ""


def test_in_a_kernel_it_is_what_was_sent_to_be_executed(tmp_path: Path) -> None:
    """The whole cell is known in a notebook, in the cell that runs and in no other."""
    cells = [nbformat.v4.new_code_cell(source) for source in ("1", ASK, f"# again\n{ASK}")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert [cell.outputs[0].text.strip() for cell in notebook.cells[1:]] == [
        str(Cell(ASK)),
        str(Cell(f"# again\n{ASK}")),
    ]
