"""Real cells in a real kernel, with the embedded server and its models, as a client without a screen runs them."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_client.manager import run_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from nbkit.engines import weights
from tests.dify_recordings import PNG
from tests.orphans import leave
from tests.scripted_server import answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripted_server import ScriptedServer

    Execute = Callable[..., list[Any]]

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Execute:
    """Run cells in a fresh kernel, in an empty folder, and return them with their outputs."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    # A kernel started by the tests of a package talks to nobody else.
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))

    def execute(
        *cells: str, during: Callable[[NotebookClient], None] | None = None, **options: Any
    ) -> list[Any]:
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in ("%load_ext nbkit", *cells)]
        )
        client = NotebookClient(
            book,
            timeout=60,
            kernel_name="python3",
            resources={"metadata": {"path": str(tmp_path)}},
            **options,
        )
        helper = threading.Thread(target=during, args=(client,)) if during else None
        if helper:
            helper.start()
        client.execute()
        if helper:
            helper.join()
        nbformat.validate(book)
        return list(book.cells[1:])

    return execute


def html(cell: Any) -> str:
    """The page in a cell's only output."""
    (output,) = cell.outputs
    assert WIDGET_VIEW not in output.data
    return str(output.data["text/html"])


def test_pictures_and_values_stay_in_the_notebook(execute: Execute, tmp_path: Path) -> None:
    """After the run the saved cell holds pictures, values and text, and needs no widget."""
    first, one_line, shown = execute(
        "%%generate local/collage -n 2 --seed 7 --as beach\na cat & a {red} balloon on a beach, $5 and $6",
        "%generate fal-ai/flux/schnell a dog",
        "beach.seed, len(beach.images), beach.input",
    )

    page = html(first)
    assert page.count("<img") == 2
    assert "a cat &amp; a {red} balloon on a beach, $5 and $6" in page
    assert first.outputs[0].data["text/plain"].startswith("✓  local/collage  succeeded")
    assert len(list((tmp_path / "nbkit_files").glob("*.png"))) == 2
    assert "stand-in: local/collage answered" in html(one_line)
    assert shown.outputs[0].data["text/plain"].startswith("(7,\n 2,")
    assert len(page) < 250_000


def test_sixteen_large_pictures_leave_a_notebook_small_and_the_originals_whole(
    execute: Execute, scripted: ScriptedServer, tmp_path: Path
) -> None:
    """A cell of 16 pictures of 1024 × 1024 adds less than 300 kB; what the service gave is kept byte for byte."""
    given = [rough_picture(1024) for _ in range(16)]
    for index, picture in enumerate(given):
        scripted.on("GET", f"/{index}.png", answer(body=picture, headers={"content-type": "image/png"}))
    scripted.queue(output={"images": [{"url": f"{scripted.origin}/{index}.png"} for index in range(16)]})

    (cell,) = execute(
        f"import nbkit\nnbkit.Client(base_url={scripted.origin!r}).subscribe('acme/imgen', {{}})"
    )

    assert cell.outputs[0].data["text/html"].count("data:image/") == 16
    assert len(nbformat.v4.writes(nbformat.v4.new_notebook(cells=[cell]))) < 300_000
    for picture in given:
        sha256 = hashlib.sha256(picture).hexdigest()
        assert (tmp_path / "home" / "files" / sha256[:2] / f"{sha256}.png").read_bytes() == picture


def rough_picture(side: int) -> bytes:
    """A PNG with rough and smooth places, as photographs have them, and unlike every other."""
    bands = [Image.effect_noise((side // 8, side // 8), 90).resize((side, side)) for _ in "rgb"]
    picture = Image.merge("RGB", bands)
    picture.save(target := io.BytesIO(), "PNG", compress_level=1)
    return target.getvalue()


@pytest.mark.skipif(not weights.is_present("u2netp"), reason="needs the weights: nbkit models pull")
def test_a_workflow_cell_shows_every_step(execute: Execute) -> None:
    """The cell shows `submit` and `completion` with its picture for each of three steps, and `output`."""
    (cell,) = execute("%%generate workflows/fal-ai/sdxl-sticker --stream --seed 3\na happy octopus")

    page = html(cell)
    table = page[: page.index("</table>")]
    assert table.count("submit") == table.count("completion") == 3
    assert table.count("<img") >= 3
    assert table.rindex("output") > table.rindex("completion")


def test_a_failed_cell_fails_the_notebook_in_a_few_words(execute: Execute) -> None:
    """A refused input ends the execution with a short message that names the field."""
    with pytest.raises(CellExecutionError) as caught:
        execute("%%generate local/collage -n 99\na cat")

    assert caught.value.ename == "InputError"
    assert "num_images" in caught.value.evalue
    said = caught.value.traceback.rpartition("------------------")[2]
    assert said.count("num_images") == 1
    assert len(said.strip().splitlines()) <= 3


def test_a_slip_fails_the_notebook_without_a_traceback(execute: Execute) -> None:
    """A wrong option is one line, also in an executed notebook."""
    (cell,) = execute("%%generate local/collage --sed 3\na cat", allow_errors=True)

    said = "".join(output.get("text", "") + "".join(output.get("traceback", ())) for output in cell.outputs)
    assert "did you mean --seed?" in said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1


def test_a_background_card_reaches_its_own_cell(execute: Execute) -> None:
    """A card that ends while other cells run is written into the cell that began it."""
    first, second, _wait = execute(
        "%%generate local/collage --background --as run\na cat",
        "print('meanwhile')",
        "import time\nrun.result()\ntime.sleep(0.5)",
    )

    assert html(first).count("<img") == 1
    assert [output.output_type for output in second.outputs] == ["stream"]


def test_an_interrupt_cancels_the_run(execute: Execute) -> None:
    """■ stops the run at the service, leaves a static card, and the next cell runs."""

    def interrupt(client: NotebookClient) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not _is_running(client):
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(kernel_pid(client), signal.SIGINT)

    slow = '%%generate local/collage -n 8 -p image_size={"width": 2048, "height": 2048}\na cat and a dog'
    first, slow_cell, after = execute(
        "%generate local/collage a cat", slow, "1 + 1", during=interrupt, allow_errors=True
    )

    assert html(first)
    card, error = slow_cell.outputs
    assert error.ename == "KeyboardInterrupt"
    assert error.traceback == ["KeyboardInterrupt: local/collage was cancelled"]
    assert "cancelled" in card.data["text/plain"]
    assert WIDGET_VIEW not in card.data
    assert after.outputs[0].data["text/plain"] == "2"


def kernel_pid(client: NotebookClient) -> int:
    """The kernel's process; the manager's own way to interrupt it belongs to another thread's event loop."""
    provisioner: Any = client.km.provisioner if client.km else None
    return int(provisioner.pid)


def _is_running(client: NotebookClient) -> bool:
    """Whether the slow cell has put its card up."""
    return bool(client.nb.cells[2].outputs)


def test_a_front_end_is_offered_what_can_stand_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab's TAB asks the kernel: it gets options, then inputs and values that the embedded server has told."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    with run_kernel(kernel_name="python3", cwd=str(tmp_path)) as started:
        client: Any = started

        def offered(text: str) -> list[str]:
            before, _, after = text.partition("|")
            answer = client.complete(before + after, len(before), reply=True, timeout=30)["content"]
            assert before[answer["cursor_start"] : answer["cursor_end"]] == before[answer["cursor_start"] :]
            return [before[: answer["cursor_start"]] + match for match in answer["matches"]]

        client.execute_interactive("%load_ext nbkit", timeout=30)
        assert offered("%%generate --se|\na cat") == ["%%generate --seed"]
        deadline = time.monotonic() + 30
        while not offered("%%generate local/collage -p num|") and time.monotonic() < deadline:
            time.sleep(0.1)
        start = "%%generate local/collage"
        assert offered(f"{start} -p num|") == [f"{start} -p num_images="]
        assert offered(f"{start} -p image_size=square|") == [
            f"{start} -p image_size={value}" for value in ("square", "square_hd")
        ]
        assert offered(f"{start}\nimage_size: square_|\n---\na cat") == [f"{start}\nimage_size: square_hd"]


def test_the_end_of_a_cell_waits_for_cards_that_are_over(execute: Execute) -> None:
    """A cell that waited for watched runs keeps their ends, also in a client without a screen."""
    (cell,) = execute(
        "import nbkit\n"
        "client = nbkit.Client()\n"
        "runs = [client.submit('local/collage', {'prompt': 'a cat', 'seed': seed}) for seed in range(4)]\n"
        "nbkit.watch(runs)\n"
        "for run in runs:\n"
        "    _ = run.result()"
    )

    assert [list(output.data) for output in cell.outputs] == [["text/plain", "text/html"]] * 4
    assert all("succeeded" in output.data["text/plain"] for output in cell.outputs)


def test_the_next_kernel_brings_back_what_the_last_one_left(
    execute: Execute, scripted: ScriptedServer
) -> None:
    """In a real kernel `%nbkit resume` shows them in its cell, with pictures, and the history has them."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    scripted.queue(output={"images": [{"url": f"{scripted.origin}/a.png"}]})
    leave(scripted.origin)
    cells = execute("%nbkit resume", "%nbkit history cat")

    assert "1 came back" in cells[0].outputs[0].data["text/plain"]
    assert "<img" in html(cells[0])
    assert "succeeded" in html(cells[1])
