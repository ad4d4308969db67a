from __future__ import annotations

import json
import socket
import stat
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit.errors import WebhookError
from nbkit.server import webhooks
from nbkit.webhooks import KeySet, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbkit.server.host import Host

    Until = Callable[[dict[str, Any]], None]

PICTURE = {"prompt": "a cat", "image_size": {"width": 64, "height": 64}, "seed": 3}


class Receiver:
    """A program that takes webhooks in, or does not.

    Attributes:
        url: Where it listens.
        received: Headers and body of each post.
        answers: Status codes to answer with, one after the other; 200 when there are no more.
        silence: Seconds to wait before answering.
    """

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.silence = 0.0
        self._came = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                time.sleep(receiver.silence)
                with receiver._came:
                    receiver.received.append((dict(self.headers.items()), body))
                    status = receiver.answers.pop(0) if receiver.answers else 200
                    receiver._came.notify_all()
                self.send_response(status)
                self.send_header("location", f"{receiver.url}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?secret=s"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def wait(self, number: int = 1) -> list[dict[str, Any]]:
        """The bodies, once there are so many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.received) >= number, timeout=20)
        return [json.loads(body) for _, body in self.received]

    def close(self) -> None:
        """Stop to listen."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A program that takes webhooks in."""
    made = Receiver()
    yield made
    made.close()


def _submit(http: httpx.Client, origin: str, name: str, given: Any, url: str) -> dict[str, Any]:
    answer = http.post(f"{origin}/queue/{name}", json=given, params={"fal_webhook": url})
    assert answer.status_code == 200, answer.text
    ticket: dict[str, Any] = answer.json()
    return ticket


def test_the_end_of_a_request_is_posted_and_verifies(
    server: str, http: httpx.Client, receiver: Receiver
) -> None:
    """The verifier of nbkit accepts it by the server's key set; the output is what the result says."""
    ticket = _submit(http, server, "local/collage", PICTURE, receiver.url)
    (posted,) = receiver.wait()
    headers, body = receiver.received[0]
    event = verify(headers, body, jwks=KeySet(f"{server}/.well-known/jwks.json"))

    assert event.ok
    assert event.request_id == ticket["request_id"]
    assert posted["gateway_request_id"] == ticket["gateway_request_id"]
    assert event.payload == http.get(ticket["response_url"]).json()
    assert http.get(event.payload["images"][0]["url"]).status_code == 200
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookError):
        verify(headers, body + b" ", jwks=KeySet(f"{server}/rest/.well-known/jwks.json"))


@pytest.mark.parametrize(("name", "status"), [("local/collage", 422), ("lab/fail", 500), ("lab/leave", 500)])
def test_a_failure_is_posted_with_its_body(
    lab: Host, http: httpx.Client, receiver: Receiver, name: str, status: int
) -> None:
    """Its status is ERROR, its payload the error that the result is."""
    ticket = _submit(http, lab.url, name, {"prompt": 5}, receiver.url)
    (posted,) = receiver.wait()

    assert (posted["status"], posted["error"]) == ("ERROR", f"Invalid status code: {status}")
    assert posted["payload"] == http.get(ticket["response_url"]).json()


def test_workflows_and_cancelled_requests_are_posted_too(
    lab: Host, http: httpx.Client, receiver: Receiver, until_running: Until
) -> None:
    """Whatever ends is told."""
    workflow = {
        "input": {},
        "workflow": {"a": {"app": "lab/echo"}, "output": {"type": "display", "fields": {"x": "$a.given"}}},
    }
    _submit(http, lab.url, "workflows/execute", workflow, receiver.url)
    (done,) = receiver.wait()
    ticket = _submit(http, lab.url, "lab/wait", {"seconds": 30}, receiver.url)
    until_running(ticket)
    http.put(ticket["cancel_url"])
    cancelled = receiver.wait(2)[1]

    assert (done["status"], done["payload"]) == ("OK", {"x": {}})
    assert cancelled["error"] == "Invalid status code: 499"


def test_it_is_sent_again_until_it_is_taken(
    start: Callable[..., Host], http: httpx.Client, receiver: Receiver
) -> None:
    """Each time with a fresh signature; what went wrong stands in the request's logs."""
    host = start(webhook_delay=0.05)
    receiver.answers = [500, 404, 503]
    ticket = _submit(http, host.url, "lab/echo", {}, receiver.url)
    posted = receiver.wait(4)
    time.sleep(0.3)
    logs = http.get(ticket["status_url"], params={"logs": 1}).json()["logs"]

    assert posted == [posted[0]] * 4
    assert len(receiver.received) == 4
    told = [entry["message"] for entry in logs if "webhook" in entry["message"]]
    assert [message.partition("HTTP ")[2][:3] for message in told] == ["500", "404", "503"]
    assert "secret" not in str(told)


def test_a_redirect_is_not_followed(
    start: Callable[..., Host], http: httpx.Client, receiver: Receiver
) -> None:
    """It ends the matter: a signed post goes only where its caller said."""
    host = start(webhook_delay=0.05)
    receiver.answers = [307]
    ticket = _submit(http, host.url, "lab/echo", {}, receiver.url)
    receiver.wait()
    time.sleep(0.3)
    logs = http.get(ticket["status_url"], params={"logs": 1}).json()["logs"]

    assert len(receiver.received) == 1
    assert "redirect" in logs[-1]["message"]


def test_who_does_not_answer_is_asked_again_and_given_up_in_the_end(
    start: Callable[..., Host], http: httpx.Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt has its own patience, and there is a last one."""
    monkeypatch.setattr(webhooks, "FIRST_SECONDS", 0.2)
    monkeypatch.setattr(webhooks, "LATER_SECONDS", 0.2)
    monkeypatch.setattr(webhooks, "ATTEMPTS", 2)
    host = start(webhook_delay=0.05)
    receiver.silence = 0.5
    ticket = _submit(http, host.url, "lab/echo", {}, receiver.url)
    deadline = time.monotonic() + 10
    while "given up" not in (logs := http.get(ticket["status_url"], params={"logs": 1}).text):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert "no answer within 0.2 s" in logs


def test_nobody_there_is_no_harm(start: Callable[..., Host], http: httpx.Client) -> None:
    """A webhook that cannot be sent changes nothing about its request, nor does it keep the server from ending."""
    host = start()
    ticket = _submit(http, host.url, "lab/echo", {}, "http://127.0.0.1:9/hook")
    deadline = time.monotonic() + 10
    while "webhook" not in http.get(ticket["status_url"], params={"logs": 1}).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert http.get(ticket["response_url"]).json() == {"given": {}}


def test_an_output_that_is_too_large_is_left_out(
    start: Callable[..., Host], http: httpx.Client, receiver: Receiver
) -> None:
    """The reason stands in its place, and the result has it all."""
    host = start(max_json_bytes=2000)
    _submit(http, host.url, "local/collage", {**PICTURE, "sync_mode": True}, receiver.url)
    (posted,) = receiver.wait()

    assert posted["payload"] is None
    assert "larger than" in posted["payload_error"]
    assert posted["status"] == "OK"


def test_a_changed_key_is_found_by_who_knows_the_old_one(
    start: Callable[..., Host], http: httpx.Client, receiver: Receiver, tmp_path: Path
) -> None:
    """The file of the key is deleted and the server started again: receivers fetch the new one by themselves."""
    old = start(data_dir=tmp_path / "one")
    port = int(old.url.rsplit(":", 1)[1])
    known = KeySet(f"{old.url}/.well-known/jwks.json")
    _submit(http, old.url, "lab/echo", {}, receiver.url)
    receiver.wait()
    verify(*receiver.received[0], jwks=known)
    key = tmp_path / "one" / "webhook-key"
    mode = stat.S_IMODE(key.stat().st_mode)
    old.stop()
    key.unlink()
    http.close()
    deadline = time.monotonic() + 10
    while not _free(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    new = start(data_dir=tmp_path / "one", port=port)
    with httpx.Client() as fresh:
        _submit(fresh, new.url, "lab/echo", {}, receiver.url)
    receiver.wait(2)

    assert mode == 0o600
    assert verify(*receiver.received[1], jwks=known).ok


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    "url",
    [
        "hook",
        "ftp://127.0.0.1/hook",
        "file:///etc/passwd",
        "http://",
        "http://u:p@host/",
        "http://h/" + "x" * 3000,
    ],
)
def test_an_address_that_is_none_is_refused_at_once(server: str, http: httpx.Client, url: str) -> None:
    """Before anything is queued."""
    answer = http.post(f"{server}/queue/local/collage", json=PICTURE, params={"fal_webhook": url})

    assert answer.status_code == 422
    assert "fal_webhook" in answer.json()["detail"]


def test_a_server_that_others_can_reach_posts_to_the_public_internet_only(
    start: Callable[..., Host], http: httpx.Client, receiver: Receiver
) -> None:
    """Nobody can make it knock at doors inside."""
    host = start(host="0.0.0.0", key="k")  # noqa: S104 - it has a key
    port = host.url.rsplit(":", 1)[1]
    origin, key = f"http://127.0.0.1:{port}", {"Authorization": "Key k"}
    for target in (
        receiver.url,
        receiver.url.replace("127.0.0.1", "localhost"),
        "http://[::ffff:127.0.0.1]/",
    ):
        ticket = http.post(
            f"{origin}/queue/lab/echo", json={}, params={"fal_webhook": target}, headers=key
        ).json()
        url = ticket["status_url"]
        deadline = time.monotonic() + 10
        while "not sent again" not in (logs := http.get(url, params={"logs": 1}, headers=key).text):
            assert time.monotonic() < deadline, logs
            time.sleep(0.05)

    assert receiver.received == []


def test_without_cryptography_a_webhook_is_refused_with_what_to_install(
    start: Callable[..., Host], http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And everything else goes on."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    host = start()
    answer = http.post(f"{host.url}/queue/lab/echo", json={}, params={"fal_webhook": "http://127.0.0.1:9/"})

    assert answer.status_code == 501
    assert "nbkit-media[webhooks]" in answer.json()["detail"]
    assert http.get(f"{host.url}/.well-known/jwks.json").status_code == 501
    assert http.post(f"{host.url}/run/lab/echo", json={}).status_code == 200
