from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.error import UsageError
from PIL import Image

from nbkit.config import data_dir
from nbkit.history.files import FileStore
from nbkit.history.recorder import Recorder
from nbkit.magics.grammar import parse
from nbkit.model.endpoint import Endpoint
from nbkit.model.media import Media
from nbkit.model.result import Result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.magics.conftest import Shell


def saved(folder: Path, given: dict[str, Any], endpoint: str = "a/b", **more: Any) -> Path:
    """A saved picture of a run."""
    Image.new("RGB", (4, 3)).save(folder / "kept.png")
    media = Media("https://a/x.png", path=folder / "kept.png")
    result = Result(more, endpoint=endpoint, input=given, request_id="r-1", media=(media,))
    return result.media[0].save(folder / "my cat.png")


def written(shell: Shell, line: str) -> tuple[str, str]:
    """The cell that a recall puts below, and what it tells."""
    shown = shell.cell(f"%nbkit recall {line}")
    return str(shell.rl_next_input), shown.outputs[0].data["text/plain"]


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_picture_brings_back_its_cell(shell: Shell, tmp_path: Path, quote: str) -> None:
    """The cell below sends the same prompt and settings, with the seed that the model chose."""
    saved(tmp_path, {"prompt": "a cat {of} mine", "num_images": 2}, seed=42)
    cell, told = written(shell, f"{quote}my cat.png{quote}")

    assert cell == "%%generate a/b -p num_images=2 --seed 42\na cat {of} mine"
    assert "r-1" in told


def test_a_file_that_was_sent_is_found_again(shell: Shell, tmp_path: Path) -> None:
    """A file of the input that is kept on this machine stands in the cell by its path; another is told of."""
    incoming = FileStore(data_dir() / "files").incoming()
    incoming.write(b"picture")
    kept = incoming.keep(".png")
    saved(tmp_path, {"image_url": "data:image/png;base64,cGljdHVyZQ==", "other_url": "data:,lost"})
    cell, told = written(shell, "my cat.png")
    given = parse(cell.split(maxsplit=1)[1].partition("\n")[0], "---\n").filled({})

    assert given["image_url"] == str(kept.path)
    assert given["other_url"].startswith("sha256:")
    assert "put it in by hand" in told


@pytest.mark.parametrize(
    ("line", "words"),
    [("", "say which file"), ("none.png", "cannot be read"), ("plain.png", "carries no recipe")],
)
def test_what_cannot_be_recalled_is_one_line(shell: Shell, tmp_path: Path, line: str, words: str) -> None:
    """A wrong name and a picture without a recipe are told in one line."""
    Image.new("RGB", (4, 3)).save(tmp_path / "plain.png")
    with pytest.raises(UsageError, match=words):
        shell.cell(f"%nbkit recall {line}")


def test_a_picture_without_a_recipe_is_found_by_the_history(shell: Shell, tmp_path: Path) -> None:
    """A copy with the service's own bytes leads to its run as well."""
    Image.new("RGB", (4, 3), "red").save(tmp_path / "as it came.png")
    sha256 = hashlib.sha256((tmp_path / "as it came.png").read_bytes()).hexdigest()
    media = Media("https://a/x.png", path=tmp_path / "as it came.png", sha256=sha256, place="image")

    async def remember() -> None:
        recorder = Recorder(Endpoint.parse("a/b"))
        await recorder.begin({"prompt": "a cat", "n": 2}, "queue", "https://queue.example")
        recorder.accepted("r-9")
        await recorder.ended("succeeded", Result({"seed": 3}, "a/b", request_id="r-9", media=(media,)), None)

    asyncio.run(remember())
    cell, told = written(shell, "as it came.png")

    assert cell == "%%generate a/b -p n=2 --seed 3\na cat"
    assert "r-9" in told
