from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.cli import main

if TYPE_CHECKING:
    import pytest


def test_the_terminal_tells_what_is_missing(capfd: pytest.CaptureFixture[str]) -> None:
    """`nbkit doctor` tells what `%nbkit doctor` does, and its exit code says whether all is here."""
    code = main(["doctor"])
    said = capfd.readouterr().out

    assert all(word in said for word in ("nbkit", "key for fal", "weights", "results"))
    assert code == int("✕" in said)
