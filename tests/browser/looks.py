"""Whether what is shown can be read: in the light and the dark theme, and in a narrow window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from playwright.sync_api import expect

from tests.browser.conftest import keep

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

    from tests.browser.notebook_page import NotebookPage

LEAST_CONTRAST = 3.0
"""Between words and what is behind them, as WCAG 2 counts it; it asks for so much of large text."""

_FAINT = """(output, least) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((part, i) => part * a + below[i] * (1 - a));
  const ancestors = (element) => (element ? [...ancestors(element.parentElement), element] : []);
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  const walker = document.createTreeWalker(output, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const words = walker.currentNode.textContent.trim();
    const isOwn = element.closest(".jp-OutputArea-output") && !element.closest(".hidden-text, option, :disabled");
    if (!words || !isOwn || !element.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true })) continue;
    let behind = [255, 255, 255], strength = 1;
    for (const it of ancestors(element)) {
      behind = over(rgba(getComputedStyle(it).backgroundColor), behind);
      strength *= Number(getComputedStyle(it).opacity);
    }
    const [r, g, b, a] = rgba(getComputedStyle(element).color);
    const [one, other] = [light(over([r, g, b, a * strength], behind)), light(behind)];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < least) found.push(`${contrast.toFixed(1)}: ${words.slice(0, 60)}`);
  }
  return found;
}"""
_WIDER = """(output) => [...output.querySelectorAll(".jp-OutputArea-output *")].filter((element) => {
  const box = element.closest(".jp-OutputArea-output");
  const scrolls = (it) => it !== box && (getComputedStyle(it).overflowX !== "visible" || scrolls(it.parentElement));
  const isOut = element.getBoundingClientRect().right > box.getBoundingClientRect().right + 1;
  return isOut && element.checkVisibility() && !element.closest("table, pre") && !scrolls(element.parentElement);
}).map((element) => `${element.tagName} ${element.textContent.slice(0, 60)}`)"""
"""What leaves the width of its cell; a table may, and can be scrolled to."""


def defects(notebook: NotebookPage, number: int, name: str) -> list[str]:
    """What cannot be read of what a cell shows, in any of four ways. Keeps a picture of each."""
    found: list[str] = []
    page, shown = notebook.page, notebook.output(number)
    wide = page.viewport_size
    assert wide is not None
    narrow: ViewportSize = {"width": 400, "height": wide["height"]}
    ways: list[tuple[Literal["light", "dark"], ViewportSize]]
    ways = [("light", wide), ("light", narrow), ("dark", narrow), ("dark", wide)]
    for scheme, size in ways:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        is_light = "true" if scheme == "light" else "false"
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", is_light)
        expect(shown).to_be_visible()
        form = "narrow" if size is narrow else "wide"
        keep(shown, f"{name}-{scheme}-{form}")
        found += [f"{scheme}, {form}: hard to read, {it}" for it in shown.evaluate(_FAINT, LEAST_CONTRAST)]
        found += [f"{scheme}, {form}: too wide, {it}" for it in shown.evaluate(_WIDER)]
    return found
