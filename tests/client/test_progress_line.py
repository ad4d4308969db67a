"""The line that a terminal shows while a program waits, in programs of their own."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.client.progress_line import line
from nbkit.client.run import Run
from nbkit.display.table import columns_of
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Log, Queued, StepStarted
from tests.scripted_server import stream

if TYPE_CHECKING:
    from tests.scripted_server import ScriptedServer

PROGRAM = """
import sys, nbkit
client = nbkit.Client(base_url=sys.argv[1])
{call}
client.close()
"""
SUBSCRIBE = 'print(client.subscribe("acme/imgen", {"prompt": "a"}).data)'


def in_terminal(
    call: str,
    scripted: ScriptedServer,
    environment: dict[str, str] | None = None,
    interrupt_after: bytes = b"",
) -> tuple[str, str]:
    """What a program writes to its stdout, a pipe, and to its stderr, a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-W", "error", "-c", PROGRAM.format(call=call), scripted.origin]
    given = {"TERM": "xterm", "COLUMNS": "80", **(environment or {})}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, **given}
    ) as running:
        os.close(theirs)
        seen = b""
        while piece := _read(ours):
            seen += piece
            if interrupt_after and interrupt_after in seen:
                interrupt_after = b""
                running.send_signal(signal.SIGINT)
        out = running.communicate(timeout=30)[0]
    os.close(ours)
    return out.decode(), seen.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the program is over
        return b""


def held_for_a_moment(scripted: ScriptedServer) -> None:
    """Play a run that waits behind three others, works, and ends."""
    queued = b'data: {"status": "IN_QUEUE", "queue_position": 3}\n\n'
    working = b'data: {"status": "IN_PROGRESS", "logs": [{"message": "50% done \\u001b[2J"}]}\n\n'
    over = b'data: {"status": "COMPLETED", "logs": [], "metrics": {}}\n\n'
    scripted.queue(pushed=stream(queued, 0.5, working, 0.5, over), output={"seed": 5})


@pytest.mark.parametrize(
    "call", [SUBSCRIBE, 'print(client.submit("acme/imgen", {"prompt": "a"}).result().data)']
)
def test_a_script_in_a_terminal_shows_a_line(call: str, scripted: ScriptedServer) -> None:
    """State, place in the queue, seconds and the last log line are told, and nothing of it stays."""
    held_for_a_moment(scripted)
    out, seen = in_terminal(call, scripted)

    assert out == "{'seed': 5}\n"
    assert "○  acme/imgen  queued  3 ahead  0." in seen
    assert "◐  acme/imgen  running" in seen
    assert "50% done" in seen
    assert "\x1b[2J" not in seen
    assert seen.endswith("\r\x1b[K")
    assert "\n" not in seen


@pytest.mark.parametrize(
    ("call", "environment"),
    [
        (SUBSCRIBE, {"NBKIT_PROGRESS": "off"}),
        (SUBSCRIBE, {"TERM": "dumb"}),
        ('client.subscribe("acme/imgen", {}, on_event=lambda event: None)', {}),
    ],
)
def test_a_terminal_can_stay_clean(call: str, environment: dict[str, str], scripted: ScriptedServer) -> None:
    """No line where it is switched off, where it could not be taken back, and beside a program's own telling."""
    held_for_a_moment(scripted)

    assert in_terminal(call, scripted, environment)[1] == ""


def test_a_pipe_gets_nothing(scripted: ScriptedServer) -> None:
    """A program whose stderr goes elsewhere writes nothing there."""
    held_for_a_moment(scripted)
    command = [sys.executable, "-c", PROGRAM.format(call=SUBSCRIBE), scripted.origin]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert (done.stdout, done.stderr) == ("{'seed': 5}\n", "")


def test_an_interrupt_takes_the_line_away(scripted: ScriptedServer) -> None:
    """Ctrl-C cancels the run at the service, and the terminal is left clean."""
    scripted.queue(statuses=[{"status": "IN_PROGRESS", "logs": []}])
    call = """
try:
    client.subscribe("acme/imgen", {})
except KeyboardInterrupt:
    print("interrupted")
"""
    out, seen = in_terminal(call, scripted, interrupt_after="◐".encode())

    assert out == "interrupted\n"
    assert seen.endswith("\r\x1b[K")
    assert scripted.count("PUT") == 1


def test_waiting_threads_share_one_line(scripted: ScriptedServer) -> None:
    """Of several threads that wait, one draws, so that lines do not mix; every result comes."""
    held_for_a_moment(scripted)
    call = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(3) as pool:
    print(*pool.map(lambda _: client.subscribe("acme/imgen", {}).data, range(3)))
"""
    out, seen = in_terminal(call, scripted)

    assert out == "{'seed': 5} {'seed': 5} {'seed': 5}\n"
    assert all(part.count("acme/imgen") <= 1 for part in seen.split("\r\x1b[K"))


@pytest.mark.parametrize("width", [0, 10, 40, 79, 300])
def test_the_line_fits(width: int) -> None:
    """It takes no more columns than there are, also with signs that take two."""
    run = Run(Endpoint.parse("acme/imgen"), {})
    for event in (Queued(2), StepStarted(node="绘制"), Log("正在绘制一只猫 🐈\nand more " * 20)):
        run._publish(event)
        said: Any = line(run, width)
        assert columns_of(said) <= width
        assert "\n" not in said
