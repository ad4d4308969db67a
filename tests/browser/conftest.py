from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from tests.browser.jupyter_lab import ROOT, JupyterLab
from tests.browser.notebook_page import NotebookPage
from tests.browser.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

SCREENSHOTS = ROOT / "build" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FAILED = pytest.StashKey[bool]()


def keep(shown: Page | Locator, name: str) -> None:
    """Keep a picture of a page, or of a part of it, for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    shown.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")


class OpenNotebook(Protocol):
    """Opens a notebook in a page of its own."""

    def __call__(self, *cells: str, kernel: str = "python3") -> NotebookPage:
        """Open it, of some code cells, with a fresh kernel."""


@pytest.fixture(scope="package")
def chromium() -> str:
    """The browser's program."""
    found = os.environ.get("NBKIT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing = "no chromium here: `make chromium` installs it, or NBKIT_CHROMIUM names it"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


# Of the package, not of the session: while Playwright is open its event loop runs in this thread, and no other can.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for all tests. It can reach this machine only."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One profile, so that JupyterLab's own files are loaded once."""
    with browser.new_context(
        viewport={"width": 1200, "height": 1400}, reduced_motion="reduce", accept_downloads=True
    ) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(15_000)
        yield context


@pytest.fixture(scope="package")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """One JupyterLab for all tests."""
    assert chromium
    with JupyterLab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember which tests failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def witness(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Witness]:
    """A fresh page that is watched. What happens in it that nobody asked for fails the test."""
    page = context.new_page()
    witness = Witness(page)
    yield witness
    if request.node.stash.get(FAILED, False):
        keep(page, f"failed-{request.node.name}")
        (SCREENSHOTS / f"failed-{request.node.name}.txt").write_text("\n".join(witness.console))
    hurt = page.evaluate("window.__nbkit_pwned")
    page.close()
    assert hurt is None
    assert witness.foreign == []
    assert witness.dialogs == []
    assert witness.errors == []


@pytest.fixture
def page(witness: Witness) -> Page:
    """The page."""
    return witness.page


@pytest.fixture
def open_notebook(lab: JupyterLab, page: Page, request: pytest.FixtureRequest) -> Iterator[OpenNotebook]:
    """Open a notebook; its kernel ends with the test."""

    def open_notebook(*cells: str, kernel: str = "python3") -> NotebookPage:
        path = lab.write(f"{request.node.name}.ipynb", *cells, kernel=kernel)
        notebook = NotebookPage(page, lab, path.name)
        notebook.open()
        return notebook

    yield open_notebook
    lab.end_kernels()
