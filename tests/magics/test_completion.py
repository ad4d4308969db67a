from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from IPython.core.completer import provisionalcompleter

from nbkit.magics.completion import candidates

if TYPE_CHECKING:
    from tests.magics.conftest import Shell


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%generate --se", ["--seed"]),
        ("%%generate local/collage --s", ["--seed", "--stream", "--show"]),
        ("%%generate --show ", ["images", "table", "all", "none"]),
        ("%%generate --show t", ["table"]),
        ("%%generate local/col", ["local/collage"]),
        ("%generate fal-ai/flux/", ["fal-ai/flux/schnell"]),
        ("%generate local/collage a", []),
        ("%%generate --seed ", []),
        ("%%generate", []),
        ("generate --", []),
        ("", []),
    ],
)
def test_the_first_line_can_be_completed(line: str, expected: list[str]) -> None:
    """TAB offers options, their values and endpoints where they can stand."""
    assert candidates(line) == expected


def test_the_shell_offers_them(shell: Shell) -> None:
    """IPython's own completion gives them."""
    line = "%%generate local/collage --se"
    with shell.builtin_trap, provisionalcompleter():
        found = [completion.text for completion in shell.Completer.completions(line, len(line))]

    assert "--seed" in found
