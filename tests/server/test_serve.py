from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import nbkit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.conftest import CommandLine


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in listed.read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _worker_of(command: CommandLine) -> int:
    deadline = time.monotonic() + 10
    while not (children := _children(command.process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return children[0]


def _ends(condition: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_it_answers_from_the_moment_it_tells_its_address(serve: type[CommandLine], tmp_path: Path) -> None:
    """Whoever reads the line can call the server at once, and port 0 takes a free one."""
    command = serve("--port", "0", "--data-dir", str(tmp_path))
    answer = httpx.get(f"{command.url()}/health")
    command.end()

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": nbkit.__version__}


def test_the_port_asked_for_is_used_and_told(serve: type[CommandLine], tmp_path: Path) -> None:
    """`--port N` listens on N."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = serve("--port", str(port), "--data-dir", str(tmp_path))
    line = command.line()
    command.end()

    assert line == f"nbkit server listening on http://127.0.0.1:{port}"


def test_a_port_in_use_is_one_clear_line(serve: type[CommandLine], tmp_path: Path) -> None:
    """Starting on a taken port fails with a sentence, not with a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = serve("--port", str(taken.getsockname()[1]), "--data-dir", str(tmp_path))
        out, errors = command.process.communicate(timeout=10)

    assert command.process.returncode == 1
    assert out == ""
    assert "Address already in use" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "arguments", [("--host", "no.such.host.invalid", "--key", "k"), ("--port", "99999999")]
)
def test_an_address_that_is_none_is_one_clear_line(
    serve: type[CommandLine], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """A wrong host or port fails with a sentence."""
    command = serve(*arguments, "--data-dir", str(tmp_path))
    _, errors = command.process.communicate(timeout=20)

    assert command.process.returncode == 1
    assert "cannot listen on" in errors
    assert "Traceback" not in errors


def test_other_machines_are_let_in_only_with_a_key(serve: type[CommandLine], tmp_path: Path) -> None:
    """Listening on all addresses without a key is refused."""
    command = serve("--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path))  # noqa: S104 - refused
    _, errors = command.process.communicate(timeout=10)

    assert command.process.returncode == 1
    assert "without a key" in errors


def test_the_key_may_come_from_the_environment(serve: type[CommandLine], tmp_path: Path) -> None:
    """A key that other users of the machine cannot read from the list of processes."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), NBKIT_SERVER_KEY="secret")
    url = f"{command.url()}/api/v1/models"
    without, with_key = httpx.get(url), httpx.get(url, headers={"Authorization": "Key secret"})
    command.end()

    assert (without.status_code, with_key.status_code) == (401, 200)


def test_functions_are_not_handed_the_key(serve: type[CommandLine], tmp_path: Path) -> None:
    """What may call the server is no business of the code that it runs, nor of a file that is being read."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import os, nbkit\nseen = 'NBKIT_SERVER_KEY' in os.environ\n@nbkit.endpoint('me/sees')\n"
        "def sees(there: bool = seen) -> list[bool]:\n    return [there, 'NBKIT_SERVER_KEY' in os.environ]\n"
    )
    command = serve(str(file), "--port", "0", "--data-dir", str(tmp_path / "data"), NBKIT_SERVER_KEY="secret")
    headers, url = {"Authorization": "Key secret"}, command.url()
    answer = httpx.post(f"{url}/run/me/sees", json={}, headers=headers, timeout=30)
    models = httpx.get(f"{url}/openapi.json?endpoint_id=me/sees", headers=headers)
    command.end()

    assert answer.json() == {"output": [False, False]}
    assert '"default":false' in models.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_and_takes_its_workers_along(
    serve: type[CommandLine], tmp_path: Path, number: signal.Signals
) -> None:
    """Without time to drain, Ctrl-C and SIGTERM end it well in the middle of a request and of a stream."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), "--drain-seconds", "0")
    url, worker = command.url(), _worker_of(command)
    body = {"prompt": "a cat", "num_images": 8, "image_size": {"width": 2048, "height": 2048}}
    ticket = httpx.post(f"{url}/queue/local/collage", json=body).json()
    with httpx.stream("GET", f"{ticket['status_url']}/stream") as stream:
        next(stream.iter_bytes())
        command.process.send_signal(number)
        began = time.monotonic()
        code = command.process.wait(5)
        seconds = time.monotonic() - began
    _, errors = command.end()

    assert (code, errors) == (0, "")
    assert seconds < 2
    assert _ends(lambda: not _alive(worker), 1)


def test_it_ends_with_the_process_that_started_it(serve: type[CommandLine], tmp_path: Path) -> None:
    """A notebook's kernel that goes away closes the pipe, and the server goes too."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), "--exit-with-parent", stdin=subprocess.PIPE)
    url = command.url()
    assert httpx.get(f"{url}/health").status_code == 200
    assert command.process.stdin
    command.process.stdin.close()
    command.process.stdin = None

    assert command.process.wait(2) == 0
    command.end()


def test_no_worker_outlives_a_killed_server(serve: type[CommandLine], tmp_path: Path) -> None:
    """Workers, idle or busy, see that the server is gone even when it could not tell them."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), "--workers", "2")
    url = command.url()
    small = {"prompt": "a cat", "image_size": {"width": 64, "height": 64}}
    large = {"prompt": "a cat", "num_images": 8, "image_size": {"width": 2048, "height": 2048}}
    httpx.post(f"{url}/run/local/collage", json=small)
    for given in (large, small):
        httpx.post(f"{url}/queue/local/collage", json=given)
    assert _ends(lambda: len(_children(command.process.pid)) == 2, 5)
    time.sleep(0.5)
    workers = _children(command.process.pid)
    os.kill(command.process.pid, signal.SIGKILL)

    assert _ends(lambda: not any(map(_alive, workers)), 3)
    command.end()
