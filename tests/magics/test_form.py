from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nbkit.magics.form import write_cell
from nbkit.magics.grammar import parse
from tests.attacks import ATTACKS


def sent_by(cell: str) -> dict[str, Any]:
    """What a cell sends."""
    magic, _, body = cell.partition("\n")
    return parse(magic.removeprefix("%%generate "), body).filled({})


def test_a_file_is_named_by_its_path() -> None:
    """In an address field the text of a path means the file."""
    given = {
        "prompt": "a cat",
        "image_url": Path("/pictures/a b.png"),
        "mask_urls": [Path("/pictures/c.png")],
    }

    assert sent_by(write_cell("local/upscale", given)) == {
        "prompt": "a cat",
        "image_url": "/pictures/a b.png",
        "mask_urls": ["/pictures/c.png"],
    }


def test_other_files_are_said_in_python() -> None:
    """Where a text would stay text, the cell is a call with paths in it."""
    given = {"photo": Path("a.png"), "more": [{"x": Path("b.png")}]}
    line = write_cell("dify/app", given)
    seen: list[Any] = []
    name = type(Path()).__name__
    exec(  # noqa: S102 - it is what is tested
        line.partition("\n\n")[2].replace("nbkit.Client().subscribe", "seen.append"),
        {"seen": type("Seen", (), {"append": lambda *call: seen.extend(call)})(), name: Path},
    )

    assert line.startswith("import nbkit\nfrom pathlib import ")
    assert seen[-2:] == ["dify/app", given]


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_words_come_back_as_they_are(attack: str) -> None:
    """A prompt from anywhere means itself, and its cell steers no terminal."""
    cell = write_cell("local/collage", {"prompt": attack})

    assert sent_by(cell) == {"prompt": attack}
    assert not set(cell) & set("\x1b\x07\x00\u202e\ud800")
