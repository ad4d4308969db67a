from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import keep
from tests.oldest_jupyter import VERSIONS, oldest_jupyter

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.conftest import OpenNotebook
    from tests.browser.jupyter_lab import JupyterLab
    from tests.browser.notebook_page import NotebookPage

SLOW = 'local/collage -n 8 -p image_size={"width": 2048, "height": 2048}'
ASK = "import nbkit; nbkit.Client().status('local/collage', '{}')"


def request_id(card: Locator) -> str:
    """The id that a card tells, once it is known."""
    expect(card).to_contain_text(re.compile("request [0-9a-f-]{36}"))
    found = re.search("request ([0-9a-f-]{36})", card.inner_text())
    assert found
    return found[1]


def is_stopped(notebook: NotebookPage, cell: int, asked: int) -> None:
    """See that a card has ended, and that the server says the same of its request."""
    card = notebook.output(cell)
    expect(card).to_contain_text("cancelled")
    expect(card.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(card.locator(".jp-OutputArea-child").last).to_contain_text("cancelled")
    told = notebook.say(asked, ASK.format(request_id(card)))
    assert "cancelled" in told.lower(), told


def test_cancel_and_interrupt_stop_the_run_at_the_server(open_notebook: OpenNotebook) -> None:
    """The Cancel button, and ■ of the notebook, end the request at the server, and the card says so."""
    notebook = open_notebook(
        "%load_ext nbkit", f"%%generate {SLOW}\na cat", "", f"%%generate {SLOW}\na dog", ""
    )
    notebook.run(0)
    shown = notebook.start(1)
    expect(shown).to_contain_text("running")
    keep(shown, "running")
    shown.get_by_role("button", name="Cancel").click()
    notebook.ended(1)
    keep(shown, "cancelled")
    is_stopped(notebook, 1, 2)

    shown = notebook.start(3)
    expect(shown).to_contain_text("running")
    notebook.page.get_by_role("button", name="Interrupt the kernel").click()
    notebook.ended(3)
    is_stopped(notebook, 3, 4)


def test_runs_are_stopped_on_the_oldest_kernel_too(lab: JupyterLab, open_notebook: OpenNotebook) -> None:
    """Where no click is heard while a cell runs, the card says what is; that of a background run has its button."""
    lab.add_kernel("oldest", oldest_jupyter())
    notebook = open_notebook(
        "import ipykernel, IPython\nipykernel.__version__, IPython.__version__",
        "%load_ext nbkit",
        f"%%generate {SLOW}\na cat",
        "",
        f"%%generate {SLOW} --background\na dog",
        "",
        kernel="oldest",
    )
    expect(notebook.run(0)).to_have_text(re.compile(re.escape(VERSIONS)))
    notebook.run(1)
    shown = notebook.start(2)
    expect(shown).to_contain_text("running")
    expect(shown).to_contain_text("■ (interrupt) cancels it")
    keep(shown, "running-oldest")
    notebook.page.get_by_role("button", name="Interrupt the kernel").click()
    notebook.ended(2)
    is_stopped(notebook, 2, 3)

    shown = notebook.run(4)
    expect(shown).to_contain_text("running")
    shown.get_by_role("button", name="Cancel").click()
    is_stopped(notebook, 4, 5)


def test_a_background_card_goes_on_while_another_cell_runs(open_notebook: OpenNotebook) -> None:
    """While the kernel is busy with another cell, the card of the first one moves, and ends with its picture."""
    notebook = open_notebook(
        "%load_ext nbkit",
        "%%generate local/collage -n 4 --background --as run\na cat on a beach",
        "import time\nwhile not run.is_done:\n    time.sleep(0.05)\ntime.sleep(1)\n'over'",
    )
    notebook.run(0)
    card = notebook.start(1)
    other = notebook.start(2)
    expect(card).to_contain_text("running")
    expect(card).to_contain_text("✓")
    expect(card.locator("img")).to_have_count(4)
    expect(other).not_to_contain_text("over")
    notebook.ended(2)
    expect(other).to_have_text(re.compile("'over'"))
