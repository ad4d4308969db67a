from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
import time

import pytest

from nbkit.transport import loop
from nbkit.transport.loop import awaiting, hand_over, network_loop, wait

WHO = contextvars.ContextVar("WHO", default="nobody")


async def thread_name() -> str:
    """Where work is done."""
    return threading.current_thread().name


def test_one_thread_does_all_work() -> None:
    """However work is handed over, the network thread does it, and there is one."""

    async def both() -> tuple[str, str]:
        return await awaiting(thread_name()), wait(thread_name())

    assert {wait(thread_name()), hand_over(thread_name()).result(5), *asyncio.run(both())} == {
        "nbkit-network"
    }
    assert [it.name for it in threading.enumerate()].count("nbkit-network") == 1
    assert all(it.daemon for it in threading.enumerate() if it.name == "nbkit-network")


def test_errors_come_back() -> None:
    """What goes wrong there is raised here, a time-out too."""

    async def fail(error: Exception) -> None:
        raise error

    for error in (KeyError("x"), TimeoutError("own")):
        with pytest.raises(type(error)) as caught:
            wait(fail(error))
        assert str(caught.value) == str(error)
        with pytest.raises(type(error)):
            asyncio.run(awaiting(fail(error)))


def test_work_longer_than_a_tick() -> None:
    """Waiting goes on over many ticks."""
    assert wait(asyncio.sleep(loop.TICK * 2.5, "done")) == "done"
    assert asyncio.run(awaiting(asyncio.sleep(loop.TICK * 2.5, "done"))) == "done"


def test_the_callers_context_goes_along() -> None:
    """A kernel knows by it to which cell an output belongs."""

    async def who() -> str:
        return WHO.get()

    WHO.set("me")
    assert wait(who()) == "me"
    assert hand_over(who()).result(5) == "me"


def test_waiting_on_the_network_thread_is_refused() -> None:
    """It would wait for itself for ever."""

    async def deadlock() -> None:
        wait(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="await it instead"):
        wait(deadlock())


def test_cancelling_the_wait_cancels_the_work() -> None:
    """Work that nobody waits for any more is stopped."""
    stopped = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    async def give_up() -> None:
        await asyncio.wait_for(awaiting(work()), 0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert stopped.wait(2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_process_has_a_thread_of_its_own() -> None:
    """After a fork, calls work in both processes."""
    network_loop()
    child = os.fork()
    if child == 0:
        os._exit(0 if wait(thread_name()) == "nbkit-network" and wait(asyncio.sleep(0.01, 1)) == 1 else 1)
    deadline = time.monotonic() + 20
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert done == (child, 0)
    assert wait(thread_name()) == "nbkit-network"


def ended(program: str) -> tuple[str, float]:
    """Run a program, and tell what it printed and how long it took to end."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, time.monotonic() - began


def test_what_is_to_be_done_at_the_end_is_done() -> None:
    """Closing may look up hosts and start threads, although the program is over."""
    printed, _ = ended(
        "import asyncio\n"
        "from nbkit.transport.loop import at_exit, wait\n"
        "class Thing:\n"
        "    async def close(self):\n"
        "        found = await asyncio.get_running_loop().getaddrinfo('localhost', 80)\n"
        "        print('closed', bool(found))\n"
        "thing = Thing(); at_exit(thing.close); wait(asyncio.to_thread(int))\n"
    )
    assert printed == "closed True\n"


def test_the_end_does_not_wait_for_ever() -> None:
    """A service that does not answer holds the program up for two seconds at the most."""
    _, seconds = ended(
        "import asyncio\n"
        "from nbkit.transport.loop import at_exit, wait\n"
        "class Thing:\n"
        "    async def close(self):\n"
        "        await asyncio.sleep(60)\n"
        "thing = Thing(); at_exit(thing.close); wait(asyncio.sleep(0))\n"
    )
    assert seconds < 8


def test_what_is_gone_is_not_closed() -> None:
    """A client that was dropped is not kept alive for the end."""

    class Thing:
        async def close(self) -> None:
            """Nothing to close."""

    thing = Thing()
    loop.at_exit(thing.close)
    reference = loop._at_exit[-1]
    assert reference() == thing.close
    del thing
    assert reference() is None
    loop.at_exit(Thing().close)
    assert reference not in loop._at_exit


def test_an_interrupt_ends_the_wait() -> None:
    """Ctrl-C in a wait is noticed within a tick, and the work is stopped."""
    printed, _ = ended(
        "import asyncio, os, signal, threading, time\n"
        "from nbkit.transport.loop import wait\n"
        "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "async def work():\n"
        "    try:\n"
        "        await asyncio.sleep(60)\n"
        "    finally:\n"
        "        print('stopped')\n"
        "began = time.monotonic()\n"
        "try:\n"
        "    wait(work())\n"
        "except KeyboardInterrupt:\n"
        "    time.sleep(0.2)\n"
        "    print('interrupted', time.monotonic() - began < 1.5)\n"
    )
    assert sorted(printed.splitlines()) == ["interrupted True", "stopped"]
