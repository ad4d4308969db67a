from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import keep
from tests.browser.looks import defects

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook

PICTURES = """\
import nbkit
from PIL import Image
red, green = Image.radial_gradient("L"), Image.linear_gradient("L")
sky = Image.merge("RGB", (green, red, red.rotate(90)))
blurred = sky.resize((9, 9)).resize(sky.size)
night, sea = Image.merge("RGB", (red, green, green)), Image.merge("RGB", (green, green, red))
gallery = nbkit.gallery(sky, blurred, night, sea)
gallery"""


def test_a_form_is_filled_in_run_and_copied(open_notebook: OpenNotebook) -> None:
    """What is entered is sent, its picture appears below, and the copied cell gives the same one."""
    notebook = open_notebook(
        "%load_ext nbkit", "import nbkit\nform = nbkit.form('local/collage')\nform", "", ""
    )
    notebook.run(0)
    shown = notebook.run(1)
    form = shown.get_by_role("form")
    prompt = form.get_by_role("textbox", name="prompt * required")
    form.get_by_role("button", name="Run").click()
    missing = form.get_by_role("alert").filter(has_text="prompt")
    expect(missing).to_be_visible()
    expect(shown.locator("img")).to_have_count(0)

    prompt.fill("a cat on a beach")
    form.get_by_role("textbox", name="seed").fill("7")
    form.get_by_label("image_size", exact=False).first.select_option("square")
    expect(missing).to_have_count(0)
    assert defects(notebook, 1, "form") == []
    form.get_by_role("button", name="Run").click()
    expect(shown.locator("img")).to_have_count(1)
    expect(form.get_by_role("status").filter(has_text="succeeded")).to_be_visible()
    keep(shown, "form-run")
    form.get_by_role("button", name="Copy as cell").click()
    expect(form.get_by_text("copied")).to_be_visible()

    notebook.write(2, notebook.page.evaluate("navigator.clipboard.readText()"))
    expect(notebook.run(2)).to_contain_text("✓")
    assert notebook.say(3, "form.result.seed, form.result.input") == (
        "(7, {'prompt': 'a cat on a beach', 'image_size': 'square', 'seed': 7})"
    )


def test_a_gallery_is_looked_through_with_the_keyboard(open_notebook: OpenNotebook) -> None:
    """Arrows move, Space ticks, s stars, Enter enlarges, Esc comes back; Python knows what was chosen."""
    notebook = open_notebook(PICTURES, "")
    shown = notebook.run(0)
    pictures = shown.locator(".picture")
    expect(pictures.locator("img")).to_have_count(4)
    keys = notebook.page.keyboard
    pictures.first.focus()
    keys.press("ArrowRight")
    expect(pictures.nth(1)).to_be_focused()
    keys.press("Space")
    keys.press("ArrowRight")
    keys.press("s")
    expect(shown.get_by_role("status").first).to_contain_text("1 selected")
    keep(shown, "gallery")

    keys.press("Enter")
    large = notebook.page.get_by_role("dialog", name="Large view")
    expect(large.get_by_text("3 of 4")).to_be_visible()
    keys.press("ArrowRight")
    expect(large.get_by_text("4 of 4")).to_be_visible()
    expect(large.locator("img")).to_be_visible()
    keep(notebook.page, "gallery-large")
    keys.press("Escape")
    expect(large).to_be_hidden()

    assert (
        notebook.say(1, "gallery.selected, gallery.starred, gallery.selection[0] is blurred")
        == "([1], [2], True)"
    )
    assert defects(notebook, 0, "gallery") == []


def test_a_comparison_is_dragged_and_zoomed(open_notebook: OpenNotebook) -> None:
    """The slider follows the mouse and the arrows, the keys choose the view, and all panes zoom together."""
    notebook = open_notebook(PICTURES, "nbkit.compare(sky, blurred)")
    notebook.run(0)
    shown = notebook.run(1)
    panes = shown.get_by_role("group", name=re.compile("^Pictures"))
    expect(panes.locator("img")).to_have_count(2)
    shown.scroll_into_view_if_needed()
    slider = shown.get_by_role("slider")
    edge, pane = shown.locator(".edge").bounding_box(), shown.locator(".pane").bounding_box()
    assert edge is not None
    assert pane is not None
    mouse = notebook.page.mouse
    mouse.move(edge["x"] + edge["width"] / 2, edge["y"] + edge["height"] / 2)
    mouse.down()
    mouse.move(pane["x"] + pane["width"] / 4, edge["y"], steps=4)
    mouse.up()
    expect(slider).to_have_attribute("aria-valuetext", "25 percent A")
    keep(shown, "compare-slider")

    panes.focus()
    notebook.page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "27 percent A")
    notebook.page.keyboard.press("2")
    expect(panes.locator(".pane")).to_have_count(2)
    notebook.page.keyboard.press("+")
    expect(shown.get_by_role("status")).to_have_text("150 %")
    first, second = panes.locator("img").all()
    assert first.get_attribute("style") == second.get_attribute("style")
    keep(shown, "compare-beside")
    notebook.page.keyboard.press("0")
    notebook.page.keyboard.press("4")
    expect(shown.get_by_text(re.compile("of the pixels differ"))).to_be_visible()
    expect(panes.get_by_role("img", name=re.compile("^Difference"))).to_be_visible()
    assert defects(notebook, 1, "compare") == []
