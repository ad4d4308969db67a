"""Kernels are killed in the middle of a batch, again and again, and nothing is lost and nothing is sent twice."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import KernelManager

from nbkit import history

if TYPE_CHECKING:
    from collections.abc import Iterator

LAB = Path(__file__).parents[1] / "server"
ENDPOINT, RUNS, KILLS = "lab/picture", 50, 20
PREPARE = (
    "import nbkit\nfrom concurrent.futures import ThreadPoolExecutor\nclient = nbkit.Client(base_url={url!r})"
)
BATCH = """
resumed = nbkit.history.resume(client=client)
assert not resumed.unknown, resumed
inputs = [{{"seed": seed, "seconds": 0.5 + seed % 6 / 10}} for seed in range({runs})]
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda it: client.subscribe({endpoint!r}, it, reuse="always"), inputs))
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of slow pictures, as a process that outlives every kernel."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, str(LAB / "lab_server.py"), str(tmp_path / "server"), str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(LAB), os.environ.get("PYTHONPATH", "")])},
    ) as process:
        assert process.stdout
        yield process.stdout.readline().split()[-1]
        process.terminate()


class Kernel:
    """A kernel that gets ready to go on with the batch while another works."""

    def __init__(self, url: str) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client: Any = self.manager.client()
        self.client.start_channels()
        self.client.execute(PREPARE.format(url=url))

    def ready(self) -> None:
        """Wait until it has started."""
        self.client.wait_for_ready(timeout=60)

    def run(self, code: str) -> None:
        """Run a cell to its end."""
        answer = self.client.execute(code, reply=True, timeout=120)["content"]
        assert answer["status"] == "ok", answer

    def kill(self) -> None:
        """End it without a word."""
        provisioner: Any = self.manager.provisioner
        os.kill(provisioner.pid, signal.SIGKILL)
        provisioner.process.wait()
        self.client.stop_channels()
        self.manager.cleanup_resources()


def test_a_batch_survives_twenty_kills(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty runs, twenty kernels killed at random moments: fifty results with their files, and fifty requests."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    seed = random.randrange(2**32)  # noqa: S311 - moments, not secrets
    print(f"seed {seed}")  # noqa: T201 - to try the same moments again
    moments = random.Random(seed)  # noqa: S311 - as above
    batch = BATCH.format(runs=RUNS, endpoint=ENDPOINT)
    coming = Kernel(server)
    for begun in sorted(moments.sample(range(RUNS), KILLS)):
        kernel, coming = coming, Kernel(server)
        kernel.ready()
        kernel.client.execute(batch)
        until = time.monotonic() + 5
        while len(history.search(limit=None)) <= begun and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(moments.choice((0.0, 0.02, 0.3)) * moments.random())
        kernel.kill()
    coming.ready()
    coming.run(batch)
    coming.kill()

    runs = [run for run in history.search(limit=None) if run.state == "succeeded"]
    assert len(runs) == len({run.input_sha256 for run in runs}) == RUNS
    for run in runs:
        assert run.image.path
        assert hashlib.sha256(run.image.path.read_bytes()).hexdigest() == run.image.sha256
        assert run.image.pil().getpixel((0, 0)) == tuple(run.input["seed"].to_bytes(3, "big"))
    assert not [run for run in history.search(limit=None) if run.is_orphan]
    assert requests(tmp_path / "server") == RUNS


def requests(folder: Path) -> int:
    """How many requests a server took in, ever. Its file is its own while it runs."""
    copy = folder.parent / "journal"
    copy.mkdir()
    for file in folder.glob("journal.sqlite*"):
        (copy / file.name).write_bytes(file.read_bytes())
    with sqlite3.connect(copy / "journal.sqlite") as journal:
        return int(journal.execute("SELECT count(*) FROM requests").fetchone()[0])
