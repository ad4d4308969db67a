from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from nbkit.transport.nested import run_on_callers_loop

PREAMBLE = """
import asyncio, sys
from nbkit.transport.nested import run_on_callers_loop
patched = lambda: asyncio.Task.__module__ != "_asyncio"
async def work(own):
    await asyncio.sleep(0.01)
    return asyncio.get_running_loop() is own
"""


def printed(program: str) -> str:
    """Run a program in a fresh interpreter, because some of these change Python for good."""
    command = [sys.executable, "-c", PREAMBLE + program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_without_a_loop_nothing_is_patched() -> None:
    """In a plain program an asynchronous callback just runs."""
    assert printed("print(run_on_callers_loop(work(None)), patched(), 'nest_asyncio2' in sys.modules)") == (
        "False False False"
    )


def test_inside_a_loop_the_callback_runs_on_it() -> None:
    """A callback meets the loop that its own objects belong to, and other tasks of the loop go on."""
    program = """
async def main():
    beats = []
    async def beat():
        while True:
            beats.append(1)
            await asyncio.sleep(0.001)
    other = asyncio.create_task(beat())
    await asyncio.sleep(0)
    before = len(beats)
    same = run_on_callers_loop(work(asyncio.get_running_loop()))
    print(same, len(beats) > before + 2)
    other.cancel()
asyncio.run(main())
"""
    assert printed(program) == "True True"


def test_errors_of_the_callback_come_back() -> None:
    """What a callback raises is raised where the call was made."""

    async def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run_on_callers_loop(fail())


def test_a_loop_that_cannot_be_entered_twice_is_left_alone() -> None:
    """In a kernel that would break, the call is refused with advice, and nothing is left unawaited."""
    program = """
sys.modules["nest_asyncio2"] = None
import types
sys.modules["ipykernel"] = types.SimpleNamespace(__version__="7.4.0")
async def main():
    try:
        run_on_callers_loop(work(None))
    except Exception as error:
        print(type(error).__name__, "AsyncClient" in error.hint, patched(), "nest_asyncio" in sys.modules)
asyncio.run(main())
"""
    assert printed(program) == "ConfigError True False False"


def test_the_tests_themselves_are_not_patched() -> None:
    """What runs in this process is plain asyncio."""
    assert asyncio.Task.__module__ == "_asyncio"
