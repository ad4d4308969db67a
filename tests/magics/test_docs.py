from __future__ import annotations

import re
from pathlib import Path

import pytest

from nbkit.magics.grammar import OPTIONS, SHOWN, parse
from nbkit.magics.help import GENERATE
from nbkit.magics.nbkit_magic import COMMANDS
from nbkit.magics.values import typed

PAGE = (Path(__file__).parents[2] / "docs" / "magics.md").read_text("utf-8")
CELLS = [
    cell for cell in re.findall(r"```\n(%%?generate.*?)\n```", PAGE, re.DOTALL) if "[ENDPOINT]" not in cell
]
HELP_CELLS = [
    re.sub(r"^    ", "", cell, flags=re.MULTILINE)
    for cell in GENERATE.partition("Examples:")[2].strip("\n").split("\n\n")
]


@pytest.mark.parametrize("cell", CELLS + HELP_CELLS)
def test_every_example_is_understood(cell: str) -> None:
    """What the documentation and the help show can be run."""
    line, _, body = cell.partition("\n")
    magic, _, rest = line.partition(" ")

    request = parse(rest, body if magic == "%%generate" else None)

    assert request.prompt or request.input


def test_every_option_and_command_is_documented() -> None:
    """No option, no value of `--show` and no subcommand is missing from the page."""
    words = [option.flag for option in OPTIONS] + list(SHOWN) + [f"%nbkit {command}" for command in COMMANDS]

    assert len(CELLS) >= 6
    assert [word for word in words if f"`{word}" not in PAGE] == []


def test_the_values_in_the_table_mean_what_it_says() -> None:
    """Numbers are numbers and text is text, as the page says."""
    assert [typed(text) for text in ("7", "-0.5", "1e-3", "true", '"7"', "16:9")] == [
        7,
        -0.5,
        0.001,
        True,
        "7",
        "16:9",
    ]
