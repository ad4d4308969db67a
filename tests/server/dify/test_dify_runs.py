"""Runs of the workflow apps: answered, streamed, recorded, stopped and refused as Dify does."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit.wire.sse import Decoder
from tests.server.dify.conftest import ERAS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.server.dify.conftest import Caller

each_era = pytest.mark.parametrize("era", ERAS)


def events(body: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's events; pings are none."""
    return [json.loads(sent.data) for sent in Decoder().feed(body)]


def words(told: list[dict[str, Any]]) -> list[str]:
    """What each event is, with the step that it is about."""
    return [" ".join(filter(None, (it["event"], it.get("data", {}).get("node_id", "")))) for it in told]


def until(true: Callable[[], bool]) -> None:
    """Wait for something that is about to happen."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def busy(url: str) -> Iterator[None]:
    """Both workers of a server wait, so that nothing else is computed."""
    queue = f"{url}/queue/lab/wait"
    made = [httpx.post(queue, json={"seconds": 60}).json() for _ in range(2)]
    until(lambda: all(httpx.get(it["status_url"]).json()["status"] == "IN_PROGRESS" for it in made))
    yield
    for it in made:
        httpx.put(it["cancel_url"])
    until(lambda: all(httpx.get(it["status_url"]).json()["status"] == "COMPLETED" for it in made))


@contextlib.contextmanager
def at_work(caller: Caller) -> Iterator[tuple[dict[str, Any], Iterator[dict[str, Any]]]]:
    """A streamed run whose picture waits for a worker: the event of its last step, and the events that follow."""
    body = {"inputs": {"prompt": "a cat"}, "response_mode": "streaming", "user": "u1"}
    with busy(caller.url), caller.http.stream("POST", "/workflows/run", json=body) as answer:
        decoder = Decoder()

        def told() -> Iterator[dict[str, Any]]:
            for chunk in answer.iter_raw():
                yield from (json.loads(sent.data) for sent in decoder.feed(chunk))

        rest = told()
        yield next(it for it in rest if it["data"].get("node_id") == "draw"), rest


@each_era
def test_a_picture_comes_back_as_a_file_that_can_be_fetched_without_a_key(
    era: str, pictures: dict[str, Caller]
) -> None:
    """A blocking run answers with a file object; its address opens without a key."""
    answer = pictures[era].run({"prompt": "a cat", "seed": 7})
    data = answer.json()["data"]
    assert (answer.status_code, data["status"], data["outputs"]["seed"]) == (200, "succeeded", 7)
    assert answer.json()["task_id"] != answer.json()["workflow_run_id"] == data["id"]
    got = httpx.get(data["outputs"]["files"][0]["url"])
    assert (got.status_code, got.headers["content-type"]) == (200, "image/png")
    assert got.content.startswith(b"\x89PNG")


def test_a_late_stream_begins_with_a_ping_and_tells_the_outputs_as_text_too(
    pictures: dict[str, Caller],
) -> None:
    """1.13: the first bytes are a ping; the pieces of text come before the end of the last working step."""
    answer = pictures["1.13"].run({"prompt": "a \u2028 cat", "seed": 7}, "streaming")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.content.startswith(b"event: ping\n\n")
    told = events(answer.content)
    assert words(told) == [
        "workflow_started",
        *("node_started start", "node_finished start"),
        *("node_started prepare", "node_finished prepare"),
        *("node_started draw", "text_chunk", "text_chunk", "text_chunk", "node_finished draw"),
        *("node_started end", "node_finished end"),
        "workflow_finished",
    ]
    assert "\u2028".encode() in answer.content
    texts = [it["data"] for it in told if it["event"] == "text_chunk"]
    assert texts[0]["text"].startswith("![collage.png](http://")
    assert [it["from_variable_selector"] for it in texts] == [
        ["draw", "files"],
        ["end", "answer"],
        ["prepare", "seed"],
    ]
    assert told[-1]["data"]["exceptions_count"] == 0


def test_an_early_stream_ends_with_speech_and_escapes_all_but_ascii(pictures: dict[str, Caller]) -> None:
    """0.6: no ping at once, no text, one event after the last; steps are numbered."""
    answer = pictures["0.6"].run({"prompt": "a \u2028 cat"}, "streaming")
    told = events(answer.content)
    assert answer.content.startswith(b'data: {"event": "workflow_started"')
    assert answer.content.isascii()
    assert words(told)[-2:] == ["workflow_finished", "tts_message_end"]
    begun = [it["data"] for it in told if it["event"] == "node_started"]
    assert [(it["index"], it["predecessor_node_id"]) for it in begun] == [
        (1, None),
        (2, "start"),
        (3, "prepare"),
        (4, "draw"),
    ]
    assert "text_chunk" not in words(told)


@each_era
def test_a_step_that_refuses_its_input_fails_the_run_and_not_the_request(
    era: str, pictures: dict[str, Caller]
) -> None:
    """A failed run is HTTP 200 with its status and the step's own words, in both modes and in the record."""
    caller = pictures[era]
    answer = caller.run({"prompt": "a cat", "width": 1_000_000})
    data = answer.json()["data"]
    assert (answer.status_code, data["status"]) == (200, "failed")
    assert "less than or equal to" in data["error"]
    assert data["outputs"] == ({} if era == "1.13" else None)
    assert caller.http.get(f"/workflows/run/{data['id']}").json()["error"] == data["error"]
    told = events(caller.run({"prompt": "a cat", "width": 1_000_000}, "streaming").content)
    ended = next(it["data"] for it in told if it["data"].get("node_id") == "draw" and "status" in it["data"])
    assert ended["status"] == "failed"
    assert not [word for word in words(told) if word.endswith(" end")]


@each_era
def test_a_run_is_recorded_for_its_own_app(
    era: str, pictures: dict[str, Caller], stickers: dict[str, Caller]
) -> None:
    """The record has the inputs as JSON text; what another app's key sees is the era's."""
    data = pictures[era].run({"prompt": "a cat"}).json()["data"]
    address = f"/workflows/run/{data['id']}"
    record = pictures[era].http.get(address).json()
    assert json.loads(record["inputs"])["prompt"] == "a cat"
    outputs = record["outputs"] if era == "1.13" else json.loads(record["outputs"])
    assert outputs["files"][0]["related_id"] == data["outputs"]["files"][0]["related_id"]
    assert record["status"] == "succeeded"
    assert stickers[era].http.get(address).status_code == (404 if era == "1.13" else 200)
    unknown = pictures[era].http.get(f"/workflows/run/{uuid.uuid4()}")
    assert (unknown.status_code, unknown.json().get("status")) == (
        (404, 404) if era == "1.13" else (200, None)
    )


@each_era
def test_a_stopped_run_ends_without_its_step(era: str, pictures: dict[str, Caller]) -> None:
    """After a stop the stream tells the end alone, and the queue holds nothing of the run."""
    caller = pictures[era]
    with at_work(caller) as (begun, rest):
        address = f"/workflows/tasks/{begun['task_id']}/stop"
        if era == "0.6":  # somebody else's wish counts for nothing, and is not told so
            assert caller.http.post(address, json={"user": "u2"}).json() == {"result": "success"}
            record = caller.http.get(f"/workflows/run/{begun['workflow_run_id']}").json()
            assert record["status"] == "running"
        assert caller.http.post(address, json={"user": "u1"}).json() == {"result": "success"}
        told = list(rest)
    assert words(told) == ["workflow_finished", *(["tts_message_end"] if era == "0.6" else [])]
    assert told[0]["data"]["status"] == "stopped"
    assert told[0]["data"]["error"] == ("Stopped by user." if era == "1.13" else "Workflow stopped.")


@each_era
def test_a_run_whose_stream_breaks_off_is_recorded_by_late_servers_only(
    era: str, pictures: dict[str, Caller]
) -> None:
    """1.13 finishes it and says so; 0.6 calls it running for ever."""
    caller = pictures[era]
    with at_work(caller) as (begun, _rest):
        pass
    address = f"/workflows/run/{begun['workflow_run_id']}"
    if era == "1.13":
        until(lambda: bool(caller.http.get(address).json()["status"] == "succeeded"))
        return
    for _later in range(6):  # when these are over, so is what came before them
        assert caller.run({"prompt": "a cat"}).json()["data"]["status"] == "succeeded"
    record = caller.http.get(address).json()
    assert (record["status"], record["finished_at"], record["outputs"]) == ("running", None, None)


@each_era
def test_a_stream_shows_signs_of_life_while_a_step_takes_its_time(
    era: str, pictures: dict[str, Caller]
) -> None:
    """Pings come while the run waits for a worker, and are no events."""
    caller = pictures[era]
    body = {"inputs": {"prompt": "a cat"}, "response_mode": "streaming", "user": "u1"}
    with busy(caller.url), caller.http.stream("POST", "/workflows/run", json=body) as answer:
        got = b""
        for chunk in answer.iter_raw():
            got += chunk
            if got.endswith(b"event: ping\n\n" * 2):
                break
    assert b'"node_id"' in got


@each_era
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "prompt is required in input form"),
        ({"prompt": None}, "prompt is required in input form"),
        ({"prompt": 5}, "prompt in input form must be a string"),
        ({"prompt": "x" * 4001}, "prompt in input form must be less than 4000 characters"),
        ({"prompt": "a", "seed": "many"}, "seed in input form must be a valid number"),
        ({"prompt": "a", "seed": "1e999.0"}, "seed in input form must be a valid number"),
        ({"prompt": "a", "seed": 10**400}, "seed in input form must be a valid number"),
        ({"prompt": "a", "seed": [1]}, "seed in input form must be a valid number"),
        (
            {"prompt": "a", "model_name": "sd3"},
            "model_name in input form must be one of the following: ['chill",
        ),
    ],
)
@pytest.mark.parametrize("mode", ["blocking", "streaming"])
def test_a_wrong_input_is_told_at_once(
    era: str, inputs: dict[str, Any], message: str, mode: str, pictures: dict[str, Caller]
) -> None:
    """Whatever the mode, the answer is a 400 in Dify's words: nothing hangs."""
    answer = pictures[era].run(inputs, mode)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert message in answer.json()["message"]


@each_era
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"user": NaN}', b"[" * 100_000, b"\xff", b'"x"', b"{}"])
def test_a_body_that_is_no_request_is_refused_in_dify_s_words(
    era: str, body: bytes, pictures: dict[str, Caller]
) -> None:
    """Each gets one error with a code; none brings the server down."""
    answer = pictures[era].http.post(
        "/workflows/run", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 500)
    assert answer.json()["code"] in ("bad_request", "invalid_param", "unknown")
    assert answer.headers["x-version"].startswith(era)


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("", "Authorization header must be provided and start with 'Bearer'"),
        ("app-local-sticker", "Authorization header must be provided and start with 'Bearer'"),
        ("Basic app-local-sticker", "Authorization scheme must be 'Bearer'"),
        ("Bearer app-local-stickers", "Access token is invalid"),
    ],
)
def test_a_strange_key_opens_nothing(authorization: str, message: str, pictures: dict[str, Caller]) -> None:
    """Without the key of an app there is a 401, before the body is even looked at."""
    url = f"{pictures['1.13'].url}/v1/workflows/run"
    answer = httpx.post(url, content=b"{", headers={"authorization": authorization})
    assert (answer.status_code, answer.json()["message"]) == (401, message)
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


def test_with_a_key_of_its_own_a_server_s_apps_have_other_keys(start: Callable[..., Any]) -> None:
    """`--key K` makes the keys `app-K-…`; neither the usual ones nor K alone open an app."""
    url = f"{start(key='secret').url}/v1/info"

    def status(key: str) -> int:
        return httpx.get(url, headers={"authorization": f"Bearer {key}"}).status_code

    assert status("app-secret-sticker") == 200
    assert [status(key) for key in ("secret", "app-secret", "app-local-sticker")] == [401, 401, 401]


def test_the_logs_list_runs_that_are_over_a_page_at_a_time(start: Callable[..., Any]) -> None:
    """They are filtered by status, user and words; strange questions get pydantic's answers."""
    url = start().url
    with httpx.Client(
        base_url=f"{url}/v1", headers={"authorization": "Bearer app-local-text-to-image"}, timeout=60
    ) as http:
        for prompt, width, user in (("a cat", 64, "ann"), ("a dog", 64, "ben"), ("a cow", 10**6, "ann")):
            inputs = {"prompt": prompt, "width": width, "height": 64}
            http.post("/workflows/run", json={"inputs": inputs, "user": user})

        def logs(**query: Any) -> Any:
            return http.get("/workflows/logs", params=query).json()

        first = logs(limit=2)
        assert (first["total"], first["has_more"], len(first["data"])) == (3, True, 2)
        assert first["data"][0]["workflow_run"]["status"] == "failed"
        assert logs(limit=2, page=2)["has_more"] is False
        assert logs(status="succeeded")["total"] == 2
        assert logs(created_by_end_user_session_id="ben")["total"] == 1
        assert logs(keyword="a dog")["total"] == 1
        assert logs(created_at__after="2100-01-01T00:00:00Z")["total"] == 0
        assert logs(created_at__before="2100-01-01")["total"] == 3
        for query in (
            {"status": "nope"},
            {"limit": 101},
            {"limit": 0},
            {"page": "x"},
            {"created_at__before": "yest"},
        ):
            assert http.get("/workflows/logs", params=query).status_code == 400


def test_a_workflow_can_be_run_by_the_id_that_its_runs_tell(pictures: dict[str, Caller]) -> None:
    """Its own id runs it; another is not found, and what is no id is told so."""
    http = pictures["1.13"].http
    own = pictures["1.13"].run({"prompt": "a cat"}).json()["data"]["workflow_id"]
    body = {"inputs": {"prompt": "a cat"}, "user": "u1"}
    assert http.post(f"/workflows/{own}/run", json=body).json()["data"]["status"] == "succeeded"
    assert http.post(f"/workflows/{uuid.uuid4()}/run", json=body).status_code == 404
    assert http.post("/workflows/nope/run", json=body).json()["code"] == "bad_request"


@each_era
def test_a_route_that_is_not_there_is_a_page_and_a_wrong_method_is_json(
    era: str, pictures: dict[str, Caller]
) -> None:
    """Routes that came later are missing in 0.6; a slash too many is another route."""
    http = pictures[era].http
    for path in ("/nope", "/workflows/run/", "/"):
        answer = http.post(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert http.get("/workflows/run").json()["code"] == "method_not_allowed"
    assert [http.get(path).status_code for path in ("/site", "/workflows/logs")] == (
        [200, 200] if era == "1.13" else [404, 404]
    )
    allowed = http.options("/workflows/run", headers={"origin": "http://127.0.0.1:9"})
    assert (allowed.status_code, allowed.headers["allow"]) == (200, "POST, OPTIONS")


def test_only_so_many_runs_are_kept(tmp_path: Path, start: Callable[..., Any]) -> None:
    """The oldest record goes when there are more than may be."""
    del tmp_path
    url = start(kept_runs=1).url
    headers = {"authorization": "Bearer app-local-text-to-image"}
    body = {"inputs": {"prompt": "a cat", "width": 10**6}, "user": "u1"}
    ids = [
        httpx.post(f"{url}/v1/workflows/run", json=body, headers=headers).json()["workflow_run_id"]
        for _ in range(2)
    ]
    found = [httpx.get(f"{url}/v1/workflows/run/{it}", headers=headers).status_code for it in ids]
    assert found == [404, 200]
