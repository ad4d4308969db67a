from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import nbkit
from tests.killable_server import Killable, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


EACH_JOURNAL = pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Killable]:
    """A server, as a process, whose journal is its own file, or a database where a test asks for it."""
    shared = getattr(request, "param", "sqlite") == "postgresql"
    settings = {"database": request.getfixturevalue("database")} if shared else {}
    killable = Killable(tmp_path / "server", **settings)
    killable.start()
    yield killable
    if killable.process is not None:
        killable.end()


@EACH_JOURNAL
def test_after_a_kill_everything_queued_ends_exactly_once(
    server: Killable, http: httpx.Client, finished: Any
) -> None:
    """Thirty wait, two run and some are done when the server is killed: all end, and none that was done runs again."""
    done = [server.submit(http, f"done{index}") for index in range(3)]
    for ticket in done:
        finished(ticket)
    killed = server.folder / "killed"
    running = [server.submit(http, f"running{index}", until=str(killed)) for index in range(2)]
    until(lambda: len(server.count("begun")) == 5)
    waiting = [server.submit(http, f"waiting{index}") for index in range(30)]
    server.end()
    killed.touch()
    seconds = server.start()
    for ticket in [*done, *running, *waiting]:
        finished(ticket)
    results = [http.get(ticket["response_url"]).json()["name"] for ticket in [*done, *running, *waiting]]

    assert seconds < 5
    assert results == [f"done{i}" for i in range(3)] + [f"running{i}" for i in range(2)] + [
        f"waiting{i}" for i in range(30)
    ]
    assert set(server.count("done").values()) == {1}
    assert {name: n for name, n in server.count("begun").items() if n > 1} == {"running0": 2, "running1": 2}


def test_who_follows_a_request_hears_its_end_after_the_restart(server: Killable) -> None:
    """`nbkit.Client` waits through the outage, and gets the result as if nothing had been."""
    results: list[Any] = []

    def follow(name: str) -> None:
        with nbkit.Client(key="k", base_url=server.url) as client:
            given = {"file": str(server.marks), "name": name, "seconds": 0.4}
            results.append(client.subscribe("lab/mark", given).data["name"])

    followers = [threading.Thread(target=follow, args=(f"run{index}",)) for index in range(6)]
    for follower in followers:
        follower.start()
    until(lambda: len(server.count("begun")) == 2)
    time.sleep(0.2)
    server.end()
    server.start()
    for follower in followers:
        follower.join(20)

    assert sorted(results) == [f"run{index}" for index in range(6)]


@pytest.mark.parametrize(
    ("server", "number"),
    [("sqlite", signal.SIGTERM), ("sqlite", signal.SIGINT), ("postgresql", signal.SIGTERM)],
    indirect=["server"],
)
def test_an_orderly_end_loses_nothing_either(
    server: Killable, http: httpx.Client, finished: Any, number: signal.Signals
) -> None:
    """However often: what an orderly end breaks off counts as not begun. Streams end without a last word."""
    ticket = server.submit(http, "broken-off", 1.5)
    for turn in (1, 2, 3):
        until(lambda turn=turn: server.count("begun")["broken-off"] == turn)  # type: ignore[misc]
        with http.stream("GET", f"{ticket['status_url']}/stream") as stream:
            lines = stream.iter_lines()
            next(lines)
            assert server.end(number) == ""
            assert not any("COMPLETED" in line for line in lines)
        server.start()

    assert finished(ticket).get("error") is None
    assert server.count("done")["broken-off"] == 1


def test_what_ran_at_two_kills_is_not_tried_a_third_time(
    server: Killable, http: httpx.Client, finished: Any
) -> None:
    """It may be what brings the server down, so it is failed with a sentence."""
    ticket = server.submit(http, "deadly", 5)
    for turn in (1, 2):
        until(lambda turn=turn: server.count("begun")["deadly"] == turn)  # type: ignore[misc]
        time.sleep(0.1)
        server.end()
        server.start()
    status = finished(ticket)
    answer = http.get(ticket["response_url"])

    assert answer.status_code == 503
    assert "went down twice" in answer.json()["detail"]
    assert status["error_type"] == "runner_disconnected"
    assert server.count("begun")["deadly"] == 2


@EACH_JOURNAL
def test_what_was_cancelled_stays_cancelled(server: Killable, http: httpx.Client, finished: Any) -> None:
    """In the queue or at work, no later server begins it again."""
    running = [server.submit(http, f"running{index}", 30) for index in range(2)]
    waiting = server.submit(http, "waiting")
    until(lambda: len(server.count("begun")) == 2)
    codes = [http.put(ticket["cancel_url"]).status_code for ticket in (waiting, running[0])]
    server.end()
    server.start()
    for ticket in (waiting, running[0]):
        finished(ticket)
        assert http.get(ticket["response_url"]).status_code == 499

    assert codes == [200, 202]
    assert server.count("begun")["running0"] == 1
    assert server.count("begun")["waiting"] == 0


@EACH_JOURNAL
def test_a_result_is_the_same_after_a_restart(server: Killable, http: httpx.Client, finished: Any) -> None:
    """Status, logs, metrics, headers and body; a refused input too."""
    given = {"prompt": "a cat", "seed": 1, "image_size": {"width": 64, "height": 64}}
    good = http.post(f"{server.url}/queue/local/collage", json=given).json()
    bad = http.post(f"{server.url}/queue/fal-ai/flux-vision-upscaler", json={}).json()
    before = []
    for ticket in (good, bad):
        status = finished(ticket)
        answer = http.get(ticket["response_url"])
        before.append(
            (status, answer.status_code, answer.content, answer.headers.get("x-fal-billable-units"))
        )
    server.end()
    server.start()
    for ticket, known in zip((good, bad), before, strict=True):
        status = finished(ticket)
        answer = http.get(ticket["response_url"])
        assert (
            status,
            answer.status_code,
            answer.content,
            answer.headers.get("x-fal-billable-units"),
        ) == known

    assert http.get(http.get(good["response_url"]).json()["images"][0]["url"]).status_code == 200


@EACH_JOURNAL
def test_a_workflow_is_run_again_as_a_whole(server: Killable, http: httpx.Client, finished: Any) -> None:
    """Its steps are not resumed one by one."""

    def step(name: str, *depends: str) -> dict[str, Any]:
        given = {"file": str(server.marks), "seconds": 0.5, "name": name}
        return {"id": name, "type": "run", "app": "lab/mark", "input": given, "depends": list(depends)}

    nodes = {"first": step("first"), "second": step("second", "first")}
    workflow = {"workflow": {"nodes": nodes, "output": {"said": "$second.name"}}, "input": {}}
    ticket = http.post(f"{server.url}/queue/workflows/execute", json=workflow).json()
    until(lambda: server.count("begun")["second"] == 1)
    server.end()
    server.start()
    status = finished(ticket)

    assert status.get("error") is None, status
    assert http.get(ticket["response_url"]).json() == {"said": "second"}
    assert server.count("done") == {"first": 2, "second": 1}


@EACH_JOURNAL
def test_a_start_timeout_goes_on_while_the_server_is_away(
    server: Killable, http: httpx.Client, finished: Any
) -> None:
    """Its caller has long given up, so it is not begun late."""
    for index in range(2):
        server.submit(http, f"running{index}", 2)
    late = server.submit(http, "late", headers={"X-Fal-Request-Timeout": "0.5"})
    server.end()
    time.sleep(0.6)
    server.start()

    assert finished(late)["error_type"] == "request_timeout"
    assert server.count("begun")["late"] == 0


def test_a_second_server_on_the_same_folder_is_refused(server: Killable) -> None:
    """With one line; the first goes on."""
    second = subprocess.run(
        [sys.executable, "-m", "nbkit", "serve", "--port", "0", "--data-dir", str(server.folder / "data")],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert second.returncode == 1
    assert "another nbkit server uses" in second.stderr
    assert "Traceback" not in second.stderr
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_servers_of_kernels_have_folders_of_their_own(serve: Any, tmp_path: Path) -> None:
    """Several at once do not meet; each removes its folder, and what a killed one left is removed by a later one."""
    home = {"NBKIT_HOME": str(tmp_path / "home")}
    start = ("--port", "0", "--exit-with-parent")
    servers = [serve(*start, stdin=subprocess.PIPE, **home) for _ in range(3)]
    for each in servers:
        each.url()
    folders = sorted((tmp_path / "home" / "embedded").iterdir())
    assert len(folders) == 3
    servers[0].process.kill()
    servers[1].end()
    left = list((tmp_path / "home" / "embedded").iterdir())
    assert len(left) == 2
    for folder in left:
        os.utime(folder, (0, 0))
    later = serve(*start, stdin=subprocess.PIPE, **home)
    later.url()
    until(lambda: len(list((tmp_path / "home" / "embedded").iterdir())) == 2)
    for each in (servers[2], later, servers[0]):
        each.end()

    assert list((tmp_path / "home" / "embedded").iterdir()) == []


def test_a_webhook_is_sent_after_the_restart(server: Killable, http: httpx.Client) -> None:
    """Whoever waits for it has not heard of the outage."""
    posts: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever).start()
        given = {"file": str(server.marks), "name": "told", "seconds": 0.3}
        url = f"{server.url}/queue/lab/mark?fal_webhook=http://127.0.0.1:{receiver.server_port}/hook"
        ticket = http.post(url, json=given).json()
        until(lambda: server.count("begun")["told"] == 1)
        server.end()
        server.start()
        until(lambda: len(posts) == 1)
        time.sleep(0.1)
        server.end()
        server.start()
        time.sleep(0.5)
        receiver.shutdown()

    assert [(post["request_id"], post["payload"]) for post in posts] == [
        (ticket["request_id"], {"name": "told"})
    ]


def test_a_request_is_found_by_the_name_that_its_sender_gave_it(server: Killable, http: httpx.Client) -> None:
    """Who never got the answer to a submit finds the request, also after a restart; what did not come is not there."""
    ticket = server.submit(http, "one", headers={"x-nbkit-run": "my run"})
    server.submit(http, "other")
    server.end()
    server.start()

    def found(name: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = http.get(
            f"{server.url}/api/v1/requests", params={"name": name}
        ).json()["requests"]
        return listed

    (mine,) = found("my run")
    assert (mine["request_id"], mine["endpoint_id"]) == (ticket["request_id"], "lab/mark")
    assert found("another") == []
    assert http.get(f"{server.url}/api/v1/requests").status_code == 400
