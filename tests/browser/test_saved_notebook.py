from __future__ import annotations

import json
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import keep

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenNotebook
    from tests.browser.jupyter_lab import JupyterLab

CELLS = (
    "%load_ext nbkit",
    "%%generate local/collage -n 2 --as cats\ntwo cats",
    "%%generate dify/default\na happy octopus",
    "%%generate local/collage --background\na dog",
    "import nbkit\nnbkit.gallery(cats)",
    "nbkit.compare(cats.images[0], cats.images[1])",
    "form = nbkit.form('local/collage')\nform.fill(prompt='a cat', seed=3)\nform",
    "%nbkit wait",
)


def pictures_and_words(page: Page) -> tuple[list[int], str]:
    """How many pictures each cell shows, and all words of all outputs."""
    outputs = page.locator(".jp-CodeCell .jp-Cell-outputArea")
    shown = [outputs.nth(number) for number in range(outputs.count())]
    return [it.locator("img").count() for it in shown], "\n".join(it.text_content() or "" for it in shown)


def test_a_saved_notebook_reads_the_same_without_its_kernel(
    open_notebook: OpenNotebook, lab: JupyterLab, page: Page
) -> None:
    """With a new kernel, and where there is none, it shows every picture and table, and no stale state."""
    notebook = open_notebook(*CELLS)
    for number in range(len(CELLS)):
        notebook.run(number)
    expect(notebook.output(3)).to_contain_text("✓")
    notebook.save()
    lab.end_kernels()
    saved = lab.notebooks / notebook.name
    assert "widget-view" not in saved.read_text()

    notebook.open()
    pictures, words = pictures_and_words(page)
    assert pictures == [0, 2, 2, 1, 2, 3, 0, 0]
    for stale in ("model not found", "Error displaying widget", "running", "queued", "submitting"):
        assert stale not in words
    lab.end_kernels()

    elsewhere = json.loads(saved.read_text())
    elsewhere["metadata"] = {"kernelspec": {"name": "gone", "display_name": "Gone", "language": "gone"}}
    saved.write_text(json.dumps(elsewhere))
    notebook.open(kernel=False)
    page.get_by_role("dialog").get_by_role("button", name="No Kernel").click()
    keep(page, "saved-without-kernel")
    assert pictures_and_words(page) == (pictures, words)
