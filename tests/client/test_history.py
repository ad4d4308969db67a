from __future__ import annotations

import asyncio
import hashlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat
import pytest

import nbkit
from nbkit import history
from nbkit.errors import NbkitError, RunUnknown
from nbkit.history.database import history_path
from nbkit.model.event import Failed, Log, Output, Queued, Started
from nbkit.wire.sse import encode
from tests.dify_recordings import NEW, PNG, recording, serve_files
from tests.scripted_server import answer, never, reset, stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripted_server import Exchange, ScriptedServer

APP, SUBMIT = "acme/imgen", "/queue/acme/imgen"
QUEUED: dict[str, Any] = {"status": "IN_QUEUE", "queue_position": 1}
RUNNING: dict[str, Any] = {"status": "IN_PROGRESS", "logs": None}
DONE: dict[str, Any] = {"status": "COMPLETED", "logs": [], "metrics": {"inference_time": 2}}


def only() -> history.RunRecord:
    """The only run there is."""
    (found,) = history.search()
    return found


def test_a_run_by_the_queue_is_kept(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """What was asked, what happened, what came of it and its files are there after the program has ended."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    scripted.queue(statuses=[QUEUED, RUNNING, DONE], output={"images": [{"url": f"{scripted.origin}/a.png"}]})
    result = client.subscribe(APP, {"prompt": "a cat", "seed": 7})
    run = only()

    assert (run.endpoint, run.way, run.state, run.request_id) == (
        APP,
        "queue",
        "succeeded",
        result.request_id,
    )
    assert (run.input, run.seed, run.origin) == ({"prompt": "a cat", "seed": 7}, 7, scripted.origin)
    assert [type(event) for event in run.events] == [Queued, Started, Output]
    assert run.image.bytes == PNG
    assert run.image.sha256 == hashlib.sha256(PNG).hexdigest()
    assert run.result is not None
    assert (run.result.data, run.result.metrics) == (result.data, {"inference_time": 2})
    assert run.status_url.startswith(f"{scripted.origin}{SUBMIT}/requests/")


def test_the_row_stands_before_the_request_is_sent(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Whatever may be billed is on the disk by then; its id is there as soon as the service gave it."""
    seen: list[str] = []

    def submit(exchange: Exchange) -> None:
        seen.append(only().state)
        answer({"request_id": "r1"})(exchange)

    def status(exchange: Exchange) -> None:
        seen.append(only().request_id)
        answer(DONE)(exchange)

    scripted.on("POST", SUBMIT, submit)
    scripted.on("GET", f"{SUBMIT}/requests/r1/status/stream", answer({}, 404))
    scripted.on("GET", f"{SUBMIT}/requests/r1/status", status)
    scripted.on("GET", f"{SUBMIT}/requests/r1", answer({"a": 1}))
    client.subscribe(APP, {"prompt": "a cat"})

    assert seen[:2] == ["sending", "r1"]


async def test_direct_calls_and_streams_are_kept_by_both_clients(scripted: ScriptedServer) -> None:
    """Every way to call leaves its record, from asynchronous code too."""
    scripted.on("POST", "/run/acme/imgen", answer({"seed": 3}, headers={"x-fal-request-id": "d1"}))
    parts = encode({"n": 1}), encode({"n": 2})
    scripted.on("POST", "/run/acme/imgen/stream", stream(*parts, headers={"x-fal-request-id": "s1"}))
    client = nbkit.AsyncClient(key="SECRET-xyz", base_url=scripted.origin)
    try:
        await client.run(APP, {"prompt": "direct"})
        await client.stream(APP, {"prompt": "stream"})
    finally:
        await client.close()
    streamed, direct = await asyncio.to_thread(history.search)

    assert (direct.way, direct.state, direct.request_id, direct.seed) == ("direct", "succeeded", "d1", 3)
    assert (streamed.way, streamed.state, streamed.request_id) == ("stream", "succeeded", "s1")
    assert [event.data for event in streamed.events if isinstance(event, Output)] == [{"n": 1}, {"n": 2}]


def test_a_dify_run_is_kept(dify_client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A workflow run of Dify has both of its ids, its steps and its files."""
    served = recording(f"{NEW}/02-image-streaming-raw.raw")
    serve_files(scripted, served)
    scripted.on("GET", "/v1/parameters", answer({"user_input_form": []}))
    scripted.on("POST", "/v1/workflows/run", served.act())
    dify_client.subscribe("dify/default", {"prompt": "a cat"})
    run = only()

    assert (run.provider, run.state, run.way, run.origin) == ("dify", "succeeded", "stream", scripted.origin)
    assert len(run.request_id) == len(run.task_id) == 36
    assert run.images
    assert run.images[0].path
    assert {"StepStarted", "StepFinished"} <= {type(event).__name__ for event in run.events}


def test_bad_ends_are_kept(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that failed, one whose fate nobody knows and one that was cancelled are told apart, with their errors."""
    scripted.on("POST", "/queue/acme/refused", answer({"detail": "no such thing"}, 400))
    scripted.on("POST", "/queue/acme/lost", reset)
    scripted.on("POST", "/run/acme/slow", never)
    with pytest.raises(NbkitError):
        client.subscribe("acme/refused", {"prompt": "1"})
    with pytest.raises(NbkitError):
        client.subscribe("acme/lost", {"prompt": "2"})
    with pytest.raises(NbkitError):
        client.run("acme/slow", {"prompt": "3"}, timeout=0.2)
    slow, lost, refused = history.search()

    assert (refused.state, lost.state, slow.state) == ("failed", "unknown", "cancelled")
    assert "no such thing" in refused.error
    assert lost.error_type == RunUnknown.__name__
    assert isinstance(refused.events[-1], Failed)
    assert (lost.is_orphan, refused.is_orphan) == (True, False)


def test_what_is_never_sent_is_no_run(client: nbkit.Client, scripted: ScriptedServer, tmp_path: Path) -> None:
    """A call that ends before anything was sent leaves nothing behind."""
    with pytest.raises(NbkitError):
        client.submit(APP, {"image_url": tmp_path / "is-not-there.png"})

    assert list(history.search()) == []
    assert scripted.count("POST") == 0


def test_the_same_file_makes_the_same_request(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Files of an input count by what is in them; another address, after another upload, changes nothing."""
    for number in ("1", "2"):
        place = {"upload_url": f"/put/{number}?sig=abc", "file_url": f"{scripted.origin}/file-{number}"}
        scripted.on("POST", "/rest/storage/upload/initiate", answer(place))
        scripted.on("PUT", f"/put/{number}", answer({}))
        scripted.on("POST", SUBMIT, answer({"request_id": f"r{number}"}))
        scripted.queue(output={})
        with nbkit.Client(key="SECRET-xyz", base_url=scripted.origin) as other:
            other.submit(APP, {"image_url": PNG}).result(10)
    client.submit(APP, {"image_url": b"other bytes"}).result(10)
    other_run, second, first = history.search()

    assert first.input_sha256 == second.input_sha256 != other_run.input_sha256
    assert [file.sha256 for file in first.input_files] == [hashlib.sha256(PNG).hexdigest()]


def test_attaching_goes_on_in_the_same_row(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that is followed again, by this kernel or another, is one run."""
    scripted.queue(statuses=[QUEUED, DONE], output={"a": 1})
    run = client.submit(APP, {"prompt": "a cat"})
    run.result(10)
    client.attach(APP, run.id).result(10)

    assert (only().input, only().state) == ({"prompt": "a cat"}, "succeeded")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")
def test_a_killed_kernel_leaves_what_is_needed_to_go_on(scripted: ScriptedServer) -> None:
    """After the kernel was killed the run is found as an orphan, with the address to ask after it."""
    scripted.on("POST", SUBMIT, answer({"request_id": "r1"}))
    scripted.on("GET", f"{SUBMIT}/requests/r1/status/stream", never)
    program = f"""
import nbkit
nbkit.Client(key="SECRET-xyz", base_url={scripted.origin!r}).submit({APP!r}, {{"prompt": "a cat"}})
print("sent", flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as kernel:
        assert kernel.stdout
        assert kernel.stdout.readline() == "sent\n"
        scripted.until(lambda: bool(history.search()) and only().request_id)
        assert (only().is_under_way, only().is_orphan) == (True, False)
        kernel.send_signal(signal.SIGKILL)
        kernel.wait()

    run = only()
    assert (run.state, run.request_id, run.is_under_way, run.is_orphan) == ("accepted", "r1", False, True)
    assert run.status_url == f"{scripted.origin}{SUBMIT}/requests/r1/status"


def test_a_history_that_cannot_be_written_is_told_in_the_run(
    client: nbkit.Client, scripted: ScriptedServer
) -> None:
    """The run works all the same; its log says once what is wrong and what to do."""
    history_path().mkdir(parents=True)
    scripted.queue(output={"a": 1})
    runs = [client.submit(APP, {"prompt": "a cat"}) for _ in range(2)]
    results = [run.result(10) for run in runs]
    told = [event.message for run in runs for event in run.events if isinstance(event, Log)]

    assert [result.data for result in results] == [{"a": 1}] * 2
    assert len(told) == 1
    assert "NBKIT_HOME" in told[0]

    history_path().rmdir()  # what is owed is written, and no later test has to wait for it
    assert len(history.search()) == 2


def test_switched_off_nothing_is_kept(
    client: nbkit.Client, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `NBKIT_HISTORY=off` runs work and leave no record."""
    monkeypatch.setenv("NBKIT_HISTORY", "off")
    scripted.queue(output={"a": 1})

    assert client.subscribe(APP, {"prompt": "a cat"}).data == {"a": 1}
    assert not history_path().exists()


def test_the_cell_is_kept(scripted: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook a run knows the cell that made it, by magic or by client, and the notebook where it is told."""
    scripted.queue(output={"a": 1})
    scripted.queue(output={"a": 1})
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "mine.ipynb"))
    cells = [
        f"import nbkit\nclient = nbkit.Client(key='SECRET-of-mine', base_url={scripted.origin!r})",
        f"client.subscribe({APP!r}, {{'prompt': 'by client'}})",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert (only().cell, only().notebook) == (cells[1], str(tmp_path / "mine.ipynb"))
    assert [found.id for found in history.search(notebook="mine.ipynb")] == [only().id]
