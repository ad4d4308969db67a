"""A server that is told to end: what is taken, what ends well, and how long it may take."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent


class Server:
    """A server of the tests' models, as a process that gets signals."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "lab_server.py"), str(folder), "0", json.dumps(settings)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().split()[-1]

    def submit(self, endpoint: str, **given: Any) -> dict[str, Any]:
        """Queue a request."""
        ticket: dict[str, Any] = httpx.post(f"{self.url}/queue/{endpoint}", json=given).json()
        return ticket

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, and wait until the server shows that it has it."""
        self.process.send_signal(number)
        while httpx.get(f"{self.url}/ready").status_code == 200:
            time.sleep(0.02)

    def end(self) -> tuple[int, str]:
        """Its exit code and what it wrote to standard error, once it has ended by itself."""
        _, errors = self.process.communicate(timeout=15)
        return self.process.returncode, errors


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers on one folder; none outlives the test."""
    started: list[Server] = []

    def begin(**settings: Any) -> Server:
        started.append(Server(tmp_path / "data", **settings))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate(timeout=5)


def test_what_runs_ends_well_and_what_waits_is_there_for_the_next_server(
    server: Callable[..., Server], until_running: Callable[[Any], None], finished: Callable[[Any], Any]
) -> None:
    """SIGTERM lets a running request and a direct call end; a queued one is computed after the next start."""
    first = server()
    running = [first.submit("lab/wait", seconds=1.5), first.submit("lab/wait", seconds=1.5)]
    for ticket in running:
        until_running(ticket)
    waiting = first.submit("lab/echo", word="later")
    with ThreadPoolExecutor(2) as pool:
        direct = pool.submit(httpx.post, f"{first.url}/run/lab/echo", json={"word": "now"}, timeout=20)
        stream = pool.submit(lambda: httpx.get(f"{waiting['status_url']}/stream", timeout=20).text)
        time.sleep(0.3)
        first.signal()
        code, errors = first.end()
    second = server()
    port = [str(httpx.URL(url).port) for url in (first.url, second.url)]
    told = [
        {name: url.replace(*port) for name, url in ticket.items() if name.endswith("url")}
        for ticket in running
    ]

    assert code == 0
    assert "2 running requests have 30 s to end" in errors
    assert "Traceback" not in errors
    assert direct.result().json() == {"given": {"word": "now"}}
    assert '"IN_QUEUE"' in stream.result()
    assert [httpx.get(ticket["response_url"]).json() for ticket in told] == [{"waited": 1.5}] * 2
    assert finished({"status_url": waiting["status_url"].replace(*port)})["logs"][0]["message"].startswith(
        "the server was started again; this waits again"
    )


def test_nothing_new_is_taken_and_everything_else_is_answered(
    server: Callable[..., Server], until_running: Callable[[Any], None]
) -> None:
    """While a server drains it refuses work with 503 and says when to come again; status and health are as ever."""
    one = server(drain_seconds=20)
    ticket = one.submit("lab/wait", seconds=3)
    until_running(ticket)
    one.signal()
    new = [httpx.post(f"{one.url}/{way}/lab/echo", json={}) for way in ("queue", "run")]
    dify = httpx.post(
        f"{one.url}/v1/workflows/run",
        json={"inputs": {"prompt": "a cat"}, "user": "me", "response_mode": "streaming"},
        headers={"authorization": "Bearer app-local-text-to-image"},
    )
    ready, health = httpx.get(f"{one.url}/ready"), httpx.get(f"{one.url}/health")
    status = httpx.get(ticket["status_url"])
    code, _ = one.end()

    assert [answer.status_code for answer in (*new, dify)] == [503, 503, 503]
    assert all(1 <= int(answer.headers["retry-after"]) <= 20 for answer in (*new, dify))
    assert ready.json()["checks"]["accepting"] == "the server ends"
    assert (ready.status_code, health.status_code, status.status_code) == (503, 200, 202)
    assert code == 0


def test_a_workflow_that_was_begun_goes_through_its_steps(server: Callable[..., Server]) -> None:
    """Steps belong to what was taken before the signal."""
    one = server()
    nodes: dict[str, Any] = {
        "input": {"id": "input", "type": "input", "depends": [], "input": {}},
        "first": {"id": "first", "type": "run", "depends": ["input"], "app": "lab/wait", "input": {"seconds": 1}},
        "then": {
            "id": "then", "type": "run", "depends": ["first"], "app": "lab/echo", "input": {"n": "$first.waited"},
        },
        "output": {"id": "output", "type": "display", "depends": ["then"], "fields": {"said": "$then.given"}},
    }  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(
            httpx.post, f"{one.url}/run/workflows/execute", json={"input": {}, "workflow": nodes}, timeout=20
        )
        time.sleep(0.5)
        one.signal()
        code, _ = one.end()

    assert answer.result().json() == {"said": {"n": 1}}
    assert code == 0


@pytest.mark.parametrize("way", ["queue", "run"])
def test_what_does_not_end_is_ended_when_the_time_is_over(
    server: Callable[..., Server], until_running: Callable[[Any], None], way: str
) -> None:
    """A model that listens to nobody, and one that somebody waits for on a connection, cost the time to drain."""
    one = server(drain_seconds=1)
    if way == "queue":
        until_running(one.submit("lab/stubborn", seconds=60))
        one.signal()
    else:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(httpx.post, f"{one.url}/run/lab/stubborn", json={"seconds": 60}, timeout=20)
            time.sleep(1)
            one.signal()
        assert answer.result().status_code == 503
    code, errors = one.end()

    assert code == 0
    assert "Traceback" not in errors


def test_a_second_signal_ends_it_at_once(
    server: Callable[..., Server], until_running: Callable[[Any], None]
) -> None:
    """Ctrl-C twice does not wait for what runs; it is computed anew by the next server."""
    one = server(drain_seconds=600)
    ticket = one.submit("lab/stubborn", seconds=600)
    until_running(ticket)
    one.signal(signal.SIGINT)
    time.sleep(0.3)
    assert one.process.poll() is None
    one.process.send_signal(signal.SIGINT)
    code, errors = one.end()

    assert code == 0
    assert "Traceback" not in errors


def test_who_does_not_read_and_who_does_not_write_hold_nothing_up(
    server: Callable[..., Server], until_running: Callable[[Any], None]
) -> None:
    """A stream that nobody reads, half a request and an idle connection end with the time to drain at the latest."""
    one = server(drain_seconds=2)
    ticket = one.submit("lab/wait", seconds=1)
    until_running(ticket)
    place = httpx.URL(one.url)
    stuck = [socket.create_connection((place.host, place.port or 0)) for _ in range(3)]
    path = httpx.URL(ticket["status_url"]).path
    stuck[0].sendall(f"GET {path}/stream HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    stuck[1].sendall(b"POST /queue/lab/echo HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{")
    one.signal()
    code, _ = one.end()
    for line in stuck:
        line.close()

    assert code == 0


@pytest.mark.parametrize("seconds", [0.5, 600], ids=["slow", "hung"])
def test_a_webhook_on_its_way_gets_its_time_and_no_more(
    server: Callable[..., Server], until_running: Callable[[Any], None], seconds: float
) -> None:
    """A receiver that takes half a second has got it; one that never answers is left to the next server."""
    came: list[bytes] = []
    answered = threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["content-length"])))
            answered.wait(seconds)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        serving = threading.Thread(target=receiver.serve_forever)
        serving.start()
        one = server(drain_seconds=3)
        hook = f"http://127.0.0.1:{receiver.server_port}/"
        ticket = httpx.post(
            f"{one.url}/queue/lab/wait", params={"fal_webhook": hook}, json={"seconds": 1}
        ).json()
        until_running(ticket)
        one.signal()
        code, _ = one.end()
        answered.set()
        receiver.shutdown()
        serving.join()

    assert code == 0
    assert [json.loads(body)["request_id"] for body in came] == [ticket["request_id"]]
