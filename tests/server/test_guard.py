from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from nbkit.server.guard import LARGEST_HEAD, Guarded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from nbkit.server.host import Host
    from tests.server.conftest import CommandLine

HEAD = b"Host: 127.0.0.1\r\n"


def _connect(origin: str) -> socket.socket:
    parts = urlsplit(origin)
    line = socket.create_connection((parts.hostname, parts.port), timeout=10)
    line.settimeout(10)
    return line


def _rest(line: socket.socket) -> bytes:
    """Everything up to the end of the connection, however it ends."""
    content = b""
    try:
        while chunk := line.recv(100_000):
            content += chunk
    except ConnectionError:
        pass
    return content


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, start: Callable[..., Host]) -> Host:
    """A server without patience."""
    monkeypatch.setattr(Guarded, "head_seconds", 0.4)
    monkeypatch.setattr(Guarded, "body_seconds", 0.4)
    return start()


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /health HTTP/1.1\r\n" + HEAD + b"x: " + b"y" * (2 * LARGEST_HEAD),
        b"GET /health HTTP/1.1\r\n" + HEAD + b"x: y\r\n" * LARGEST_HEAD,
        b"GET /" + b"y" * (2 * LARGEST_HEAD),
    ],
    ids=["one field", "many fields", "address"],
)
def test_a_header_without_an_end_is_refused(lab: Host, http: httpx.Client, request_line: bytes) -> None:
    """Nobody can fill the server's memory before it knows who calls."""
    with _connect(lab.url) as line:
        for at in range(0, len(request_line), 8192):
            try:
                line.sendall(request_line[at : at + 8192])
            except ConnectionError:
                break
        answer = _rest(line)

    assert answer.startswith(b"HTTP/1.1 431") or not answer  # what is still on its way may cut the answer off
    assert http.get(f"{lab.url}/health").status_code == 200


def test_a_large_header_is_read(lab: Host, http: httpx.Client) -> None:
    """Signed cookies of a front, say."""
    assert http.get(f"{lab.url}/health", headers={"cookie": "x" * 30_000}).status_code == 200


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"GET /health HTT"],
        [b"GET /health HTTP/1.1\r\n", HEAD, b"x: y\r\n", b"x: y\r\n", b"x: y\r\n", b"x: y\r\n", b"x: y\r\n"],
        [b"GET /health HTTP/1.1\r\n" + HEAD + b"\r\n"] + [b"\r\n"] * 8,
        [b"POST /run/lab/echo HTTP/1.1\r\n" + HEAD + b"content-length: 100\r\n\r\n{"],
        [b"POST /cdn/files/upload HTTP/1.1\r\n" + HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhel"],
    ],
    ids=["silent", "half a line", "drop by drop", "empty lines", "half a body", "half a chunk"],
)
def test_who_sends_slowly_is_left(hasty: Host, pieces: list[bytes]) -> None:
    """A header has its time, and a body may not stand still."""
    began = time.monotonic()
    with _connect(hasty.url) as line:
        for piece in pieces:
            try:
                line.sendall(piece)
            except ConnectionError:
                break
            time.sleep(0.1)
        _rest(line)

    assert time.monotonic() - began < 5


def test_who_sends_steadily_may_take_long(hasty: Host) -> None:
    """An upload over a slow line takes as long as it takes."""
    with _connect(hasty.url) as line:
        line.sendall(
            b"POST /cdn/files/upload HTTP/1.1\r\n" + HEAD + b"content-length: 8\r\nconnection: close\r\n\r\n"
        )
        for _ in range(8):
            line.sendall(b"x")
            time.sleep(0.15)
        answer = _rest(line)

    assert answer.startswith(b"HTTP/1.1 200")


def test_who_waits_for_an_answer_is_not_slow(hasty: Host, http: httpx.Client) -> None:
    """A call that computes, a stream that is silent, a connection that is used again."""
    with http.stream("POST", f"{hasty.url}/run/lab/stubborn/stream", json={"seconds": 1}) as stream:
        assert b'"waited":1' in stream.read()
    assert http.post(f"{hasty.url}/run/lab/stubborn", json={"seconds": 1}).status_code == 200
    time.sleep(0.6)
    assert http.get(f"{hasty.url}/health").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\x16\x03\x01" * 200,
        b"GET /health\x00 HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /run/lab/echo HTTP/1.1\r\n" + HEAD + b"content-length: -3\r\n\r\n",
        b"POST /run/lab/echo HTTP/1.1\r\n" + HEAD + b"content-length: 99999999999999999999999\r\n\r\n",
        b"POST /run/lab/echo HTTP/1.1\r\n" + HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc",
        b"POST /run/lab/echo HTTP/1.1\r\n" + HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /run/lab/echo HTTP/1.1\r\n" + HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /health HTTP/1.1\r\nHost: evil.example\r\n" + HEAD + b"connection: close\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(lab: Host, http: httpx.Client, sent: bytes) -> None:
    """With 400, and the next caller is served."""
    with _connect(lab.url) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        answer = line.recv(1000)

    assert answer.startswith(b"HTTP/1.1 400")
    assert http.get(f"{lab.url}/health").status_code == 200


@pytest.mark.parametrize(
    ("request_line", "more"),
    [
        (b"PUT /health", b"content-length: 2\r\n\r\n{}"),
        (b"GET /health", b"\r\n"),
        (b"GET /health", b"sec-websocket-key: x\r\ncontent-length: 2\r\n\r\n{}"),
        (b"POST /run/lab/echo/realtime", b"sec-websocket-key: x\r\n\r\n"),
        (b"GET /run/lab/echo/realtime", b"sec-websocket-key: x\r\nsec-websocket-version: 1\r\n\r\n"),
    ],
)
def test_half_a_handshake_is_answered_and_the_server_ends_quietly(
    serve: type[CommandLine], tmp_path: Path, request_line: bytes, more: bytes
) -> None:
    """A WebSocket begins with GET, a key and no body; nothing else is kept waiting for one."""
    command = serve("--port", "0", "--data-dir", str(tmp_path))
    with _connect(command.url()) as line:
        line.sendall(
            request_line + b" HTTP/1.1\r\n" + HEAD + b"upgrade: websocket\r\nconnection: upgrade\r\n" + more
        )
        answer = line.recv(1000)
        code, errors = command.end()

    assert answer.startswith(b"HTTP/1.1 ")
    assert (code, errors) == (0, "")


@pytest.mark.parametrize(
    "path", ["/queue/lab/echo", "/run/lab/echo", "/cdn/files/upload", "/rest/workflows/"]
)
def test_a_body_that_breaks_off_makes_no_noise(
    start: Callable[..., Host], http: httpx.Client, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    """Nothing is queued, kept or written to the terminal."""
    host = start()
    with _connect(host.url) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{{".encode())
        time.sleep(0.1)
    time.sleep(0.1)
    assert http.get(f"{host.url}/health").status_code == 200
    service = host.app.state.service

    assert capfd.readouterr().err == ""
    assert service.store.unfinished() == []
    assert not list((service.settings.data_dir / "parts").iterdir())


def test_requests_sent_without_waiting_are_answered_in_order(lab: Host) -> None:
    """All of them, on one connection."""
    one = b"GET /openapi.json?endpoint_id=%d HTTP/1.1\r\n" + HEAD + b"\r\n"
    with _connect(lab.url) as line:
        line.sendall(b"".join(one % number for number in range(300)))
        line.sendall(b"GET /health HTTP/1.1\r\n" + HEAD + b"connection: close\r\n\r\n")
        answer = _rest(line)

    assert answer.count(b"HTTP/1.1 404") == 300
    places = [answer.index(b"Endpoint '%d'" % number) for number in range(300)]
    assert places == sorted(places)


def test_many_may_cancel_one_request(
    lab: Host, http: httpx.Client, until_running: Callable[[Any], None], finished: Callable[[Any], Any]
) -> None:
    """Each gets an answer of the table, and the request ends once."""
    ticket = http.post(f"{lab.url}/queue/lab/wait", json={"seconds": 30}).json()
    until_running(ticket)
    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda _: http.put(ticket["cancel_url"]).status_code, range(60)))

    assert set(codes) <= {202, 400}
    assert 202 in codes
    finished(ticket)
    assert http.get(ticket["response_url"]).status_code == 499
