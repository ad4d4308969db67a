from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit import history
from nbkit.cli import main
from tests.orphans import leave

if TYPE_CHECKING:
    import pytest

    from tests.scripted_server import ScriptedServer


def test_results_are_collected_from_a_terminal(
    scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each service is asked where the run was sent to; the exit code says whether all came back."""
    scripted.queue(output={"a": 1})
    run = leave(scripted.origin)
    assert main(["resume"]) == 0
    assert "1 came back" in capsys.readouterr().out
    assert history.get(run.id).state == "succeeded"

    assert main(["resume"]) == 0
    assert "no run waits" in capsys.readouterr().out
    assert main(["resume", run.id]) == 2
    assert "not one to resume" in capsys.readouterr().err


def test_what_did_not_come_back_ends_with_1(
    scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run stays open, and the table says why."""
    leave(scripted.origin, "", way="direct")

    assert main(["resume", "--base-url", scripted.origin]) == 1
    assert "leaves nothing behind" in capsys.readouterr().out
    assert scripted.count("POST") == 0
