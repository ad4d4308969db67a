"""Every recorded answer of a Dify server, asked for by the client over a real socket."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest

import nbkit
from nbkit.errors import ServiceError
from nbkit.model.event import Output, Paused
from tests.dify_cases import (
    ABOUT,
    ANSWERS,
    FILES,
    FORMS,
    LOGS,
    NOT_ASKED,
    RECORDS,
    RUNS,
    SECOND_STREAMS,
    STOPS,
    UPLOADS,
    Expected,
    names,
)
from tests.dify_recordings import FOLDER, NEW, PNG, recording, serve_files
from tests.scripted_server import stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dify_recordings import Recording
    from tests.scripted_server import Act, ScriptedServer

APP, RUN = "dify/default", "/v1/workflows/run"
R, T = "5ae0b0b8-0000-4000-8000-00000000000a", "5ae0b0b8-0000-4000-8000-00000000000b"
HUMAN = f"{NEW}/61-human-stream-raw.raw"
STARTED = (
    f'data: {{"event": "workflow_started", "workflow_run_id": "{R}", "task_id": "{T}", "data": {{}}}}\n\n'
).encode()
FINISHED = (
    b'data: {"event": "workflow_finished", "data": {"id": "%s", "status": "succeeded", "outputs": %s}}\n\n'
)


def ended(outputs: bytes = b"{}") -> bytes:
    """The last event of a run."""
    return FINISHED % (R.encode(), outputs)


def test_every_recording_is_accounted_for() -> None:
    """Each recorded file stands in the table once: as an answer to this client, or with a reason why it is none."""
    tables = [RUNS, RECORDS, UPLOADS, STOPS, FORMS, ABOUT, LOGS, FILES, SECOND_STREAMS, ANSWERS]
    listed = sorted(
        [name for table in tables for name in table] + [it for glob in NOT_ASKED for it in names(glob)]
    )

    assert listed == sorted(f"{path.parent.name}/{path.name}" for path in FOLDER.glob("*/*"))


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_run(dify_client: nbkit.Client, scripted: ScriptedServer, name: str) -> None:
    """Each recorded answer gives the run that it tells of, with its outputs and files, after a single request."""
    source = recording(name)
    check_run(dify_client, scripted, source, source.act(), RUNS[name])


@pytest.mark.parametrize("name", [name for name in RUNS if recording(name).body])
def test_a_recorded_run_in_other_pieces(
    dify_client: nbkit.Client, scripted: ScriptedServer, name: str
) -> None:
    """Wherever the network cuts an answer, it is the same run."""
    source = recording(name)
    for seed in range(4 if source.socket else 1):
        check_run(dify_client, scripted, source, source.act_cut(seed + crc32(name.encode())), RUNS[name])


def check_run(
    client: nbkit.Client, scripted: ScriptedServer, source: Recording, act: Act, expected: Expected
) -> None:
    """Run a workflow that is answered so, and see that it ends as expected."""
    scripted.received.clear()
    serve_files(scripted, source)
    scripted.on("POST", RUN, act)
    last = source
    if expected.then:
        last = recording(f"{source.name.partition('/')[0]}/{expected.then}")
        serve_files(scripted, last)
        scripted.on("GET", f"{RUN}/{source.events[0]['workflow_run_id']}", last.act())
    run = client.submit(APP, {"text": "x"}, wait=False)
    if expected.words:
        with pytest.raises(nbkit.NbkitError, match=expected.words):
            run.result(10)
    else:
        result = run.result(10)
        check_result(result, last, expected)

        assert result.request_id == run.id
        assert isinstance(run.events[-1], Output)
        assert run.events[-1].media == result.media
        assert [it.final for it in run.events if isinstance(it, Output)] == [True]
    assert run.status == expected.status
    assert scripted.count("POST") == 1


def check_result(result: nbkit.Result, source: Recording, expected: Expected) -> None:
    """See that a result is the recorded one, with its files."""
    kept = [it for it in result.media if it.path]

    assert result.data == source.outputs
    assert [it.bytes for it in kept] == [PNG] * expected.files
    assert len([it for it in result.media if it.problem]) == expected.lost
    assert len(result.media) == expected.files + expected.lost
    assert result.metrics["total_steps"] > 0


@pytest.mark.parametrize("name", RECORDS)
def test_a_recorded_record(dify_client: nbkit.Client, scripted: ScriptedServer, name: str) -> None:
    """Each recorded record of a run tells its state, and gives its result again or says why there is none."""
    source, expected = recording(name), RECORDS[name]
    serve_files(scripted, source)
    scripted.on("GET", f"{RUN}/{R}", source.act())
    if source.status == 200 and source.json["id"]:
        assert dify_client.status(APP, R).state == STATES.get(expected.status, expected.status)
    if expected.words:
        with pytest.raises(nbkit.NbkitError, match=expected.words):
            dify_client.result(APP, R)
    elif expected.status == "succeeded":
        check_result(dify_client.result(APP, R), source, expected)
    assert scripted.count("POST") == 0


STATES = {"succeeded": "completed", "cancelled": "stopped"}


@pytest.mark.parametrize("name", UPLOADS)
def test_a_recorded_upload(
    dify_client: nbkit.Client, scripted: ScriptedServer, tmp_path: Path, name: str
) -> None:
    """An input file is named by the id that the server gave it; where it gave none, nothing is run."""
    source, expected = recording(name), UPLOADS[name]
    (tmp_path / "a.png").write_bytes(PNG)
    scripted.on("GET", "/v1/parameters", recording(f"{NEW}/06-parameters.http").act())
    scripted.on("POST", "/v1/files/upload", source.act())
    scripted.on("POST", RUN, stream(STARTED, ended()))
    run = dify_client.submit(APP, {"prompt": "a", "picture": tmp_path / "a.png"}, wait=False)
    if expected.words:
        with pytest.raises(nbkit.NbkitError, match=f"uploading a.png: .*{expected.words}"):
            run.result(10)
        assert scripted.count("POST", RUN) == 0
    else:
        named: dict[str, Any] = {"type": "image", "transfer_method": "local_file"}
        assert run.result(10).data == {}
        (sent,) = scripted.requests("POST", RUN)
        assert sent.json["inputs"]["picture"] == named | {"upload_file_id": source.json["id"]}


@pytest.mark.parametrize("name", STOPS)
def test_a_recorded_answer_to_a_stop(dify_client: nbkit.Client, scripted: ScriptedServer, name: str) -> None:
    """A stop is passed on once, and a refusal is told."""
    expected = STOPS[name]
    stop = f"/v1/workflows/tasks/{T}/stop"
    scripted.on("POST", RUN, stream(STARTED, ended()))
    scripted.on("POST", stop, recording(name).act())
    dify_client.run(APP, {})
    if expected.words:
        with pytest.raises(ServiceError, match=f"stopping task {T}: .*{expected.words}"):
            dify_client.cancel(APP, R)
    else:
        assert dify_client.cancel(APP, R) == "CANCELLATION_REQUESTED"
    assert scripted.count("POST", stop) == 1


@pytest.mark.parametrize("name", FORMS)
def test_a_recorded_form(dify_client: nbkit.Client, scripted: ScriptedServer, name: str) -> None:
    """The inputs of an app are its author's, in their order; where the server does not tell, it says why."""
    source, expected = recording(name), FORMS[name]
    scripted.on("GET", "/v1/parameters", source.act())
    if expected.words:
        with pytest.raises(ServiceError, match=expected.words):
            dify_client.schema(APP)
    else:
        inputs = [next(iter(it.values())) for it in source.json["user_input_form"]]
        fields = dify_client.schema(APP).fields

        assert {it.name: it.required for it in fields} == {it["variable"]: it["required"] for it in inputs}


@pytest.mark.parametrize("name", ABOUT)
def test_what_an_app_told_of_itself(dify_client: nbkit.Client, scripted: ScriptedServer, name: str) -> None:
    """Name, icons and page come as the server told them; an old server does not know all of these questions."""
    source, expected = recording(name), ABOUT[name]
    what = name.removesuffix(".http").rpartition("-")[2]
    scripted.on("GET", f"/v1/{what}", source.act())
    ask = getattr(dify_client.dify(), what)
    if expected.words:
        with pytest.raises(ServiceError, match=expected.words):
            ask()
    else:
        assert source.json.items() <= ask().items()


@pytest.mark.parametrize("name", LOGS)
def test_recorded_logs(dify_client: nbkit.Client, scripted: ScriptedServer, name: str) -> None:
    """Runs are listed as the server lists them; where it refuses, it says why."""
    source, expected = recording(name), LOGS[name]
    scripted.on("GET", "/v1/workflows/logs", source.act())
    if expected.words:
        with pytest.raises(ServiceError, match=expected.words):
            dify_client.dify().logs()
    else:
        rows = dify_client.dify().logs().to_records()
        told = [it["workflow_run"] for it in source.json["data"]]

        assert [(row["run"], row["status"]) for row in rows] == [(it["id"], it["status"]) for it in told]


@pytest.mark.parametrize("name", FILES)
def test_a_recorded_file(dify_client: nbkit.Client, scripted: ScriptedServer, name: str) -> None:
    """A file comes whole and with its type, however it is sent; one that is gone says why."""
    source, expected = recording(name), FILES[name]
    if source.headers["content-type"] == "image/png":
        source = replace(source, body=PNG)  # not every recording kept it
    outputs = b'{"one": {"__variant": "FileVar", "url": "/files/tools/a.png?sign=1", "mime_type": null}}'
    scripted.on("GET", "/files/tools/a.png", source.act())
    scripted.on("POST", RUN, stream(STARTED, ended(outputs)))
    (media,) = dify_client.run(APP, {}).media
    if expected.words:
        assert media.path is None
        assert expected.words in media.problem
    else:
        assert (media.bytes, media.content_type, media.problem) == (PNG, "image/png", "")


@pytest.mark.parametrize("name", SECOND_STREAMS)
def test_a_recorded_second_stream(dify_client: nbkit.Client, scripted: ScriptedServer, name: str) -> None:
    """A pause is followed by the run's second stream, and by its record at servers that have no such stream."""
    first, last = recording(HUMAN), recording(f"{NEW}/65-human-detail-after.http")
    run_id = first.events[0]["workflow_run_id"]
    serve_files(scripted, last)
    scripted.on("POST", RUN, first.act())
    scripted.on("GET", f"/v1/workflow/{run_id}/events", recording(name).act())
    paused = recording(f"{NEW}/62-human-detail-paused.http").act()
    scripted.on("GET", f"{RUN}/{run_id}", paused, last.act())
    run = dify_client.submit(APP, {})
    check_result(run.result(10), last, SECOND_STREAMS[name])

    assert [it.node for it in run.events if isinstance(it, Paused)] == ["ask", "ask"]
    assert scripted.count("POST") == 1


@pytest.mark.parametrize("name", ANSWERS)
def test_a_recorded_answer_to_a_form(dify_client: nbkit.Client, scripted: ScriptedServer, name: str) -> None:
    """What a server says to an answer is told, and the run goes on to its end either way."""
    first, last = recording(HUMAN), recording(f"{NEW}/65-human-detail-after.http")
    run_id = first.events[0]["workflow_run_id"]
    (asked,) = (it["data"] for it in first.events if it["event"] == "human_input_required")
    form = f"/v1/form/human_input/{asked['form_token']}"
    serve_files(scripted, last)
    scripted.on("POST", RUN, first.act())
    waiting = recording(f"{NEW}/62-human-detail-paused.http").act()
    record = f"{RUN}/{run_id}"
    scripted.on("GET", record, waiting)
    scripted.on("POST", form, recording(name).act())
    run = dify_client.submit(APP, {})
    scripted.until(lambda: any(isinstance(it, Paused) for it in run.events))
    if ANSWERS[name].words:
        with pytest.raises(ServiceError, match=ANSWERS[name].words):
            run.answer("approve", note="fine")
    else:
        run.answer("approve", note="fine")
    scripted.on("GET", record, last.act())
    run.result(10)

    (post,) = scripted.requests("POST", form)
    assert post.json == {"inputs": {"note": "fine"}, "action": "approve", "user": "u1"}
