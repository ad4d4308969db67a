"""fal's own JavaScript client against the local server; it is led there and otherwise as it was published."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Converse = Callable[..., Any]

KEY = "id:secret"
JS = Path(__file__).parent / "js"
ROUTES = pytest.mark.parametrize("route", ["proxy", "middleware"])


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, with the client installed."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not on this machine, and fal's JavaScript client needs it")
    if not (JS / "node_modules/@fal-ai/client/package.json").exists():
        missing = "fal's JavaScript client is not installed: `make test` does it, or `npm ci` in tests/js"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    return found


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a key."""
    folder = str(tmp_path_factory.mktemp("server"))
    command = [sys.executable, "-m", "nbkit", "serve", "--port", "0", "--key", KEY, "--data-dir", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.fixture
def converse(node: str, origin: str) -> Converse:
    """Let the client hold one of its conversations; gives what it found."""

    def hold(conversation: str, route: str = "proxy", key: str = KEY) -> Any:
        command = [node, str(JS / "converse.mjs"), origin, key, route, conversation]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        return json.loads(ended.stdout)

    return hold


@ROUTES
def test_run(converse: Converse, route: str) -> None:
    """One picture, and the id of the request from its header."""
    answer = converse("run", route)

    assert answer["data"]["seed"] == 7
    assert httpx.get(answer["data"]["images"][0]["url"]).headers["content-type"] == "image/jpeg"
    assert len(answer["requestId"]) == 36


@ROUTES
@pytest.mark.parametrize("mode", ["polling", "streaming"])
def test_subscribe_follows_the_queue(converse: Converse, route: str, mode: str) -> None:
    """Updates up to COMPLETED, logs on the way, and the result of the request that was enqueued."""
    told = converse(mode, route)

    assert told["states"][-1] == "COMPLETED"
    assert set(told["states"]) <= {"IN_QUEUE", "IN_PROGRESS", "COMPLETED"}
    assert any("stand-in: local/collage" in message for message in told["messages"])
    assert told["requestId"] == told["enqueued"]
    assert told["data"]["seed"] == 7


@ROUTES
def test_stream_a_model(converse: Converse, route: str) -> None:
    """Parts, then the whole, whatever script the prompt is written in."""
    told = converse("model", route)

    assert told["events"][0]["partial"] is True
    assert told["last"] == told["events"][-1]
    assert told["last"]["prompt"] == "ein Kätzchen, 猫, 🐈"
    assert told["requestId"]


@ROUTES
def test_stream_a_workflow(converse: Converse, route: str) -> None:
    """Three steps, then the output."""
    told = converse("workflow", route)

    assert [event["type"] for event in told["events"]] == ["submit", "completion"] * 3 + ["output"]
    assert told["last"]["output"]["image"]["url"].startswith("http://127.0.0.1:")


@ROUTES
def test_upload_a_blob(converse: Converse, route: str) -> None:
    """It comes back, with the lifetime that was asked for."""
    told = converse("upload", route)

    assert told["text"] == "from a blob"
    assert 3500 < int(told["cache"].split("max-age=")[1].split(",")[0]) <= 3600


@ROUTES
def test_upload_a_large_blob(converse: Converse, route: str) -> None:
    """More than 90 MiB go up in parts of 10."""
    assert converse("parts", route) == {"size": 91 * 2**20, "same": True}


def test_a_blob_in_an_input_is_uploaded(converse: Converse) -> None:
    """The model gets its address."""
    answer = converse("input")

    assert (answer["data"]["image"]["width"], answer["data"]["image"]["height"]) == (256, 256)


@ROUTES
def test_cancel(converse: Converse, route: str) -> None:
    """What is cancelled ends with fal's 499, and cannot be cancelled again."""
    told = converse("cancel", route)

    assert (told["result"]["is"], told["result"]["status"]) == ("ApiError", 499)
    assert (told["again"]["status"], told["again"]["body"]) == (400, {"status": "ALREADY_COMPLETED"})


@ROUTES
@pytest.mark.parametrize(
    ("conversation", "field", "kind"),
    [("refused", "upscale_factor", "less_than_equal"), ("late", "prompt", "string_type")],
)
def test_a_refused_field_is_named(
    converse: Converse, route: str, conversation: str, field: str, kind: str
) -> None:
    """Directly and as the result of a queued request, as the client's own ValidationError."""
    told = converse(conversation, route)

    assert told["is"] == "ValidationError"
    assert [(error["loc"], error["type"]) for error in told["fieldErrors"]] == [(["body", field], kind)]
    assert told["requestId"]


def test_an_aborted_stream_is_cancelled_here(converse: Converse, origin: str) -> None:
    """The model does not compute on for nobody."""
    told = converse("broken")
    status = f"{origin}/queue/fal-ai/fast-sdxl/requests/{told['requestId']}"
    for _ in range(200):
        answer = httpx.get(status, headers={"Authorization": f"Key {KEY}"})
        if answer.status_code != 400:
            break

    assert told["last"]["partial"] is True
    assert answer.status_code == 499


@pytest.mark.parametrize(("key", "status"), [(KEY, 404), ("wrong", 401)])
def test_other_refusals_are_api_errors(converse: Converse, key: str, status: int) -> None:
    """An endpoint that is not here, a key that is not the server's."""
    told = converse("unknown", key=key)

    assert (told["is"], told["status"]) == ("ApiError", status)
