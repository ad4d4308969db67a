from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.error import UsageError

from nbkit.client.client import Client
from nbkit.errors import NbkitError, RunCancelled
from nbkit.magics.subcommands import find
from tests.scripted_server import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.magics.conftest import Shell
    from tests.scripted_server import ScriptedServer

RUNNING = {"status": "IN_PROGRESS", "logs": []}
OVER = {"status": "COMPLETED", "logs": [], "metrics": {}}


@pytest.fixture
def service(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A service that cells speak with, and that never ends a run by itself."""
    with Client(base_url=scripted.origin) as client:
        monkeypatch.setattr("nbkit.client.client.Client", lambda: client)
        scripted.queue("acme/one", statuses=[RUNNING], request_id="aaa-1", output={"seed": 1})
        scripted.queue("acme/two", statuses=[RUNNING], request_id="aab-2", output={"seed": 2})
        yield scripted


def told(shell: Shell, line: str) -> str:
    """What a subcommand shows, as text."""
    return str(shell.cell(f"%nbkit {line}").outputs[0].data["text/plain"])


def begin_two(shell: Shell, service: ScriptedServer) -> tuple[Any, Any]:
    """Begin two runs in the background, and wait until the service has both."""
    for name in ("one", "two"):
        cell = f"%%generate acme/{name} --background --as {name}\na cat"
        shell.run_cell(cell, store_history=True).raise_error()  # type: ignore[no-untyped-call]
    runs = shell.user_ns["one"], shell.user_ns["two"]
    service.until(lambda: all(run.status == "running" for run in runs))
    return runs


def end(service: ScriptedServer, name: str, request_id: str) -> None:
    """Let a run end well."""
    service.on("GET", f"/queue/acme/{name}/requests/{request_id}/status", answer(OVER))


def test_runs_in_the_background_are_listed(shell: Shell, service: ScriptedServer) -> None:
    """Each run that is under way is a row with its id, endpoint, state, cell and name; one that is over is not."""
    assert told(shell, "jobs") == "no run in the background is under way"
    begin_two(shell, service)

    lines = told(shell, "jobs").splitlines()
    assert lines[0] == "2 runs under way"
    assert lines[2].split()[:4] == ["◐", "aaa-1", "acme/one", "running"]
    assert lines[2].split()[-2:] == ["[1]", "one"]
    assert lines[3].split()[-2:] == ["[2]", "two"]

    end(service, "one", "aaa-1")
    shell.user_ns["one"].result()
    assert told(shell, "jobs").startswith("1 run under way")


def test_all_can_be_waited_for(shell: Shell, service: ScriptedServer) -> None:
    """`%nbkit wait` returns when every run is over, and tells how each ended."""
    begin_two(shell, service)
    end(service, "one", "aaa-1")
    end(service, "two", "aab-2")

    lines = told(shell, "wait").splitlines()
    assert lines[0] == "2 runs over"
    assert [line.split()[3] for line in lines[2:]] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("word", ["aab", "aab-2", "two"])
def test_one_can_be_waited_for(word: str, shell: Shell, service: ScriptedServer) -> None:
    """A run is named by its id, by the beginning of its id, or by its variable."""
    one, two = begin_two(shell, service)
    end(service, "two", "aab-2")

    assert "acme/two" in told(shell, f"wait {word}")
    assert (one.is_done, two.is_done) == (False, True)


def test_waiting_fails_where_a_run_failed(shell: Shell, service: ScriptedServer) -> None:
    """A run that failed in the background fails the cell that waits, once, also where it failed before."""
    one, two = begin_two(shell, service)
    service.on("GET", "/queue/acme/one/requests/aaa-1", answer({"detail": "out of memory"}, 500))
    end(service, "one", "aaa-1")
    with pytest.raises(NbkitError, match="out of memory"):
        one.result()
    end(service, "two", "aab-2")

    with pytest.raises(NbkitError, match="out of memory"):
        shell.cell("%nbkit wait")
    assert two.is_done
    assert told(shell, "wait") == "no run in the background to wait for"


def test_one_or_all_can_be_cancelled(shell: Shell, service: ScriptedServer) -> None:
    """A cancelled run is stopped at the service; the others go on until they are cancelled, too."""
    one, two = begin_two(shell, service)

    assert "acme/one" in told(shell, "cancel one")
    with pytest.raises(RunCancelled):
        one.result()
    assert (service.count("PUT"), two.is_done) == (1, False)

    assert "1 run asked to stop" in told(shell, "cancel all")
    with pytest.raises(RunCancelled):
        two.result()
    assert service.count("PUT") == 2
    assert told(shell, "cancel one") == "nothing to cancel: it is over already"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cancel", "say which run to cancel"),
        ("cancel tow", "no cell began a run 'tow' in the background → did you mean two?"),
        ("wait aa", "'aa' begins the ids of 2 runs → write more of the id"),
        ("cancel aaa-1 nobody", "no cell began a run 'nobody'"),
    ],
)
def test_a_slip_cancels_nothing(line: str, said: str, shell: Shell, service: ScriptedServer) -> None:
    """A word that means no run, or several, is one line that says so, and every run goes on."""
    begin_two(shell, service)

    with pytest.raises(UsageError) as caught:
        shell.cell(f"%nbkit {line}")
    assert str(caught.value).startswith(said)
    assert service.count("PUT") == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-s", "known are help"),
        ("--doctor", "did you mean doctor?"),
        ("conect fal", "did you mean connect fal?"),
        ("cancle all", "did you mean cancel?"),
    ],
)
def test_slips_in_names_are_answered(line: str, said: str) -> None:
    """A subcommand that does not exist names the nearest, or all of them."""
    with pytest.raises(Exception, match=f"there is no `%nbkit {line}`") as caught:
        find(line)
    assert said in caught.value.hint  # type: ignore[attr-defined]
