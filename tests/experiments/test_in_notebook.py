"""A sweep in a real kernel, as a notebook's server runs it."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient

from nbkit import history
from tests.magics.test_kernel import kernel_pid

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_SWEEP = """
import nbkit
sweep = nbkit.Sweep(
    "local/collage",
    {"image_size": {"width": 64, "height": 64}},
    {"prompt": ["a cat", "猫 🐈"], "format": ["png", "jpeg"]},
    seeds=25,
    concurrency=1,
)
sweep.run();
"""


def run_cells(folder: Path, monkeypatch: pytest.MonkeyPatch, *cells: str, interrupt_at: int = 0) -> list[Any]:
    """Run cells in a fresh kernel, which is interrupted when so many runs have succeeded, and return them."""
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        book,
        timeout=60,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )

    def interrupt() -> None:
        give_up = time.monotonic() + 30
        while len(history.search(status="succeeded", limit=None)) < interrupt_at:
            assert time.monotonic() < give_up
            time.sleep(0.1)
        os.kill(kernel_pid(client), signal.SIGINT)

    helper = threading.Thread(target=interrupt) if interrupt_at else None
    if helper:
        helper.start()
    client.execute()
    if helper:
        helper.join()
    return list(book.cells)


def test_an_interrupted_cell_keeps_its_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The saved notebook holds the grid as far as it came, without widgets and not heavy, and the next cell goes on."""
    first, second = run_cells(tmp_path, monkeypatch, _SWEEP, "sweep.run(show=False).counts", interrupt_at=20)
    shown = [output for output in first.outputs if "data" in output]
    errors = [output.ename for output in first.outputs if output.output_type == "error"]
    (grid,) = (output.data for output in shown)

    assert errors == ["KeyboardInterrupt"]
    assert set(grid) == {"text/plain", "text/html"}
    assert 20 <= grid["text/html"].count('<img src="data:image/') < 100
    assert "猫 🐈" in grid["text/html"]
    assert len(grid["text/html"]) < 450_000
    assert second.outputs[0].data["text/plain"] == "Counter({'succeeded': 100})"


def test_a_grid_is_shown_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `sweep.run()` is a cell's last line its value is a line of text; in the next cell it is the grid again."""
    small = _SWEEP.replace("seeds=25", "seeds=1").replace("sweep.run();", "sweep.run()")
    first, second = run_cells(tmp_path, monkeypatch, small, "sweep")
    *_streams, grid, value = [output.data for output in first.outputs if "data" in output]

    assert grid["text/html"].count('<img src="data:image/') == 4
    assert list(value) == ["text/plain"]
    assert "4 of 4" in value["text/plain"]
    assert second.outputs[0].data["text/html"].count('<img src="data:image/') == 4
