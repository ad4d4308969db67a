from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from IPython.core.error import UsageError

from nbkit.errors import CredentialsError
from tests.dify_recordings import NEW, OLD, recording

if TYPE_CHECKING:
    from tests.magics.conftest import Shell
    from tests.scripted_server import ScriptedServer


@pytest.fixture
def server(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A Dify server that the shell is connected to."""
    monkeypatch.setenv("DIFY_MY_CAT_BASE_URL", scripted.origin)
    monkeypatch.setenv("DIFY_MY_CAT_API_KEY", "app-topsecret")
    for what in ("info", "parameters"):
        scripted.on("GET", f"/v1/{what}", recording(f"{NEW}/06-{what}.http").act())
    scripted.on("GET", "/v1/workflows/logs", recording(f"{NEW}/34-logs.http").act())
    return scripted


def test_an_app_is_shown(shell: Shell, server: ScriptedServer) -> None:
    """`%nbkit dify NAME` shows what the app is, what it takes and its last runs, and no key."""
    shown = [it.data["text/plain"] for it in shell.cell("%nbkit dify my-cat").outputs]

    assert server.origin in shown[0]
    assert all(word in shown[0] for word in ("image workflow", "1.13.2"))
    assert all(word in shown[1] for word in ("prompt", "picture", "photo"))
    assert "last runs: 2 of 16 runs" in shown[2]
    assert "ceb4f6ba-bd08-4a95-95a5-b113e79a95e8" in shown[2]
    assert "topsecret" not in str(shown)


def test_an_old_server_has_no_runs_to_show(shell: Shell, server: ScriptedServer) -> None:
    """Where a server does not list its runs, that is said, and the rest is shown."""
    server.on("GET", "/v1/workflows/logs", recording(f"{OLD}/34-logs.http").act())
    shown = [it.data["text/plain"] for it in shell.cell("%nbkit dify my-cat").outputs]

    assert "prompt" in shown[1]
    assert "came with Dify 0.9" in shown[2]


def test_an_app_that_is_not_connected(shell: Shell) -> None:
    """An unknown name says how to connect it."""
    with pytest.raises(CredentialsError, match="nbkit connect dify my-cat"):
        shell.cell("%nbkit dify my-cat")
    with pytest.raises(UsageError, match="takes one name"):
        shell.cell("%nbkit dify my cat")
