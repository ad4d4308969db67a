"""A function declared in a real kernel, called as a notebook calls endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

if TYPE_CHECKING:
    from pathlib import Path

DECLARE = """
import functools, os, time
import nbkit
from PIL import Image

@functools.cache
def weights():
    return os.urandom(4).hex()

@nbkit.endpoint("me/paint")
def paint(prompt: str, colour: str = "red", size: int = 16, seed: int | None = None):
    '''Paints a square.'''
    print("painting with", weights())
    picture = Image.new("RGB", (size, size), colour)
    yield 0.5, "half", picture
    return {"picture": picture, "prompt": prompt}
"""
CALL = """%%generate me/paint --seed 5 --as it
colour: blue
---
a square"""
TAB = """from IPython.core.completer import provisionalcompleter
found = []
with provisionalcompleter():
    for text in ("%%generate me/p", "%%generate me/paint\\ncol"):
        found += [it.text for it in get_ipython().Completer.completions(text, len(text))]
[it.strip(" :") for it in found if it[0] != "%"]
"""
CELLS = [
    "%load_ext nbkit",
    DECLARE,
    CALL,
    "it.seed, it.data['prompt'], it.image.pil().getpixel((0, 0))",
    "paint('x')",
    "type(nbkit.form('me/paint')).__name__",
    TAB,
    "sweep = nbkit.Sweep('me/paint', {'prompt': 'x', 'seed': 1}, {'size': [8, 24]}).run(show=False)",
    "[outcome.image.width for _, outcome in sweep]",
    DECLARE.replace("size, size", "2 * size, size"),
    "it = nbkit.Client().run('me/paint', {'prompt': 'x'}); it.image.pil().size",
    "nbkit.endpoint('me/bad')(lambda x: x)",
]


@pytest.mark.usefixtures("_clean_environment")
def test_a_function_of_a_cell_is_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells, forms, TAB and sweeps call it; its cell run again replaces it; a mistake is one line."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("FAL_KEY", "a-key:of-fal")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(book, timeout=60, kernel_name="python3", resources=place, allow_errors=True).execute()
    shown = [
        cell.outputs[-1].get("data", {}).get("text/plain", "") if cell.outputs else "" for cell in book.cells
    ]
    last = book.cells[-1].outputs[-1]

    assert shown[2].startswith("✓  me/paint  succeeded")
    assert shown[3] == "(5, 'a square', (0, 0, 255))"
    assert shown[4].startswith("<generator object paint")
    assert shown[5] == "'Form'"
    assert shown[6] == "['me/paint', 'colour']"
    assert shown[8] == "[8, 24]"
    assert shown[10] == "(32, 16)"
    assert (last.output_type, last.ename) == ("error", "InputError")
    assert len(last.traceback) <= 2
