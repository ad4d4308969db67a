from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.looks import defects

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook


def test_a_dify_workflow_shows_its_steps_while_it_runs(open_notebook: OpenNotebook) -> None:
    """Steps appear one by one with their bars while the run goes on, and all of them stay, readably in every theme."""
    notebook = open_notebook("%load_ext nbkit", "%%generate dify/default\na cat and a dog on a beach")
    notebook.run(0)
    shown = notebook.start(1)
    live = shown.locator(".widget-html, .jupyter-widgets")
    expect(live.get_by_text("submit").first).to_be_visible()
    expect(shown.get_by_role("button", name="Cancel")).to_be_visible()
    notebook.ended(1)
    expect(live).to_have_count(0)
    expect(shown).to_contain_text("✓")
    steps = shown.get_by_role("table").first
    expect(steps.get_by_text("completion").first).to_be_visible()
    expect(steps.get_by_text("output", exact=True)).to_be_visible()
    assert defects(notebook, 1, "dify") == []
