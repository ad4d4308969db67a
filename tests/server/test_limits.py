"""What a server takes at the most, and what it answers beyond that."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbkit.server.host import Host
    from tests.server.conftest import CommandLine


def test_a_thousand_wait_and_one_more_is_told_to_come_again(
    start: Callable[..., Host], http: httpx.Client
) -> None:
    """The queue has an end, and who meets it learns when to send again; the rest is answered as ever."""
    host = start(workers=1, max_queued=1_000)
    service = host.app.state.service
    blocker = http.post(f"{host.url}/queue/lab/wait", json={"seconds": 60}).json()
    while http.get(blocker["status_url"]).json()["status"] != "IN_PROGRESS":
        time.sleep(0.01)
    line = socket.create_connection((httpx.URL(host.url).host, httpx.URL(host.url).port or 0))
    one = b"POST /queue/lab/echo HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n{}"
    line.setblocking(False)  # noqa: FBT003 - the standard library's own
    sent = taken = 0
    while taken < 1_000:
        with contextlib.suppress(BlockingIOError):
            sent += line.send(one * 50) if sent < 1_000 * len(one) else 0
        with contextlib.suppress(BlockingIOError):
            line.recv(2**20)
        time.sleep(0.005)
        taken = service.dispatcher.queue_length()
    line.close()
    beyond = http.post(f"{host.url}/queue/lab/echo", json={})
    health = http.get(f"{host.url}/health")
    metrics = http.get(f"{host.url}/metrics").text

    assert beyond.status_code == 429
    assert int(beyond.headers["retry-after"]) >= 1
    assert "1000 requests wait already" in beyond.json()["detail"]
    assert health.status_code == 200
    assert "nbkit_queue_length 1000.0" in metrics
    assert 'nbkit_requests_refused_total{reason="queue_full"} 1.0' in metrics


def test_a_body_that_drips_is_given_up(start: Callable[..., Host]) -> None:
    """A byte now and then keeps no connection and no memory for ever."""
    host = start(body_seconds=0.5)
    place = httpx.URL(host.url)
    with socket.create_connection((place.host, place.port or 0), timeout=10) as line:
        line.sendall(b"POST /queue/lab/echo HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{")
        answer = b""
        line.settimeout(0.1)
        deadline = time.monotonic() + 10
        while b"\r\n\r\n" not in answer:
            assert time.monotonic() < deadline
            try:
                line.send(b" ")
                answer += line.recv(1000)
            except TimeoutError:
                pass

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_more_connections_than_there_may_be_are_refused(
    start: Callable[..., Host], http: httpx.Client
) -> None:
    """With 503; and when the others have gone there is room again."""
    host = start(max_connections=20)
    place = httpx.URL(host.url)
    lines = [socket.create_connection((place.host, place.port or 0)) for _ in range(30)]
    time.sleep(0.2)
    full = http.get(f"{host.url}/health", headers={"connection": "close"})
    for line in lines:
        line.close()
    time.sleep(0.2)
    after = http.get(f"{host.url}/health")

    assert (full.status_code, after.status_code) == (503, 200)


@pytest.mark.parametrize(
    "option",
    [
        ("--max-queued", "0"),
        ("--max-runs-per-user", "-1"),
        ("--max-connections", "0"),
        ("--drain-seconds", "-1"),
        ("--drain-seconds", "nan"),
        ("--max-body", "0"),
    ],
)
def test_a_limit_that_makes_no_sense_is_one_clear_line(
    serve: type[CommandLine], tmp_path: Path, option: tuple[str, str]
) -> None:
    """Before anything is listened on."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), *option)
    _, errors = command.process.communicate(timeout=20)

    assert command.process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert f"{option[0]} is" in errors
    assert "or more" in errors


def test_a_body_may_be_as_large_as_is_said(serve: type[CommandLine], tmp_path: Path) -> None:
    """`--max-body 1`: one MiB, and not more."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), "--max-body", "1")
    url = f"{command.url()}/run/local/collage"
    large, small = (httpx.post(url, json={"prompt": 1, "pad": "x" * size}) for size in (2**20, 2**19))
    command.end()

    assert (large.status_code, small.status_code) == (413, 422)
