from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nbkit.cli import main
from tests.orphans import leave

if TYPE_CHECKING:
    import pytest


def test_the_history_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Runs are lines, or JSON; one run is shown by its id."""
    run = leave("https://queue.example")
    assert main(["history", "cat"]) == 0
    assert "acme/imgen" in capsys.readouterr().out
    assert main(["history", "--json", "--endpoint", "acme"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["id"] == run.id
    assert main(["history", "show", run.id[:8]]) == 0
    assert run.id in capsys.readouterr().out


def test_a_slip_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrongly asked is told in a line on stderr."""
    assert main(["history", "show", "nothing-like-it"]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("Traceback")) == ("", 0)
    assert err.startswith("nbkit history: no run of the history")
