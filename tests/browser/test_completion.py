from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect

from tests.browser.conftest import keep

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook
    from tests.browser.notebook_page import NotebookPage


def offered(notebook: NotebookPage, text: str, first: str) -> None:
    """Type, press TAB where `|` stands, and see what is offered; what the kernel asks for is there the next time."""
    before, _, after = text.partition("|")
    offers = notebook.page.locator(".jp-Completer-item")
    for _ in range(20):
        notebook.write(1, before + after)
        for _ in after:
            notebook.page.keyboard.press("ArrowLeft")
        notebook.page.keyboard.press("Tab")
        with contextlib.suppress(Error):
            offers.filter(has_text=first).first.wait_for(timeout=1500)
            return
    pytest.fail(f"{first!r} is not offered after {text!r}, but {offers.all_inner_texts()}")


def test_tab_offers_what_can_stand_there(open_notebook: OpenNotebook) -> None:
    """TAB in a cell offers endpoints, options, inputs and the values that an input may have."""
    notebook = open_notebook("%load_ext nbkit", "")
    notebook.run(0)
    for text, first in (
        ("%%generate local/", "local/collage"),
        ("%%generate --s", "--seed"),
        ("%%generate local/collage -p n", "num_images="),
        ("%%generate local/collage -p image_size=s", "square_hd"),
        ("%%generate local/collage\nimage_size: s|\n---\na cat", "square_hd"),
    ):
        offered(notebook, text, first)
        keep(notebook.page, f"tab-{first.strip('-=').replace('/', '-')}")
        notebook.page.keyboard.press("Escape")
    offered(notebook, "%%generate local/collage -p image_size=s", "square_hd")
    notebook.page.locator(".jp-Completer-item", has_text="square_hd").click()
    expect(notebook.cell(1).locator(".cm-content")).to_have_text(
        "%%generate local/collage -p image_size=square_hd"
    )
