from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.cli import main

if TYPE_CHECKING:
    import pytest

    from tests.scripted_server import ScriptedServer


def test_a_server_gets_the_key_from_the_variable_that_is_named(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other key goes there, and one that is missing, or has no server, is told before anything is sent."""
    monkeypatch.setenv("FAL_KEY", "fal:secret")
    monkeypatch.setenv("LAB_KEY", "nbk_lab")
    scripted.queue()
    words = ["run", "acme/imgen", "a=1", "--base-url", scripted.origin]

    assert main([*words, "--key-env", "LAB_KEY"]) == 0
    assert scripted.requests("POST")[0].headers["authorization"] == "Key nbk_lab"
    assert main([*words, "--key-env", "NO_KEY"]) == 2
    assert "NO_KEY" in capsys.readouterr().err
    assert main(["run", "acme/imgen", "--key-env", "LAB_KEY"]) == 2
    assert "--base-url" in capsys.readouterr().err
    assert scripted.count("POST") == 1
