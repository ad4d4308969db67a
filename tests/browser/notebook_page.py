"""A notebook in a page of JupyterLab."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import nbformat
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.jupyter_lab import JupyterLab

_RUN = re.compile(r"\[\d+\]:")
_LONG = 45_000
"""Milliseconds that a cell may take on a busy machine."""


class NotebookPage:
    """An open notebook.

    Args:
        page: The browser's page.
        lab: Who serves it.
        name: The notebook's file.

    Attributes:
        page: The browser's page.
    """

    def __init__(self, page: Page, lab: JupyterLab, name: str) -> None:
        self.page = page
        self.name = name
        self._lab = lab

    def open(self, *, kernel: bool = True) -> None:
        """Open it alone in the page, and wait for its cells and its kernel."""
        cells = nbformat.read(self._lab.notebooks / self.name, as_version=4).cells
        self.page.goto(f"{self._lab.url}/doc/tree/{self.name}")
        expect(self.page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(cells), timeout=_LONG)
        if kernel:
            self.idle()

    def idle(self) -> None:
        """Wait until the kernel is ready, and has nothing to do."""
        # The indicator beside the kernel's name says "idle" before there is a kernel.
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("(ipykernel) | Idle", timeout=_LONG)

    def cell(self, number: int) -> Locator:
        """A cell, by its number among the code cells."""
        return self.page.locator(".jp-CodeCell").nth(number)

    def output(self, number: int) -> Locator:
        """What a cell shows."""
        return self.cell(number).locator(".jp-Cell-outputArea")

    def start(self, number: int) -> Locator:
        """Run a cell with the keyboard, without waiting for its end. Returns what it shows."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        return self.output(number)

    def run(self, number: int) -> Locator:
        """Run a cell and wait for its end. Returns what it shows."""
        shown = self.start(number)
        self.ended(number)
        return shown

    def ended(self, number: int) -> None:
        """Wait until a cell has run."""
        expect(self.cell(number).locator(".jp-InputPrompt")).to_have_text(_RUN, timeout=_LONG)

    def write(self, number: int, text: str) -> None:
        """Put text into a cell in place of what stood there, as pasting does. The cursor is at its end."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def say(self, number: int, text: str) -> str:
        """Run a line in a cell, and return the text that it gives."""
        self.write(number, text)
        return self.run(number).locator(".jp-OutputArea-output").last.inner_text().strip()

    def save(self) -> None:
        """Save it with the keyboard, and wait until it is written."""
        with self.page.expect_response(
            lambda response: f"/api/contents/{self.name}" in response.url and response.request.method == "PUT"
        ):
            self.page.keyboard.press("Control+s")
