from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    import httpx

    from nbkit.server.host import Host


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/health", 405),
        ("POST", "/queue/no/such", 404),
        ("GET", "/queue/lab/echo/requests/none/status", 404),
        ("PUT", "/queue/lab/echo/requests/none/cancel", 404),
        ("POST", "/run/no/such", 404),
        ("POST", "/run/local/collage", 422),
        ("POST", "/run/lab/leave", 500),
        ("GET", "/cdn/files/0/0/x", 404),
        ("GET", "/rest/workflows/local/none", 404),
        ("GET", "/api/fal/proxy", 400),
        ("GET", "/openapi.json", 400),
        ("OPTIONS", "/queue/lab/echo", 405),
    ],
)
def test_every_answer_names_its_request(
    lab: Host, http: httpx.Client, method: str, path: str, status: int
) -> None:
    """Fal's Python client repeats what has no id: it takes it for a proxy's."""
    answer = http.request(method, lab.url + path)

    assert answer.status_code == status
    assert len(answer.headers["x-fal-request-id"]) == 36


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/run/lab/echo/stream"), ("POST", "/run/lab/tell/stream")]
)
def test_events_are_ascii_and_sent_whole(lab: Host, method: str, path: str) -> None:
    """Fal's JavaScript client cuts letters that span two pieces; its Python client chokes on ids and empty ones."""
    body = json.dumps({"text": "猫 Kätzchen 🐈\u2028", "steps": 2}, ensure_ascii=False).encode()
    parts = urlsplit(lab.url)
    pieces = []
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAccept: application/json\r\n"
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        reader = line.makefile("rb")
        while (field := reader.readline().lower()) != b"\r\n":
            if field.startswith(b"content-type"):
                assert b"text/event-stream" in field
        while size := int(reader.readline(), 16):
            pieces.append(reader.read(size))
            reader.readline()
    content = b"".join(pieces)
    events: list[Any] = [json.loads(line[6:]) for line in content.splitlines() if line.startswith(b"data: ")]

    assert content.isascii()
    assert all(piece.endswith(b"\n\n") for piece in pieces)
    assert all(piece.startswith((b"data: ", b":")) for piece in pieces)
    assert len(events) == len([piece for piece in pieces if piece.startswith(b"data: ")])
    assert events
