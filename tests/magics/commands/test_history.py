from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from IPython.core.error import UsageError

from nbkit import history
from tests.dify_recordings import PNG
from tests.orphans import leave
from tests.scripted_server import answer

if TYPE_CHECKING:
    from tests.magics.conftest import Shell
    from tests.scripted_server import ScriptedServer


def test_runs_left_behind_are_told_once(shell: Shell) -> None:
    """The first cell says how many there are and what brings them back; later ones say nothing."""
    leave("https://queue.example")
    leave("https://queue.example", "r2")

    assert shell.cell("1 + 1").stdout.endswith("2 runs were under way when the kernel ended: %nbkit resume\n")
    assert "under way" not in shell.cell("1 + 1").stdout


def test_without_any_nothing_is_told(shell: Shell) -> None:
    """A quiet notebook stays quiet."""
    assert "under way" not in shell.cell("1 + 1").stdout


def test_results_come_back_into_the_cell(shell: Shell, scripted: ScriptedServer) -> None:
    """`%nbkit resume` shows what came back with its picture."""
    shell.cell("1 + 1")
    scripted.on("GET", "/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    scripted.queue(output={"images": [{"url": f"{scripted.origin}/a.png"}]})
    run = leave(scripted.origin)
    shown = shell.cell("%nbkit resume").outputs[-1].data

    assert "1 came back" in shown["text/plain"]
    assert "<img" in shown["text/html"]
    assert history.get(run.id).state == "succeeded"
    assert "no run waits" in shell.cell("%nbkit resume --all").outputs[-1].data["text/plain"]


def test_the_history_is_a_table(shell: Shell) -> None:
    """`%nbkit history` finds runs by words and options, and shows one by its id."""
    shell.cell("1 + 1")
    run = leave("https://queue.example", given={"prompt": "a red cat"})

    assert "a red cat" in shell.cell("%nbkit history red --since 1d").outputs[0].data["text/html"]
    assert run.id in shell.cell(f"%nbkit history show {run.id[:8]}").outputs[0].data["text/plain"]
    assert (
        "it's" in shell.cell(f'%nbkit history note {run.id[:8]} "it\'s good"').outputs[0].data["text/plain"]
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("history --sed 3", "--sed"),
        ("history 'cat", "cannot be read"),
        ("history --limit many", "--limit"),
        ("resume nothing-like-it", "no run of the history"),
        ("resume --resend", "--resend"),
    ],
)
def test_a_slip_is_one_line(line: str, said: str, shell: Shell) -> None:
    """What cannot be meant is told as a slip, and the shell goes on."""
    with pytest.raises(UsageError, match=said):
        shell.cell(f"%nbkit {line}")
