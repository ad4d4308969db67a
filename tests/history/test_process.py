from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nbkit.history.process import is_alive, this_process

SAY = "from nbkit.history.process import this_process; print(*this_process(), flush=True); input()"


def test_this_process_is_alive() -> None:
    """A run of this kernel is under way."""
    assert is_alive(*this_process())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells only of this very process")
def test_another_process_is_alive_until_it_ends() -> None:
    """A run of another kernel is under way as long as that kernel lives."""
    with subprocess.Popen(
        [sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        pid, _, marker = other.stdout.readline().strip().partition(" ")
        assert is_alive(int(pid), marker)
        other.communicate("\n")

    assert not is_alive(int(pid), marker)


def test_another_process_with_the_same_id_is_another() -> None:
    """Ids come again; the run of a kernel that died does not become one under way by that."""
    assert not is_alive(os.getpid(), "another time")
    assert not is_alive(os.getppid(), "another time")
    assert not is_alive(-1, "")
    assert not is_alive(2**70, "")
