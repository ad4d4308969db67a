"""`nbkit webhooks listen`, as its user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nbkit.cli.webhooks import line_of
from nbkit.server import webhook_listener
from nbkit.wire.fal.webhooks import Signature, jwks, read_webhook, signed_message, webhook_body
from tests.scripted_server import ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)


class Listening:
    """A listener as a process of its own."""

    def __init__(self, out: Path, *options: str) -> None:
        self.out = out
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nbkit", "webhooks", "listen", "--port", "0", "--out", str(out), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().split()[-1]

    def post(self, body: bytes, **changes: str) -> int:
        """Send a webhook, and give the status of the answer."""
        at = int(time.time())
        headers = Signature("r", "u", at, KEY.sign(signed_message("r", "u", at, body))).headers()
        return httpx.post(self.url, content=body, headers={**headers, **changes}, trust_env=False).status_code

    def end(self) -> tuple[list[str], str]:
        """Stop it, and give what it printed."""
        self.process.terminate()
        printed, errors = self.process.communicate(timeout=10)
        return printed.splitlines(), errors


@pytest.fixture(scope="module")
def keys() -> Iterator[ScriptedServer]:
    """A service that has the sender's public key."""
    with ScriptedServer() as server:
        server.on("GET", "/jwks", answer(jwks(KEY.public_key().public_bytes_raw())))
        yield server


@pytest.fixture(scope="module")
def listening(keys: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """A listener that trusts it."""
    out = tmp_path_factory.mktemp("out") / "webhooks.jsonl"
    process = Listening(out, "--jwks-url", f"{keys.origin}/jwks", "--path", "hook")
    yield process
    lines, errors = process.end()
    assert errors == ""
    assert all("secret" not in line and "\x1b" not in line for line in lines)
    assert [line.split()[1] for line in lines] == ["ok", "error", "refused", "refused", "refused"], lines


def test_each_request_is_told_once_and_kept(listening: Listening) -> None:
    """A webhook that comes twice is acknowledged twice and shown once, and the file has all of it."""
    url = "https://v3.fal.media/a.png?signature=secret"
    good = webhook_body("r1", {"images": [{"url": url}], "seed": 1})
    bad = webhook_body("r2", {"detail": []}, error="Invalid \x1b[31mstatus\n code: 422")

    assert [listening.post(good), listening.post(good), listening.post(bad)] == [200, 200, 200]
    assert listening.url.endswith("/hook")
    kept = [json.loads(line) for line in listening.out.read_text().splitlines()]
    assert [entry["request_id"] for entry in kept] == ["r1", "r2"]
    assert kept[0]["payload"]["images"][0]["url"] == url
    assert listening.out.stat().st_mode & 0o777 == 0o600


def test_what_is_not_genuine_is_refused(listening: Listening) -> None:
    """A forged, an unsigned and an endless webhook are refused in words, and not kept."""
    before = listening.out.read_text()
    forged = listening.post(webhook_body("r3", {}), **{"x-fal-webhook-user-id": "somebody else"})
    unsigned = httpx.post(listening.url, content=b"{}", trust_env=False)
    large = httpx.post(listening.url, content=b" " * (webhook_listener.LARGEST_BODY + 1), trust_env=False)

    assert (forged, unsigned.status_code, large.status_code) == (400, 400, 413)
    assert "not signed" in unsigned.json()["detail"]
    assert listening.out.read_text() == before


def test_only_its_path_is_answered(listening: Listening) -> None:
    """Anything else on this machine's address is not there."""
    elsewhere = listening.url.removesuffix("hook")

    assert httpx.get(listening.url, trust_env=False).status_code == 405
    assert httpx.post(elsewhere, trust_env=False).status_code == 404


def test_without_keys_the_sender_is_asked_to_come_again(tmp_path: Path) -> None:
    """What cannot be judged is neither taken nor refused for good."""
    listening = Listening(tmp_path / "out.jsonl", "--jwks-url", "http://127.0.0.1:9/jwks")
    status = listening.post(webhook_body("r1", {}))
    listening.end()

    assert status == 503


def test_what_cannot_be_kept_is_asked_for_again(keys: ScriptedServer, tmp_path: Path) -> None:
    """A full or vanished disk does not lose a webhook: the sender is told that it was not taken."""
    folder = tmp_path / "folder"
    folder.mkdir()
    listening = Listening(folder / "out.jsonl", "--jwks-url", f"{keys.origin}/jwks")
    body = webhook_body("r1", {})
    (folder / "out.jsonl").unlink()
    folder.rmdir()
    first = listening.post(body)
    folder.mkdir()
    second = listening.post(body)
    listening.end()

    assert (first, second) == (500, 200)


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--out", "/nowhere/x"], "cannot be written"), (["--jwks-url", "ftp://x"], "is not an address")],
)
def test_what_cannot_work_is_told_at_once(options: list[str], says: str) -> None:
    """A wrong option ends the command before anything is received."""
    command = [sys.executable, "-m", "nbkit", "webhooks", "listen", "--port", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)

    assert done.returncode == 1
    assert says in done.stderr


@pytest.mark.parametrize(
    ("payload", "told"), [({"seed": 1}, "seed"), (None, "NoneType"), ([], "list"), ("x", "str")]
)
def test_any_output_makes_a_line(payload: Any, told: str) -> None:
    """What was put out is named, not shown."""
    assert line_of(read_webhook(webhook_body("r1", payload))) == f"ok    r1 {told}"
