from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from nbkit.config import data_dir
from nbkit.history import sharing
from nbkit.history.files import FileStore
from nbkit.history.recorder import Recorder
from nbkit.model.endpoint import Endpoint
from tests.ftp_server import PASSWORD, READING, Ftp, ftp_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbkit.history.files import Stored

MiB = 2**20
KEEPS = """
import sys, time
from nbkit.config import data_dir
from nbkit.history.files import FileStore
for number in range(int(sys.argv[1])):
    incoming = FileStore(data_dir() / "files").incoming()
    incoming.write(bytes([number]) * int(sys.argv[2]))
    incoming.keep(".bin")
print("kept", flush=True)
time.sleep(float(sys.argv[3]))
"""


@pytest.fixture
def ftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ftp]:
    """The store that this user shares files through."""
    with ftp_server(tmp_path / "ftp") as server:
        monkeypatch.setenv("NBKIT_STORE", server.url)
        yield server


pytestmark = pytest.mark.usefixtures("new_sharer")


def keep(content: bytes, suffix: str = ".png") -> Stored:
    """Keep a file as a run does."""
    incoming = FileStore(data_dir() / "files").incoming()
    incoming.write(content)
    return incoming.keep(suffix)


def until_shared() -> None:
    """Wait until nothing is to be copied."""
    deadline = time.monotonic() + 20
    while sharing.waiting(data_dir() / "files"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def in_store(ftp: Ftp) -> dict[str, bytes]:
    """The files in the store by their names."""
    return {path.name: path.read_bytes() for path in (ftp.folder / "nbkit").rglob("*") if path.is_file()}


def keeping(count: int, size: int, seconds: float) -> subprocess.Popen[str]:
    """Another process that keeps files."""
    words = [sys.executable, "-c", KEEPS, str(count), str(size), str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_is_kept_is_shared(ftp: Ftp) -> None:
    """A file goes to the store under its hash, whole, and nothing is left to do."""
    stored = keep(b"a cat")
    until_shared()
    assert in_store(ftp) == {stored.sha256: b"a cat"}


def test_without_a_store_nothing_happens() -> None:
    """Who shares nothing has no thread for it, and no marks."""
    keep(b"a cat")
    assert sharing._current is None
    assert not (data_dir() / "files/.unshared").exists()


def test_what_is_there_is_not_sent_again(ftp: Ftp) -> None:
    """A file is sent once, whoever keeps it how often; half a file is sent again."""
    stored = keep(b"a cat")
    until_shared()
    there = next((ftp.folder / "nbkit/originals").rglob(stored.sha256))
    before = there.stat().st_ino
    keep(b"a cat")
    until_shared()
    assert there.stat().st_ino == before

    there.write_bytes(b"a c")
    keep(b"a cat")
    until_shared()
    assert in_store(ftp) == {stored.sha256: b"a cat"}


def test_a_process_that_ends_waits_for_its_copies(ftp: Ftp) -> None:
    """A script that ends at once has its files in the store nevertheless."""
    process = keeping(20, 100_000, 0)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out, errors) == (0, "kept\n", "")
    assert len(in_store(ftp)) == 20


def test_a_killed_process_leaves_the_rest_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was not copied when the kernel was killed is copied by the next one, once."""
    with ftp_server(tmp_path / "ftp") as server:
        monkeypatch.setenv("NBKIT_STORE", server.url)
        os.kill(server.process.pid, signal.SIGSTOP)  # a store that hangs in the middle
        process = keeping(3, 5 * MiB, 60)
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        process.kill()
        process.communicate()
        os.kill(server.process.pid, signal.SIGCONT)
        assert sharing.waiting(data_dir() / "files") == 3

        keep(b"the next run")
        until_shared()

        found = in_store(server)
        kept = {path.name.partition(".")[0] for path in (data_dir() / "files").rglob("*.*") if path.is_file()}
        assert found.keys() == kept
        assert all(hashlib.sha256(content).hexdigest() == name for name, content in found.items())


def test_what_another_process_copies_is_left_to_it(ftp: Ftp) -> None:
    """Two kernels at once do not send each other's files."""
    os.kill(ftp.process.pid, signal.SIGSTOP)
    process = keeping(2, 1000, 60)
    assert process.stdout is not None
    assert process.stdout.readline() == "kept\n"
    assert sharing.waiting(data_dir() / "files") == 0
    process.kill()
    process.communicate()
    assert sharing.waiting(data_dir() / "files") == 2
    os.kill(ftp.process.pid, signal.SIGCONT)


def test_a_store_that_is_down_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs go on, one line says what is wrong without the password, and the files come when the store does."""
    monkeypatch.setattr(sharing, "_FIRST_PAUSE", 0.1)
    with ftp_server(tmp_path / "ftp") as server:
        port, url = server.port, server.url
    monkeypatch.setenv("NBKIT_STORE", url)
    told: list[str] = []

    async def run() -> None:
        recorder = Recorder(Endpoint.parse("acme/imgen"))
        told.extend(await recorder.begin({"prompt": "a cat"}, "queue", "https://queue.example"))
        told.extend(await recorder.ended("succeeded"))

    for number in range(5):
        keep(bytes([number]))
        deadline = time.monotonic() + 5
        while not sharing._current._was_told if sharing._current else True:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        asyncio.run(run())

    assert len(told) == 1
    assert "cannot be looked for in ftp://…@127.0.0.1" in told[0]
    assert "are copied to ftp://…@" in told[0]
    assert PASSWORD not in told[0]
    with ftp_server(tmp_path / "ftp", port=port) as server:
        until_shared()
        assert len(in_store(server)) == 5


def test_a_process_ends_although_the_store_hangs(ftp: Ftp) -> None:
    """A store that takes connections and says nothing holds nobody up for long; nothing is lost."""
    os.kill(ftp.process.pid, signal.SIGSTOP)
    process = keeping(1, 1000, 0)
    out, _ = process.communicate(timeout=20)
    os.kill(ftp.process.pid, signal.SIGCONT)
    assert (process.returncode, out) == (0, "kept\n")
    assert sharing.waiting(data_dir() / "files") == 1


def test_a_script_reads_why_its_files_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no run is left to tell it, the end of the process does, in one line."""
    with ftp_server(tmp_path / "ftp", READING) as server:
        monkeypatch.setenv("NBKIT_STORE", server.url)
        process = keeping(2, 1000, 0)
        _, errors = process.communicate(timeout=20)
    assert len([line for line in errors.splitlines() if line.startswith("nbkit: ")]) == 1
    assert "Not enough privileges" in errors
    assert "files stay on this machine" in errors
    assert "Traceback" not in errors
    assert PASSWORD not in errors


def test_what_was_kept_for_one_store_goes_to_no_other(ftp: Ftp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the store does not send one lab's results to another."""
    os.kill(ftp.process.pid, signal.SIGSTOP)
    process = keeping(1, 1000, 60)
    assert process.stdout is not None
    assert process.stdout.readline() == "kept\n"
    process.kill()
    process.communicate()
    os.kill(ftp.process.pid, signal.SIGCONT)
    other = f"{ftp.url}/other"
    monkeypatch.setenv("NBKIT_STORE", other)
    keep(b"for the other")
    until_shared()
    there = [path for path in (ftp.folder / "nbkit/other").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in there] == [b"for the other"]


def test_many_threads_keep_the_same(ftp: Ftp) -> None:
    """The same picture from many runs at once is one file in the store."""
    threads = [threading.Thread(target=keep, args=(b"a cat",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until_shared()
    assert list(in_store(ftp).values()) == [b"a cat"]
