"""A real store elsewhere: an FTP server of its own process, which can be told to go away in the middle of a file."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "lab", "open-sesame-42"
ALL, READING = "elradfmwMT", "elr"


class Ftp:
    """A server that runs.

    Attributes:
        folder: What it serves.
        url: Its address, with user and password.
    """

    def __init__(self, folder: Path, permissions: str = ALL, dies_after: int = 0, port: int = 0) -> None:
        self.folder = folder
        command = [
            sys.executable,
            "-m",
            "tests.ftp_server",
            str(folder),
            permissions,
            str(dies_after),
            str(port),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"ftp://{USER}:{PASSWORD}@127.0.0.1:{self.port}/nbkit"

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextlib.contextmanager
def ftp_server(folder: Path, permissions: str = ALL, dies_after: int = 0, port: int = 0) -> Iterator[Ftp]:
    """A server for a while.

    Args:
        folder: What it serves.
        permissions: What users may do, in pyftpdlib's letters.
        dies_after: Bytes of uploads after which it is gone at once; 0 for never.
        port: Where it listens, 0 for anywhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = Ftp(folder, permissions, dies_after, port)
    try:
        yield server
    finally:
        server.stop()


def main(folder: str, permissions: str, dies_after: int, port: int) -> None:
    """Serve until killed."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import DTPHandler, FTPHandler
    from pyftpdlib.servers import FTPServer

    received = 0

    class Transfer(DTPHandler):  # type: ignore[misc] # pyftpdlib has no types
        def recv(self, size: int) -> bytes:
            nonlocal received
            content: bytes = super().recv(size)
            received += len(content)
            if dies_after and received > dies_after:
                os._exit(1)
            return content

    class Handler(FTPHandler):  # type: ignore[misc] # the same
        authorizer = DummyAuthorizer()
        dtp_handler = Transfer

    Handler.authorizer.add_user(USER, PASSWORD, folder, perm=permissions)
    server = FTPServer(("127.0.0.1", port), Handler)
    sys.stdout.write(f"{server.socket.getsockname()[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
