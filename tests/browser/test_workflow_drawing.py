"""The drawing of a workflow in JupyterLab: with a kernel, and saved and opened without one, which is not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
from playwright.sync_api import expect

from tests.attacks import ATTACKS
from tests.browser.looks import defects

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.conftest import OpenNotebook
    from tests.browser.jupyter_lab import JupyterLab

DRAWN = """\
import nbkit
run = lambda app, **given: {"type": "run", "app": app, "input": given}
nodes = {
    "sketch": run("acme/gen", prompt="$input.prompt", num_images=1),
    "cut": run("acme/cut", image_url="$sketch.images.0.url"),
    "large": run("acme/upscale", image_url="$sketch.images.0.url", factor=2),
}
output = {"cutout": "$cut.image", "large": "$large.image", "prompt": "$input.prompt"}
nbkit.workflow.read({"name": "postcard", "nodes": nodes, "output": output})"""
HOSTILE = """\
from tests.attacks import ATTACKS
nodes = {word: run(word, **{word: word, "x": f"${word}"}) for word in ATTACKS}
nbkit.workflow.read({"name": "a", "title": ATTACKS[0], "nodes": nodes, "output": {word: word for word in ATTACKS}})"""
_ENDS = """(output) => {
  const [boxes, lines] = ["div", "img"].map((kind) =>
    [...output.querySelector("img").parentElement.querySelectorAll(`:scope > ${kind}`)]);
  return lines.map((line, number) => {
    const { left, right, width, height } = line.getBoundingClientRect();
    const before = left - boxes[number].getBoundingClientRect().right;
    const after = boxes[number + 1].getBoundingClientRect().left - right;
    return [line.naturalWidth, width, height === line.naturalHeight, before, after];
  });
}"""
"""Of each picture of lines: its own width, the drawn one, whether its height is kept, and the gaps to both columns."""


def is_whole(output: Locator) -> bool:
    """Whether three pictures of lines stand, unscaled, between four columns that touch them."""
    measured: list[list[float]] = output.evaluate(_ENDS)
    return len(measured) == 3 and all(line == [48, 48, True, 0, 0] for line in measured)


def distrust(path: Path) -> None:
    """Change a saved notebook as another program would, so that JupyterLab takes no output of it as it is."""
    saved = nbformat.read(path, as_version=4)
    saved.cells[0].outputs[0].data["text/plain"] += " "
    nbformat.write(saved, path)


def test_a_workflow_is_drawn_readably_in_every_theme(open_notebook: OpenNotebook, lab: JupyterLab) -> None:
    """Words in the page's colours and lines that meet their boxes, also where the saved notebook is not trusted."""
    notebook = open_notebook(DRAWN)
    notebook.run(0)
    shown = notebook.output(0)
    expect(shown.get_by_role("img", name="Step cut calls acme/cut")).to_be_visible()
    assert is_whole(shown)
    assert defects(notebook, 0, "workflow-drawing") == []
    notebook.save()
    distrust(lab.notebooks / notebook.name)
    notebook.open(kernel=False)

    expect(shown.get_by_text("acme/upscale")).to_be_visible()
    expect(shown.get_by_role("img", name="Step cut")).to_have_count(
        0
    )  # such notebooks lose what is said of roles
    assert is_whole(shown)


def test_a_hostile_workflow_draws_words(open_notebook: OpenNotebook) -> None:
    """Whatever its names and values are, nothing of it runs."""
    notebook = open_notebook(DRAWN, HOSTILE)
    notebook.run(0)
    notebook.run(1)

    expect(notebook.output(1)).to_contain_text(ATTACKS[0])
    assert notebook.page.evaluate("window.__nbkit_pwned") is None
