from __future__ import annotations

import re
from pathlib import Path

import pytest

from nbkit.magics.grammar import OPTIONS, SHOWN, parse, parse_alias
from nbkit.magics.help import GENERATE
from nbkit.magics.settings import Nbkit, read
from nbkit.magics.subcommands import COMMANDS
from nbkit.magics.values import typed

PAGE = (Path(__file__).parents[2] / "docs" / "magics.md").read_text("utf-8")
CELLS = [
    cell for cell in re.findall(r"```\n(%%?generate.*?)\n```", PAGE, re.DOTALL) if "[ENDPOINT]" not in cell
]
ALIASES = {name: parse_alias(text) for name, text in re.findall(r"```\n%nbkit alias (\w+) (.*)\n```", PAGE)}
HELP_CELLS = [
    re.sub(r"^    ", "", cell, flags=re.MULTILINE)
    for cell in GENERATE.partition("Examples:")[2].strip("\n").split("\n\n")
]


@pytest.mark.parametrize("cell", CELLS + HELP_CELLS)
def test_every_example_is_understood(cell: str) -> None:
    """What the documentation and the help show can be run."""
    line, _, body = cell.partition("\n")
    magic, _, rest = line.partition(" ")

    request = parse(rest, body if magic == "%%generate" else None, ALIASES)

    assert request.prompt or request.input


def test_the_settings_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that the page shows make sense, every one of them."""
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    found = read(Nbkit(), {})

    assert found.problems == []
    assert found.values.keys() == {"endpoint", "show"}
    assert found.aliases.keys() == {"hero"}
    assert found.input_of("fal-ai/flux/dev") == {"image_size": "landscape_4_3"}


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
