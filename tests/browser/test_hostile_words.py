from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

from tests.attacks import ATTACKS
from tests.browser.conftest import keep
from tests.browser.hostile_service import serve

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.conftest import OpenNotebook
    from tests.browser.jupyter_lab import JupyterLab
    from tests.scripted_server import ScriptedServer

CLIENT = """\
import os, nbkit
from nbkit.errors import NbkitError
from tests.browser.hostile_service import WORDS
client = nbkit.Client(base_url=origin, key="k", validate=False)
def dify(app):
    return nbkit.Client(base_url=f"{origin}/{app}/v1", key="app-k", validate=False)
def ended(run):
    try:
        return run.result()
    except NbkitError:
        return None"""
CELLS = (
    """\
runs = [client.submit(f"acme/shown-{n}", {"prompt": word}) for n, word in enumerate(WORDS)]
nbkit.watch(runs)
results = [run.result() for run in runs]""",
    """\
refused = [client.submit(f"acme/refused-{n}", {"prompt": word}) for n, word in enumerate(WORDS)]
nbkit.watch(refused)
[ended(run) for run in refused]""",
    """\
flows = [client.stream(f"workflows/acme/flow-{n}", {"prompt": word}) for n, word in enumerate(WORDS)]
nbkit.watch(flows)
[ended(run) for run in flows]""",
    """\
apps = [dify(f"failed-{n}") for n in range(len(WORDS))]
failed = [app.submit("dify/default", {}) for app in apps]
nbkit.watch(failed)
[ended(run) for run in failed]""",
    """\
asking = [dify(f"asks-{n}").submit("dify/default", {}) for n in range(len(WORDS))]
nbkit.watch(asking)""",
    "for n in range(len(WORDS)):\n    display(nbkit.form(f'acme/shown-{n}', client))",
    "for n in range(len(WORDS)):\n    display(client.schema(f'acme/shown-{n}'), apps[n].schema('dify/default'))",
    "display(nbkit.table(results), nbkit.gallery(results, failed))\nnbkit.compare(*results)",
    """\
axes = {"endpoint": ["acme/shown-0", "acme/shown-1"], "prompt": list(WORDS[:2])}
study = nbkit.Sweep("", {word: word for word in WORDS[:2]}, axes, client=client, name=WORDS[0])
study.run()""",
    "nbkit.vote(study, by='endpoint')",
    "found = nbkit.history.search()\ndisplay(found, found.totals, found[0])",
    "client.submit(' '.join(WORDS), {})",
)
TOUCH = """() => {
  for (const element of document.querySelectorAll(".jp-OutputArea *, .output *")) {
    for (const kind of ["mouseover", "focus", "toggle", "error", "load"]) element.dispatchEvent(new Event(kind));
    if (element.closest("summary, a[href^='javascript' i]")) element.click?.();
  }
}"""
ACTIVE = """() => [...document.querySelectorAll(".jp-OutputArea *, .output *")].filter((element) =>
  ["SCRIPT", "IFRAME", "OBJECT", "EMBED", "BASE", "STYLE", "LINK", "META"].includes(element.tagName)
  || [...element.attributes].some(({ name, value }) => name.startsWith("on") || (
    ["href", "src", "action", "srcdoc", "formaction"].includes(name)
    && !/^(https?:|blob:|data:image\\/|[\\w./%-]+$)/.test(value)))
).map((element) => element.outerHTML.slice(0, 200))"""


def is_inert(page: Page) -> bool:
    """Touch everything that is shown, and tell whether nothing in it can do anything."""
    page.evaluate(TOUCH)
    page.wait_for_load_state("networkidle")
    active = page.evaluate(ACTIVE)
    assert active == []
    return page.evaluate("window.__nbkit_pwned") is None


def test_nothing_that_a_service_says_is_run(
    open_notebook: OpenNotebook, lab: JupyterLab, page: Page, scripted: ScriptedServer, tmp_path: Path
) -> None:
    """Logs, errors, names, schemas and forms of a hostile service are words: live, saved, and in exported pages."""
    serve(scripted)
    notebook = open_notebook(
        "%load_ext nbkit",
        f"origin = {scripted.origin!r}\n{CLIENT}",
        *CELLS,
    )
    for number in range(len(CELLS) + 2):
        shown = notebook.run(number)
        if number < len(CELLS) + 1:
            assert shown.locator("[data-mime-type$=stderr]").all_inner_texts() == []
    expect(notebook.output(6)).to_contain_text("paused")
    assert is_inert(page)
    keep(page, "hostile-lab")

    notebook.save()
    lab.end_kernels()
    for template in ("lab", "classic"):
        exporter = HTMLExporter(template_name=template)
        for name in ("require_js_url", "jquery_url", "mathjax_url", "widget_renderer_url"):
            setattr(exporter, name, "")  # what nbconvert itself would load
        exporter.mermaid_js_url = "data:text/javascript,export default {initialize() {}}"
        book = nbformat.read(lab.notebooks / notebook.name, as_version=4)
        exported = tmp_path / f"{template}.html"
        exported.write_text(exporter.from_notebook_node(book)[0], encoding="utf-8")
        page.goto(exported.as_uri())
        assert ATTACKS[0] in page.locator("body").inner_text()
        assert is_inert(page)
        keep(page, f"hostile-{template}")


@pytest.mark.parametrize("attack", ATTACKS[:3])
def test_an_attack_would_be_noticed(page: Page, attack: str) -> None:
    """The same words, put into a page as they are, do run."""
    page.goto("about:blank")
    page.set_content(f"<div class=output>{attack}</div>")
    page.wait_for_function("window.__nbkit_pwned === 1")
    page.goto("about:blank")
