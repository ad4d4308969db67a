from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from IPython.core.error import UsageError

import nbkit
from nbkit.experiments.axes import Replace
from nbkit.magics.grammar import parse
from nbkit.magics.sweeping import part_prompts, parted

if TYPE_CHECKING:
    from tests.magics.conftest import Shell

CELL = """%%generate local/collage --sweep --as beaches
image_size: {"width": 64, "height": 64}
seed: 1-3 (+2)
format: ["png", "jpeg"]
---
a cat on a beach
***
a dog
"""


def test_lists_and_ranges_are_axes() -> None:
    """What is one value stays one: a list in a list, a list around a text that looks like a range, an object."""
    given = {
        "steps": "4-20 (+8)",
        "cfg": [1, 2.5],
        "size": {"width": 64},
        "tags": [["a", "b"]],
        "ratio": ["16-9"],
        "prompt": "1-4",
        "word": Replace("cat", "dog"),
        "count": range(2),
        "seeds": "7-8",
    }

    assert parted(given) == {
        "input": {"size": {"width": 64}, "tags": ["a", "b"], "prompt": "1-4"},
        "axes": {
            "steps": [4, 12, 20],
            "cfg": [1, 2.5],
            "ratio": ["16-9"],
            "word": Replace("cat", "dog"),
            "count": range(2),
        },
        "seeds": [7, 8],
    }


def test_a_cell_may_have_several_prompts() -> None:
    """Lines of three stars part them, before variables are filled in; a variable may be the list itself."""
    request = parse("a/b --sweep", "a {{pet}}\n***\na dog\n")
    part_prompts(request)
    listed = parse("a/b --sweep", "{{pets}}\n")
    part_prompts(listed)

    assert request.filled({"pet": "cat\n***\n"}) == {"prompt": ["a cat\n***\n", "a dog"]}
    assert listed.filled({"pets": ["a cat", "a dog"]}) == {"prompt": ["a cat", "a dog"]}


def test_a_cell_is_a_sweep(shell: Shell) -> None:
    """Every combination is run, the grid is the cell's only output, and the variable is the sweep."""
    rehearsed = shell.cell(CELL.replace("--sweep", "--sweep --dry-run"))
    assert "8 requests of 8 combinations; nothing was sent" in rehearsed.outputs[0].data["text/plain"]
    assert "beaches" not in shell.user_ns

    shown = shell.cell(CELL)
    (output,) = shown.outputs
    assert "8 of 8" in output.data["text/plain"]
    assert len(re.findall('<img src="data:image/', output.data["text/html"])) == 8
    beaches = shell.user_ns["beaches"]
    assert isinstance(beaches, nbkit.Sweep)
    assert beaches.cell(seed=3, format="jpeg", prompt="a dog").image is not None
    assert shown.stdout == shown.stderr == ""


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%generate a/b --sweep --stream\na cat", "--stream and --sweep do not go together"),
        ("%%generate a/b --sweep --background\na cat", "--background and --sweep do not go together"),
        ("%%generate a/b --sweep\na cat\n***\n", "a prompt between lines `\\*\\*\\*` is empty"),
        ("%%generate a/b --sweep\nsteps: []\n---\na cat", "steps: an axis needs at least one value"),
        ("%%generate a/b --sweep\nsteps: 9-1 (+2)\n---\na cat", "steps of 2 never lead from 9 to 1"),
    ],
)
def test_what_makes_no_sense_is_one_line(shell: Shell, cell: str, words: str) -> None:
    """A slip ends the cell in a sentence, and nothing is sent."""
    with pytest.raises(UsageError, match=words):
        shell.cell(cell)
