from __future__ import annotations

import json
import logging
import os
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit.server import logs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import CommandLine

KEY = "secret-key-of-the-test"
SMALL = {"prompt": "a cat on the moon", "image_size": {"width": 64, "height": 64}, "seed": 1}


def _lines(errors: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in errors.splitlines()]


@pytest.fixture
def told(serve: type[CommandLine], tmp_path: Path) -> Any:
    """What a server with `--json-logs` and a key writes while something is done with it."""

    def perform(work: Any) -> tuple[list[dict[str, Any]], str]:
        command = serve("--port", "0", "--data-dir", str(tmp_path), "--json-logs", NBKIT_SERVER_KEY=KEY)
        with httpx.Client(
            base_url=command.url(), headers={"authorization": f"Key {KEY}"}, timeout=20, trust_env=False
        ) as client:
            work(client)
        code, errors = command.end()
        assert code == 0
        return _lines(errors), errors

    return perform


def _finished(client: httpx.Client, ticket: dict[str, str]) -> None:
    deadline = time.monotonic() + 20
    while client.get(ticket["status_url"]).json()["status"] != "COMPLETED":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_request_is_told_from_its_coming_to_its_end(told: Any) -> None:
    """Whoever looks for a request's id finds all that happened to it, and by the proxy's id finds the request."""
    ids: list[str] = []

    def work(client: httpx.Client) -> None:
        answer = client.post("/queue/local/collage", json=SMALL, headers={"x-request-id": "proxy-7f3.1"})
        assert answer.headers["x-request-id"] == "proxy-7f3.1"
        ids.append(answer.json()["request_id"])
        _finished(client, answer.json())
        client.get(answer.json()["response_url"])

    lines, _ = told(work)
    about = [line for line in lines if line.get("request_id") == ids[0]]
    events = [line["event"] for line in about if line["event"] != "http"]
    submit = next(line for line in about if line["event"] == "http")

    assert events == ["accepted", "started", "computed", "finished"]
    assert {line["endpoint"] for line in about if line["event"] != "http"} == {"local/collage"}
    assert about[0]["http_request_id"] == submit["http_request_id"] == "proxy-7f3.1"
    assert (submit["method"], submit["route"], submit["status"]) == ("POST", "/queue/{app}", 200)
    assert submit["bytes_in"] > 50
    assert next(line for line in about if line["event"] == "finished")["status"] == 200
    assert all({"time", "level", "event"} <= set(line) for line in lines)


def test_no_secret_and_no_input_is_written_down(told: Any) -> None:
    """Prompts, keys, signed addresses and queries stay out, also of what is refused."""
    signed: list[str] = []

    def work(client: httpx.Client) -> None:
        answer = client.post("/run/local/collage", json=SMALL)
        signed.append(answer.json()["images"][0]["url"])
        client.get(signed[0])
        client.post("/run/local/collage", json={"prompt": ["not a text"]})
        client.get("/queue/local/collage/requests/none/status", params={"fal_jwt_token": KEY})
        client.get("/health", headers={"authorization": "Key wrong-key-9"})

    _, text = told(work)

    for secret in ("cat", "moon", "not a text", KEY, "fal_jwt_token", "wrong-key-9", signed[0].split("/")[5]):
        assert secret not in text


@pytest.mark.parametrize(
    "given",
    ["two words", 'a"b', "x" * 129, "\u00e9", "a\x1b[31mred", "{}", "a,b"],
)
def test_an_id_that_is_not_well_formed_is_not_taken(told: Any, given: str) -> None:
    """Neither given back nor written down; and the request is answered."""

    def work(client: httpx.Client) -> None:
        answer = client.get("/health", headers=[(b"x-request-id", given.encode())])
        assert answer.status_code in (200, 400)
        assert "x-request-id" not in answer.headers

    lines, _ = told(work)

    assert not any("http_request_id" in line for line in lines)


def test_without_the_option_only_troubles_are_told(serve: type[CommandLine], tmp_path: Path) -> None:
    """A person at a terminal is not shown each request."""
    command = serve("--port", "0", "--data-dir", str(tmp_path))
    httpx.post(f"{command.url()}/run/local/collage", json=SMALL)

    assert command.end() == (0, "")


@pytest.mark.parametrize("as_json", [True, False])
def test_no_line_can_be_forged(as_json: bool) -> None:  # noqa: FBT001 - which of the two forms
    """Line breaks and control characters of any value stay inside of their line."""
    hostile = 'x\n{"event": "finished"}\r\u2028\u0085\x1b[2J\x00'
    form = logs.JsonLine() if as_json else logs.Sentence()
    record = logging.LogRecord("nbkit.server", logging.WARNING, "", 0, hostile, None, None)
    record.event, record.facts = "trouble", {"endpoint": hostile, "long": "y" * 5000}
    line = form.format(record)

    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert not as_json or json.loads(line)["endpoint"] == hostile
    assert len(line) < 2000


def test_who_does_not_read_the_log_holds_nothing_up(serve: type[CommandLine], tmp_path: Path) -> None:
    """A pipe that is full costs lines, and no request waits for it."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), "--json-logs")
    with httpx.Client(base_url=command.url(), timeout=5, trust_env=False) as client:
        for _ in range(1500):  # some 300 bytes each, where a pipe holds 64 KiB
            assert client.get("/health").status_code == 200
    command.process.terminate()
    assert command.process.wait(10) == 0
    assert command.process.stderr
    assert len(os.read(command.process.stderr.fileno(), 100_000)) > 10_000
    command.end()
