"""Models that do what no model should, for workers under test, which import this file by its name."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

Values = dict[str, Any]
_PIECE = b"x" * 999 + b"\n"


def echo(given: Values, _job: Any) -> Values:
    """Give the input back."""
    return {"given": given}


def flood(_given: Values, _job: Any) -> Values:
    """Write 10 GB to standard output, past Python."""
    piece = _PIECE * 1000
    for _ in range(10_000):
        os.write(1, piece)
    return {}


def print_for_ever(_given: Values, _job: Any) -> Values:
    """Print lines, and let nothing stop it."""
    while True:
        with contextlib.suppress(BaseException):
            print("again and again")  # noqa: T201


def log_for_ever(_given: Values, job: Any) -> Values:
    """Log lines."""
    while True:
        job.log("a line")


def endless_line(_given: Values, _job: Any) -> Values:
    """Write without ever ending the line."""
    for _ in range(100):
        os.write(2, b"y" * 1_000_000)
    return {}


def long_talk(_given: Values, _job: Any) -> Values:
    """Print some thousand lines in all ways."""
    for index in range(3000):
        print("python", index)  # noqa: T201
    os.write(1, b"raw\n" * 1000)
    return {"done": True}


def speak(_given: Values, job: Any) -> Values:
    """Say a line in each way there is."""
    print("by print")  # noqa: T201
    job.log("by log")
    os.write(1, b"by os.write\n")
    sys.stdout.buffer.write(b"by buffer\n")
    ctypes.CDLL(None).puts(b"by C")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["/bin/echo", "by a program"], check=True)
    for part in ("10%", "50%", "100%"):
        print(f"\r{part}", end="", file=sys.stderr)  # noqa: T201
    return {"spoken": True}


def segfault(_given: Values, _job: Any) -> Values:
    """Read where nothing is."""
    ctypes.string_at(0)
    return {}


def leave_at_once(_given: Values, _job: Any) -> Values:
    """End the process."""
    os.write(2, b"last words\n")
    os._exit(7)


def leave_politely(_given: Values, _job: Any) -> Values:
    """End as a script does."""
    sys.exit(3)


def interrupt(_given: Values, _job: Any) -> Values:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt


def recurse(given: Values, job: Any) -> Values:
    """Call itself for ever."""
    return recurse(given, job)


def die(_given: Values, _job: Any) -> Values:
    """Kill itself."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def close_everything(_given: Values, _job: Any) -> Values:
    """Close each file that is open."""
    os.closerange(0, 1000)
    return {}


def close_output(_given: Values, _job: Any) -> Values:
    """Close standard output, and print."""
    os.close(1)
    sys.stdout.close()
    return {"closed": True}


def go_elsewhere(_given: Values, _job: Any) -> Values:
    """Leave the folder."""
    os.chdir("/")
    return {}


def folder(_given: Values, _job: Any) -> Values:
    """Tell which folder this is."""
    return {"folder": os.getcwd()}  # noqa: PTH109


def leave_child(given: Values, _job: Any) -> Values:
    """Start a program that holds all pipes open, and end."""
    child = subprocess.Popen(["/bin/sleep", "300"])
    if given.get("and_die"):
        print("child", child.pid, flush=True)  # noqa: T201
        os._exit(1)
    return {"pid": child.pid}


def leave_thread(_given: Values, job: Any) -> Values:
    """Leave a thread behind, which goes on talking."""

    def talk() -> None:
        for _ in range(100):
            job.log("from the grave")
            time.sleep(0.01)

    threading.Thread(target=talk).start()
    return {}


def fork(_given: Values, job: Any) -> Values:
    """Fork, and let both go on."""
    pid = os.fork()
    job.log(f"I am the {'parent' if pid else 'child'}")
    return {"parent": bool(pid)}


def fork_for_ever(_given: Values, _job: Any) -> Values:
    """Fork again and again, up to a number that this machine can bear."""
    for _ in range(6):
        os.fork()
    time.sleep(300)
    return {}


def grow(_given: Values, _job: Any) -> Values:
    """Take more and more memory."""
    held = []
    while True:
        held.append(bytes(b"z" * 10_000_000))
        time.sleep(0.02)


def grow_in_child(_given: Values, _job: Any) -> Values:
    """Have a child take the memory."""
    subprocess.run([sys.executable, "-c", "x = b'z' * 600_000_000; import time; time.sleep(60)"], check=False)
    return {}


def ask(_given: Values, _job: Any) -> Values:
    """Ask a person who is not there."""
    return {"answer": input("name? ")}


def mute_exception(_given: Values, _job: Any) -> Values:
    """Raise an error that cannot tell what it is."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    raise MuteError


_KEPT: list[Any] = []


def leak_files(_given: Values, _job: Any) -> Values:
    """Open files until there are no more, and never close them."""
    with contextlib.suppress(OSError):
        while True:
            _KEPT.append(os.open(os.devnull, os.O_RDONLY))
    return {"opened": len(_KEPT)}


def keep(given: Values, _job: Any) -> Values:
    """Hold memory for the requests that follow."""
    _KEPT.append(b"x" * given["bytes"])
    return {}


def open_one(given: Values, _job: Any) -> Values:
    """Open a file, and have it open for a while."""
    with Path(os.devnull).open("rb") as file:
        time.sleep(given.get("seconds", 0))
        return {"opened": file.name}


def hide_files(_given: Values, _job: Any) -> Values:
    """Let files be made that nobody may read."""
    os.umask(0o777)
    return {}


def mask(_given: Values, _job: Any) -> Values:
    """Give what new files are not allowed."""
    os.umask(now := os.umask(0))
    return {"mask": now}


def die_with_file(given: Values, job: Any) -> Values:
    """End while there is a file of the input."""
    job.log(str(job.load_file(given["file"], "file")))
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
