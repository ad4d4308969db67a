from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from nbkit.engines import weights
from tests.browser.conftest import keep
from tests.browser.jupyter_lab import ROOT
from tests.browser.looks import defects

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook


def cells(name: str) -> list[str]:
    """The code cells of a notebook of this repository."""
    book = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]


@pytest.mark.skipif(not weights.is_present("u2netp"), reason="needs the weights: nbkit models pull")
def test_the_quickstart_runs_cell_by_cell(open_notebook: OpenNotebook) -> None:
    """Each cell of the first notebook shows its pictures before the next one is run, readably in every theme."""
    sources = cells("01-quickstart.ipynb")
    notebook = open_notebook(*sources)
    last = len(sources) - 1
    for number, source in enumerate(sources):
        shown = notebook.run(number)
        expect(shown.locator("[data-mime-type$=stderr]")).to_have_count(0)
        if "generate" in source:
            expect(shown).to_contain_text("✓")
            expect(shown.locator("img").first).to_be_visible()
            keep(notebook.cell(number), f"quickstart-{number}")
        if number < last:
            expect(notebook.output(number + 1).locator("img")).to_have_count(0)
    expect(notebook.output(last).locator("img")).to_have_count(4)

    assert defects(notebook, 3, "workflow") == []
    assert defects(notebook, last, "table") == []
