from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit.client import conduct
from nbkit.errors import (
    ConnectionFailed,
    CredentialsError,
    InputError,
    RunCancelled,
    RunFailed,
    RunTimeout,
    RunUnknown,
    ServiceError,
)
from nbkit.model.event import Cancelled, Log, Paused, StepFinished, Text
from nbkit.providers import dify
from nbkit.providers.dify_patience import PATIENCE
from tests.dify_recordings import NEW, OLD, PNG, recording, serve_files
from tests.scripted_server import answer, never, raw, reset, stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripted_server import Act, Exchange, ScriptedServer

KEY = "app-SECRETSECRETSECRETSECRET"
APP, RUN, PARAMETERS, UPLOAD = "dify/default", "/v1/workflows/run", "/v1/parameters", "/v1/files/upload"
R, T = "5ae0b0b8-0000-4000-8000-00000000000a", "5ae0b0b8-0000-4000-8000-00000000000b"
STOP, DETAIL, EVENTS = f"/v1/workflows/tasks/{T}/stop", f"{RUN}/{R}", f"/v1/workflow/{R}/events"
SSE = {"content-type": "text/event-stream; charset=utf-8", "x-version": "1.13.2"}
OLD_SSE = SSE | {"x-version": "1.8.1"}
PING = b"event: ping\n\n"
BREATHS: list[bytes | float] = [PING, 0.1] * 15
OF_NO_RUN: list[bytes | float] = [b'data: {"event": "advert", "workflow_run_id": "../.."}\n\n', 0.1] * 15


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a little longer for the word of the server that a run was cancelled."""
    monkeypatch.setattr(conduct, "_CANCEL_GRACE", 1.5)


@pytest.fixture
def client(dify_client: nbkit.Client) -> nbkit.Client:
    """A client of Dify."""
    return dify_client


def event(kind: str, data: Any = None, **more: Any) -> bytes:
    """One event as a server sends it."""
    payload = {"event": kind, "workflow_run_id": R, "task_id": T, "data": data, **more}
    return f"data: {json.dumps(payload, ensure_ascii=False)}\n\n".encode()


STARTED = event("workflow_started", {"id": R})
STEP = event("node_started", {"id": "x", "node_id": "n1", "node_type": "llm", "title": "Paint"})


def finished(status: str = "succeeded", outputs: Any = None, **more: Any) -> bytes:
    """The last event of a run."""
    return event(
        "workflow_finished", {"id": R, "status": status, "outputs": outputs or {}, "error": None, **more}
    )


def record(status: str, outputs: Any = None, **more: Any) -> Act:
    """A run's record."""
    body = {"id": R, "status": status, "outputs": outputs, "error": None, "elapsed_time": 1.5, **more}
    return answer(body, headers={"x-version": "1.13.2"})


def test_what_is_sent(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Every way to call streams, with the user, and the key goes in one header alone."""
    scripted.on("POST", RUN, stream(PING, STARTED, finished(outputs={"x": 1}), headers=SSE))
    assert client.run(APP, {"a": 1}).data == {"x": 1}
    assert client.subscribe(APP, {"a": 1}).data == {"x": 1}
    assert client.stream(APP, {"a": 1}).done(5) == {"x": 1}

    assert scripted.count("GET", PARAMETERS) == 1
    for sent in scripted.requests("POST"):
        assert sent.json == {"inputs": {"a": 1}, "response_mode": "streaming", "user": "u1"}
        assert sent.headers["authorization"] == f"Bearer {KEY}"
    with nbkit.Client() as anybody:
        anybody.run(APP, {})
    assert scripted.requests("POST")[-1].json["user"] == "nbkit"


def test_the_stream_is_left_at_its_last_word(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A server that keeps the connection open after the end delays nothing; what it sends then is of no interest."""
    scripted.on("POST", RUN, stream(STARTED, finished(), event("tts_message_end"), headers=SSE, then="hold"))
    began = time.monotonic()

    assert client.run(APP, {}).data == {}
    assert time.monotonic() - began < 1.2


def test_files_come_when_their_step_ends(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A step's pictures are there before the run is over, and are fetched once although they are signed twice."""
    file = {
        "dify_model_identity": "__dify__file__",
        "type": "image",
        "transfer_method": "tool_file",
        "url": "",
    }
    path = "/files/tools/0b0b0b0b-0000-4000-8000-000000000001.png"
    first, last = ({**file, "url": f"http://api:5001{path}?sign={it}"} for it in "ab")
    ended = event(
        "node_finished",
        {"node_id": "n1", "node_type": "tool", "status": "succeeded", "outputs": {"f": [first]}},
    )
    scripted.on("GET", path, answer(body=PNG, headers={"content-type": "image/png"}))
    scripted.on(
        "POST",
        RUN,
        stream(STARTED, STEP, ended, 0.3, finished(outputs={"deep": [{"one": last}]}), headers=SSE),
    )
    run = client.submit(APP, {})
    step = next(it for it in run if isinstance(it, StepFinished))

    assert step.media[0].bytes == PNG
    assert not run.is_done
    assert [(it.place, it.bytes) for it in run.result(5).media] == [("deep.0.one", PNG)]
    (fetched,) = scripted.requests("GET", path)
    assert "authorization" not in fetched.headers


@pytest.mark.parametrize(
    "url",
    [
        "/files/tools/a.png?sign=1",
        "http://api:5001/files/tools/a.png?sign=1",
        "http://127.0.0.1:9/files/tools/a.png?sign=1",
    ],
)
def test_where_files_are(client: nbkit.Client, scripted: ScriptedServer, url: str) -> None:
    """Files are found at relative addresses, and at those that a server has for itself only."""
    file = {
        "__variant": "FileVar",
        "type": "image",
        "transfer_method": "tool_file",
        "url": url,
        "related_id": "a",
    }
    scripted.on("GET", "/files/tools/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    scripted.on("POST", RUN, stream(STARTED, finished(outputs={"one": file}), headers=SSE))

    assert client.run(APP, {}).image.bytes == PNG


def test_an_expired_link_costs_the_file_and_not_the_result(
    client: nbkit.Client, scripted: ScriptedServer
) -> None:
    """A file that cannot be fetched says why, and the rest of the result is there."""
    file = {
        "dify_model_identity": "__dify__file__",
        "url": "/files/tools/a.png?sign=old",
        "filename": "a.png",
    }
    scripted.on("GET", "/files/tools/a.png", recording(f"{OLD}/07d-file-bad-sign.http").act())
    scripted.on("POST", RUN, stream(STARTED, finished(outputs={"one": file, "n": 3}), headers=SSE))
    result = client.run(APP, {})

    assert result["n"] == 3
    assert "expired" in result.media[0].problem
    assert R in result.media[0].problem


def test_a_picture_as_input(client: nbkit.Client, scripted: ScriptedServer, tmp_path: Path) -> None:
    """A path, bytes, a PIL image or a file of a result goes up with its type and the user, and in the right shape."""
    from PIL import Image

    (tmp_path / "a:b.png").write_bytes(PNG)
    scripted.on("GET", PARAMETERS, recording(f"{NEW}/06-parameters.http").act())
    scripted.on("POST", UPLOAD, recording(f"{NEW}/40-upload.http").act())
    scripted.on("POST", RUN, stream(STARTED, finished(), headers=SSE))
    upload_id = json.loads(
        recording(f"{NEW}/40-upload.http").body.partition(b"\r\n\r\n")[2]
        or recording(f"{NEW}/40-upload.http").body
    )["id"]
    named = {"type": "image", "transfer_method": "local_file", "upload_file_id": upload_id}
    inputs = {"prompt": "a", "picture": tmp_path / "a:b.png", "pictures": [PNG, Image.new("RGB", (3, 2))]}
    result = client.run(APP, inputs)
    client.run(APP, {"prompt": "b", "pictures": tmp_path / "a:b.png", "picture": "https://x.example/y"})
    runs = [it.json["inputs"] for it in scripted.requests("POST", RUN)]
    uploads = scripted.requests("POST", UPLOAD)

    assert runs[0] == {"prompt": "a", "picture": named, "pictures": [named, named]} == result.input
    remote = {"type": "image", "transfer_method": "remote_url", "url": "https://x.example/y"}
    assert runs[1] == {"prompt": "b", "pictures": [named], "picture": remote}
    assert len(uploads) == 3
    for sent in uploads:
        assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert b'name="user"\r\n\r\nu1\r\n' in sent.body
        assert b"Content-Type: image/png\r\n\r\n\x89PNG" in sent.body
    assert {it.body.partition(b'filename="')[2].partition(b'"')[0] for it in uploads} == {
        b"a_b.png",
        b"file.png",
        b"image.png",
    }
    assert scripted.count("GET", PARAMETERS) == 1


def test_inputs_are_checked_before_anything_is_sent(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A wrong input is refused at once with its name; a form that has changed since is looked at again."""
    scripted.on("GET", PARAMETERS, recording(f"{NEW}/06-parameters.http").act())
    scripted.on("POST", RUN, stream(STARTED, finished(), headers=SSE))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "prompt"),
        ({"prompt": "x" * 49}, "prompt"),
        ({"prompt": "a", "style": "cubist"}, "style"),
        ({"prompt": "a", "steps": "many"}, "steps"),
        ({"prompt": "a", "picture": "a cat"}, "picture"),
    ]
    for inputs, field in wrong:
        with pytest.raises(InputError) as caught:
            client.run(APP, inputs)
        assert caught.value.field == field
    assert scripted.count("POST") == 0

    fields = {field.name: field.type for field in client.schema(APP).fields}
    assert fields["steps"] == "number"
    scripted.on(
        "GET",
        PARAMETERS,
        answer({"user_input_form": [{"paragraph": {"variable": "story", "required": True}}]}),
    )
    assert client.run(APP, {"story": "s"}).data == {}
    with nbkit.Client(validate=False) as trusting:
        trusting.run(APP, {})


def test_a_partial_success_warns(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that succeeded in part is a success with a warning, and its result says so wherever it is shown."""
    scripted.on("POST", RUN, recording(f"{NEW}/13-partial-streaming.http").act())
    run = client.submit(APP, {})
    result = run.result(5)

    assert result.is_partial
    assert "partial" in repr(result)
    assert "partial" in result._repr_mimebundle_()[0]["text/html"]
    assert "1 of its steps failed" in run.logs[-1]
    assert [it.level for it in run.events if isinstance(it, Log)] == ["WARNING", "WARNING"]


def test_text_is_no_result(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """The output is what the workflow says at its end, whatever pieces of text came before."""
    source = recording(f"{NEW}/16-text-streaming-raw.raw")
    scripted.on("POST", RUN, source.act())
    run = client.submit(APP, {})

    assert run.result(5).data == source.events[-1]["data"]["outputs"]
    assert any("\u2028" in it.text for it in run.events if isinstance(it, Text))


def test_a_failure_names_everything(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A failed run names its step, the server's words, the run's id and the task's."""
    source = recording(f"{NEW}/10-fail-streaming.http")
    scripted.on("POST", RUN, source.act())
    with pytest.raises(RunFailed) as caught:
        client.run(APP, {})
    sent = source.events[-1]

    assert caught.value.node == "boom"
    assert sent["workflow_run_id"] == caught.value.request_id
    assert sent["data"]["error"] in str(caught.value)
    assert sent["workflow_run_id"] in str(caught.value)
    assert sent["task_id"] in str(caught.value)


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"code": "invalid_param", "message": "no such model", "status": 400}, 400),
        ({"message": "no such model", "status": 500}, 500),
    ],
)
def test_an_error_and_then_silence(
    client: nbkit.Client, scripted: ScriptedServer, payload: dict[str, Any], status: int
) -> None:
    """An error event ends the run at once, even if the stream stays open."""
    scripted.on("POST", RUN, stream(STARTED, event("error", **payload), headers=SSE, then="hold"))
    began = time.monotonic()
    with pytest.raises(RunFailed, match="no such model") as caught:
        client.run(APP, {})

    assert time.monotonic() - began < 1.2
    assert caught.value.status == status


FAULTS: list[tuple[str, Act, type[Exception], str]] = [
    ("hang on invalid input", stream(PING, headers=SSE, then="hold"), RunUnknown, "told nothing for 1 s"),
    ("events of no run", stream(*OF_NO_RUN, headers=SSE, then="hold"), RunUnknown, "told nothing"),
    ("signs of life alone", stream(*BREATHS, headers=SSE, then="hold"), RunUnknown, "told nothing"),
    ("no answer", never, RunUnknown, "may have happened"),
    ("reset", reset, RunUnknown, "may have happened"),
    ("cut before the run began", stream(PING, headers=SSE, then="cut"), RunUnknown, "may have happened"),
    (
        "gateway",
        answer(status=504, body=b"<html><title>504 Gateway Time-out</title></html>"),
        RunUnknown,
        "504 Gateway",
    ),
    ("bad gateway", answer(status=502, body=b""), RunUnknown, "Bad Gateway"),
    (
        "page",
        answer(body=b"<title>Sign in</title>", headers={"content-type": "text/html"}),
        RunUnknown,
        "Sign in",
    ),
    ("nonsense", raw(b"nonsense\r\n\r\n"), RunUnknown, "may have happened"),
    (
        "rate limit",
        answer({"code": "invalid_param", "message": "Too many requests. Please", "status": 400}, 400),
        ServiceError,
        "wait until",
    ),
    ("too many", answer({"code": "too_many_requests", "message": "no"}, 429), ServiceError, "wait until"),
    (
        "moved",
        answer(status=301, body=b"", headers={"location": "https://x.example/"}),
        ServiceError,
        "base URL",
    ),
]


@pytest.mark.parametrize("mode", ["streaming", "blocking"])
@pytest.mark.parametrize(("act", "kind", "words"), [it[1:] for it in FAULTS], ids=[it[0] for it in FAULTS])
def test_a_run_is_sent_once_whatever_goes_wrong(  # noqa: PLR0917 - a row of a table
    client: nbkit.Client, scripted: ScriptedServer, act: Act, kind: type[Exception], words: str, mode: str
) -> None:
    """Nothing makes nbkit start a workflow twice, and what is not known is said not to be known."""
    scripted.on("POST", RUN, act)
    run = client.submit(APP, {}, response_mode=mode, wait=False)
    with pytest.raises(
        kind, match=words if mode == "streaming" or kind is ServiceError else "may have happened"
    ):
        run.result(10)

    assert scripted.count("POST") == 1
    assert run.status == ("unknown" if kind is RunUnknown else "failed")
    assert KEY not in str(run.error)


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot be reached started nothing, and the error says so."""
    monkeypatch.setenv("DIFY_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with nbkit.Client(validate=False) as client, pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:9"):
        client.run(APP, {})


BREAKS: dict[str, Act] = {
    "end": stream(STARTED, STEP, headers=SSE),
    "cut": stream(STARTED, STEP, headers=SSE, then="cut"),
    "silence": stream(STARTED, STEP, headers=SSE, then="hold"),
    "half an event": stream(STARTED, STEP[:40], headers=SSE),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_dropped_stream_is_not_the_end(client: nbkit.Client, scripted: ScriptedServer, how: str) -> None:
    """A run whose stream breaks is followed by its id, and its result is found."""
    scripted.on("POST", RUN, BREAKS[how])
    scripted.on("GET", DETAIL, record("running"), record("running"), record("succeeded", '{"x": 1}'))
    run = client.submit(APP, {})

    assert run.result(5).data == {"x": 1}
    assert run.id == R
    assert scripted.count("POST") == 1
    assert scripted.count("GET", DETAIL) == 3


def test_a_lost_end_is_looked_up(
    client: nbkit.Client, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last event is lost and the stream only gives signs of life, the run's record tells its end."""
    monkeypatch.setattr(dify, "PATIENCE", replace(PATIENCE, followed=0.5))
    scripted.on("POST", RUN, stream(STARTED, *BREATHS, headers=SSE, then="hold"))
    scripted.on("GET", DETAIL, record("succeeded", {"x": 1}))

    assert client.run(APP, {}).data == {"x": 1}


def test_a_newer_server_streams_the_rest(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Where the server has a second stream, the run's events go on after a break, for the same user."""
    scripted.on("POST", RUN, stream(STARTED, headers=SSE, then="cut"))
    scripted.on(
        "GET", EVENTS, stream(STEP, headers=SSE, then="cut"), stream(finished(outputs={"x": 1}), headers=SSE)
    )
    run = client.submit(APP, {})

    assert run.result(5).data == {"x": 1}
    assert scripted.count("GET", DETAIL) == 0
    assert "user=u1" in scripted.requests("GET", EVENTS)[0].target


def test_an_old_server_forgets_dropped_runs(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Servers up to 1.8 call a dropped run running for ever: nbkit waits a little and says so."""
    scripted.on("POST", RUN, stream(STARTED, headers=OLD_SSE, then="cut"))
    scripted.on(
        "GET", DETAIL, answer({"id": R, "status": "running", "outputs": None}, headers={"x-version": "1.8.1"})
    )
    began = time.monotonic()
    with pytest.raises(RunUnknown, match="never records how a run ended") as caught:
        client.run(APP, {})

    assert time.monotonic() - began < 2.0
    assert caught.value.request_id == R


def test_a_run_that_never_ends_is_given_up(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Nothing waits for ever: neither for a record that stays running, nor for a server that is gone."""
    scripted.on("POST", RUN, stream(STARTED, headers=SSE, then="cut"))
    scripted.on("GET", DETAIL, record("running"))
    with pytest.raises(RunUnknown, match=f"still calls it running.*\n.*client.attach.'dify/default', '{R}'"):
        client.run(APP, {})
    scripted.on("GET", DETAIL, answer(status=500, body=b"{}"))
    with pytest.raises(RunUnknown, match="HTTP 500"):
        client.run(APP, {})


def test_a_run_that_waits_for_a_person(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A pause is told, and the run goes on once it is answered in Dify, however long that takes."""
    source = recording(f"{NEW}/61-human-stream-raw.raw")
    run_id = source.events[0]["workflow_run_id"]
    serve_files(scripted, recording(f"{NEW}/65-human-detail-after.http"))
    scripted.on("POST", RUN, source.act())
    paused = recording(f"{NEW}/62-human-detail-paused.http").act()
    scripted.on(
        "GET", f"{RUN}/{run_id}", *[paused] * 20, recording(f"{NEW}/65-human-detail-after.http").act()
    )
    run = client.submit(APP, {})
    result = run.result(10)

    assert next(it.node for it in run.events if isinstance(it, Paused)) == "ask"
    assert result.data == recording(f"{NEW}/65-human-detail-after.http").json["outputs"]


def stops(scripted: ScriptedServer, *, tells: bool = True) -> None:
    """Have a server run until it is asked to stop."""

    def run(exchange: Exchange) -> None:
        stream(PING, STARTED, STEP, headers=SSE, then="cut")(exchange)
        exchange.is_last = True
        while not exchange.server.closing.is_set() and not scripted.count("POST", STOP):
            exchange.server.closing.wait(0.02)
        if tells:
            last = finished("stopped", error="Stopped by user.")
            exchange.send(b"%x\r\n%s\r\n" % (len(last), last))
        exchange.hold()

    scripted.on("POST", RUN, run)
    scripted.on("POST", STOP, answer({"result": "success"}))
    scripted.on("GET", DETAIL, record("running"))


def test_cancelling_stops_the_task(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that is cancelled is stopped at the server, by its task and for its user, and ends by the server's word."""
    stops(scripted)
    run = client.submit(APP, {})
    run.cancel()
    with pytest.raises(RunCancelled, match="Stopped by user"):
        run.result(5)

    (stop,) = scripted.requests("POST", STOP)
    assert stop.json == {"user": "u1"}
    assert run.status == "cancelled"
    assert isinstance(run.events[-1], Cancelled)


def test_a_timeout_stops_the_task(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run whose time is up is stopped at the server."""
    stops(scripted)
    with pytest.raises(RunTimeout):
        client.run(APP, {}, timeout=0.2)

    assert scripted.count("POST", STOP) == 1


def test_a_server_that_does_not_tell_of_the_stop(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A stop that nobody confirms ends the wait all the same, and says so."""
    stops(scripted, tells=False)
    run = client.submit(APP, {})
    assert client.cancel(APP, R) == "CANCELLATION_REQUESTED"
    run.cancel()
    with pytest.raises(RunCancelled, match="did not confirm"):
        run.result(5)


def test_a_stop_waits_for_the_id(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that is cancelled before the server named it is stopped as soon as it has a name."""
    scripted.on("POST", RUN, stream(PING, 0.3, STARTED, 0.2, finished("stopped"), headers=SSE))
    scripted.on("POST", STOP, answer({"result": "success"}))
    run = client.submit(APP, {}, wait=False)
    scripted.until(lambda: scripted.count("POST", RUN))
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result(5)

    assert scripted.count("POST", STOP) == 1


def test_a_run_that_was_begun_before(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run is found again by its id: its state, its result, its failure, and that there is none."""
    scripted.on("GET", DETAIL, record("running"), record("running"), record("succeeded", {"x": 1}))
    assert client.status(APP, R).state == "running"
    assert client.result(APP, R).data == {"x": 1}

    scripted.on("GET", DETAIL, recording(f"{OLD}/10-fail-detail.http").act())
    assert client.status(APP, R).state == "failed"
    with pytest.raises(RunFailed, match="Node Broken upstream"):
        client.result(APP, R)
    for name in (
        f"{OLD}/04c-run-detail-unknown.http",
        f"{NEW}/04c-run-detail-unknown.http",
        f"{NEW}/04d-run-detail-notuuid.http",
    ):
        scripted.on("GET", DETAIL, recording(name).act())
        with pytest.raises(ServiceError):
            client.result(APP, R)
    with pytest.raises(InputError, match="not begun by this client"):
        client.cancel(APP, R)


def test_a_server_that_does_not_stream(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A server that answers in one piece although it was asked to stream is understood."""
    scripted.on("POST", RUN, recording(f"{OLD}/10-fail-blocking.http").act())
    with pytest.raises(RunFailed, match="Broken upstream"):
        client.run(APP, {})


def test_a_blocking_run(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Who asks for a blocking run gets one."""
    scripted.on("POST", RUN, recording(f"{NEW}/13-partial-blocking.http").act())
    run = client.submit(APP, {}, response_mode="blocking")

    assert run.result(5)["body"] == "fallback body"
    assert scripted.requests("POST")[0].json["response_mode"] == "blocking"


W = "2980ccac-14cf-405a-a32a-57276157333d"
VERSION = f"/v1/workflows/{W}/run"


@pytest.mark.parametrize("mode", ["streaming", "blocking"])
def test_a_published_version_runs_by_its_id(
    client: nbkit.Client, scripted: ScriptedServer, mode: str
) -> None:
    """A workflow's version is run by its id, streamed or not."""
    source = recording(f"{NEW}/{'33b-run-by-id-streaming' if mode == 'streaming' else '33-run-by-id'}.http")
    serve_files(scripted, source)
    scripted.on("POST", VERSION, source.act())
    result = client.subscribe(APP, {"prompt": "a"}, workflow_id=W, response_mode=mode)

    assert result["status_code"] == 200
    assert len([it for it in result.media if it.path]) == 1
    assert scripted.count("POST") == 1


@pytest.mark.parametrize("mode", ["streaming", "blocking"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{OLD}/33b-run-by-id-streaming.http", r"came with Dify 1\.8, and this server is 0\.6\.16"),
        (
            f"{NEW}/33c-run-by-id-unknown.http",
            r"Workflow not found with id: [0-9-]+ \(HTTP 404, not_found\)$",
        ),
        (f"{NEW}/33d-run-by-id-notuuid.http", "Invalid workflow_id format"),
        (f"{NEW}/33f-run-by-draft-id.http", "Cannot use draft workflow version"),
    ],
)
def test_a_version_that_cannot_run(
    client: nbkit.Client, scripted: ScriptedServer, name: str, words: str, mode: str
) -> None:
    """A server that is too old, or knows no such version, says so after a single request."""
    scripted.on("POST", VERSION, recording(name).act())
    with pytest.raises(ServiceError, match=words):
        client.subscribe(APP, {}, workflow_id=W, response_mode=mode)

    assert scripted.count("POST") == 1


@pytest.mark.parametrize("workflow_id", ["", "..", "a/../b", "a b", "?x"])
def test_a_version_that_is_no_id(client: nbkit.Client, scripted: ScriptedServer, workflow_id: str) -> None:
    """What cannot be an id goes into no address."""
    with pytest.raises(InputError, match="is not a workflow id"):
        client.submit(APP, {}, workflow_id=workflow_id)

    assert scripted.received == []


def test_another_version_may_take_other_inputs(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """The inputs of the current version are no reason to refuse those of another: they are a warning."""
    scripted.on("GET", PARAMETERS, recording(f"{NEW}/06-parameters.http").act())
    scripted.on("POST", VERSION, stream(STARTED, finished(), headers=SSE))
    run = client.submit(APP, {"style": "cubist", "picture": "a cat"}, workflow_id=W)
    run.result(5)

    assert [line.partition(" would")[0] for line in run.logs] == ["the app's current version"] * 2
    assert scripted.requests("POST")[0].json["inputs"] == {"style": "cubist", "picture": "a cat"}


@pytest.mark.parametrize(
    "options",
    [{"webhook_url": "https://x.example"}, {"priority": "low"}, {"response_mode": "slow"}, {"hint": "x"}],
)
def test_options_that_dify_has_not(
    client: nbkit.Client, scripted: ScriptedServer, options: dict[str, Any]
) -> None:
    """An option that would be ignored is refused."""
    with pytest.raises(InputError, match=f"{next(iter(options))} is"):
        client.submit(APP, {}, **options)
    with pytest.raises(InputError, match="response_mode is an option of Dify"):
        client.submit("acme/imgen", {}, response_mode="blocking")
    with pytest.raises(InputError, match="workflow_id is an option of Dify"):
        client.submit("acme/imgen", {}, workflow_id=W)

    assert scripted.count("POST") == 0


def test_which_connection(monkeypatch: pytest.MonkeyPatch, scripted: ScriptedServer) -> None:
    """Each app has its key; one without an address of its own is at the default server; nothing is guessed."""
    scripted.on("POST", RUN, stream(STARTED, finished(), headers=SSE))
    with nbkit.Client() as client:
        with pytest.raises(CredentialsError, match="DIFY_MY_CAT_BASE_URL is not set"):
            client.run("dify/my-cat", {})
        monkeypatch.setenv("DIFY_BASE_URL", scripted.origin)
        with pytest.raises(CredentialsError, match="DIFY_MY_CAT_API_KEY is not set"):
            client.run("dify/my-cat", {})
        monkeypatch.setenv("DIFY_MY_CAT_API_KEY", "app-cat")
        client.run("dify/my-cat", {})
        assert scripted.requests("POST")[-1].headers["authorization"] == "Bearer app-cat"
    with nbkit.Client("fal", key="k:k") as client, pytest.raises(InputError, match="speaks with fal only"):
        client.run(APP, {})
    with nbkit.Client(base_url=scripted.origin, key="app-own") as client:
        client.run("dify/any", {})
        assert scripted.requests("POST")[-1].headers["authorization"] == "Bearer app-own"
    with (
        nbkit.Client(base_url=scripted.origin) as client,
        pytest.raises(CredentialsError, match="needs the key"),
    ):
        client.run(APP, {})


def test_a_connection_in_a_dotenv_file(
    monkeypatch: pytest.MonkeyPatch, scripted: ScriptedServer, tmp_path: Path
) -> None:
    """A connection may stand in the `.env` file of the working folder."""
    monkeypatch.delenv("NBKIT_KEYS")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"DIFY_BASE_URL={scripted.origin}\nDIFY_API_KEY=app-file\n")
    scripted.on("POST", RUN, stream(STARTED, finished(), headers=SSE))
    with nbkit.Client() as client:
        client.run(APP, {})

    assert scripted.requests("POST")[-1].headers["authorization"] == "Bearer app-file"


def test_the_key_is_nowhere(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A server that repeats the key does not get it shown, and no other host is given it."""
    scripted.on("POST", RUN, answer({"code": "unauthorized", "message": f"{KEY} is wrong"}, 401))
    with pytest.raises(ServiceError) as caught:
        client.run(APP, {})

    assert KEY not in str(caught.value) + repr(caught.value.body)
    assert "<key> is wrong" in str(caught.value)


async def test_the_asynchronous_client(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The asynchronous client does the same."""
    monkeypatch.setenv("DIFY_BASE_URL", scripted.origin)
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    scripted.on("POST", RUN, recording(f"{NEW}/13-partial-blocking.http").act())
    async with nbkit.AsyncClient(user="u2") as client:
        run = await client.submit(APP, {}, response_mode="blocking")

        assert (await run)["body"] == "fallback body"
    assert scripted.requests("POST")[0].json["user"] == "u2"
