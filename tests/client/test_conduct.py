from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit.errors import (
    ConnectionFailed,
    InputError,
    NbkitError,
    RunCancelled,
    RunFailed,
    RunTimeout,
    RunUnknown,
    StreamBroken,
)
from nbkit.model.event import Cancelled, Failed, Output
from nbkit.wire.sse import encode
from tests.scripted_server import Exchange, answer, never, reset, stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripted_server import Act, ScriptedServer

APP, FLOW = "acme/imgen", "workflows/ann/sticker"
SUBMIT, DIRECT, STREAM = "/queue/acme/imgen", "/run/acme/imgen", "/run/acme/imgen/stream"
QUEUED = {"status": "IN_QUEUE", "queue_position": 1}
RUNNING = {"status": "IN_PROGRESS", "logs": None}
PIXEL = (
    "data:image/gif;base64,"
    + base64.b64encode(
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00"
        b"\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    ).decode()
)


def test_a_run_from_input_to_result(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A request goes through the queue, and its result has the output, its files and what was sent."""
    scripted.queue(
        statuses=[QUEUED, RUNNING, {"status": "COMPLETED", "logs": [], "metrics": {"inference_time": 2}}]
    )
    scripted.on("GET", f"{SUBMIT}/requests/r1", answer({"images": [{"url": PIXEL}], "seed": 7}))
    run = client.submit(APP, {"prompt": "a cat"})
    result = run.result(10)

    assert (run.status, run.id, run.endpoint, run.input) == ("succeeded", "r1", APP, {"prompt": "a cat"})
    assert (result.seed, result.request_id, result.image.width) == (7, "r1", 1)
    assert (result.input, result.timings) == ({"prompt": "a cat"}, {"inference_time": 2})
    assert isinstance(run.events[-1], Output)
    assert run.events[-1].final
    assert scripted.count("POST") == 1
    assert scripted.count("PUT") == 0


def test_a_direct_call(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A call without the queue gives the same kind of result."""
    scripted.on("POST", DIRECT, answer({"x": 1}, headers={"x-fal-request-id": "d1"}))
    result = client.run(APP, {})

    assert (result.data, result.request_id) == ({"x": 1}, "d1")


def test_a_models_stream_and_a_workflows(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """The last thing a model gives, or a workflow's output, is the result."""
    scripted.on(
        "POST", STREAM, stream(encode({"n": 1}), encode({"n": 2}), headers={"x-fal-request-id": "s1"})
    )
    scripted.on("POST", f"/run/{FLOW}/stream", stream(encode({"type": "output", "output": {"u": PIXEL}})))
    run = client.stream(APP, {})

    assert [event.data for event in run if isinstance(event, Output)] == [{"n": 1}, {"n": 2}]
    assert (run.done(), run.id) == ({"n": 2}, "s1")
    assert client.stream(FLOW, {}).result(10).image.width == 1


def test_a_failed_step_is_named(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A workflow that fails says in which step, and what the step said."""
    failure = {
        "type": "error",
        "node_id": "n1",
        "message": "no",
        "error": {"status": 422, "body": {"detail": "x"}},
    }
    scripted.on("POST", f"/run/{FLOW}/stream", stream(encode(failure)))
    with pytest.raises(
        RunFailed, match=r"step n1 of workflows/ann/sticker failed: no \(HTTP 422\)"
    ) as caught:
        client.stream(FLOW, {}).done(10)

    assert (caught.value.node, caught.value.status, caught.value.body) == ("n1", 422, {"detail": "x"})


def test_inputs_are_refused_before_anything_is_sent(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """What cannot be sent is told where the call stands."""
    calls: tuple[Callable[[str, Any], object], ...] = (
        client.submit,
        client.subscribe,
        client.run,
        client.stream,
    )
    for call in calls:
        for endpoint, payload in (("nonsense", {}), (APP, {"a": [float("nan")]}), (APP, None), (APP, [])):
            with pytest.raises(InputError):
                call(endpoint, payload)
    for timeout in (0, -1, float("nan")):
        with pytest.raises(InputError, match="timeout"):
            client.run(APP, {}, timeout=timeout)
    with pytest.raises(InputError, match="priority"):
        client.submit(APP, {}, priority="high")
    for request_id in ("", "..", "a/b", "a?b", "a b", "a\r\nb"):
        with pytest.raises(InputError, match="request id"):
            client.attach(APP, request_id)
    assert scripted.received == []


def test_a_loop_over_seeds_sends_each_seed(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """An input that is changed and given again was still what it was."""
    scripted.queue()
    given = {"seed": 0, "more": [0]}
    runs = []
    for seed in range(20):
        given["seed"] = seed
        given["more"][0] = seed  # type: ignore[index]
        runs.append(client.submit(APP, given, wait=False))
    for run in runs:
        run.result(10)

    sent = [(it.json["seed"], it.json["more"]) for it in scripted.requests("POST")]
    assert sorted(sent) == [(seed, [seed]) for seed in range(20)]


def slow_place(exchange: Exchange) -> None:
    """Take a second to say where a file goes."""
    answer({"upload_url": "/put", "file_url": "https://files/1"}, after=1)(exchange)


PHASES: dict[str, tuple[Callable[[ScriptedServer], object], int, int]] = {
    "uploading": (lambda it: it.count("POST", "/rest/storage/upload/initiate"), 0, 0),
    "sending": (lambda it: it.count("POST", SUBMIT), 1, 1),
    "queued": (lambda it: it.count("GET", f"{SUBMIT}/requests/r1/status") > 1, 1, 1),
    "running": (lambda it: it.count("GET", f"{SUBMIT}/requests/r1/status") > 1, 1, 1),
}


@pytest.mark.parametrize("phase", PHASES)
def test_cancelling_in_each_phase(phase: str, client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that may be at the service is cancelled there, once; one that is not is never sent."""
    reached, posts, puts = PHASES[phase]
    scripted.queue(statuses=[RUNNING if phase == "running" else QUEUED])
    if phase == "uploading":
        scripted.on("POST", "/rest/storage/upload/initiate", slow_place)
    if phase == "sending":
        scripted.on("POST", SUBMIT, answer({"request_id": "r1"}, after=0.3))
    run = client.submit(APP, {"image": b"x"} if phase == "uploading" else {}, wait=False)
    scripted.until(lambda: reached(scripted))
    for _ in range(3):
        run.cancel()
    with pytest.raises(RunCancelled):
        run.result(10)
    run.cancel()

    assert (scripted.count("POST", SUBMIT), scripted.count("PUT")) == (posts, puts)
    assert run.status == "cancelled"
    assert isinstance(run.events[-1], Cancelled)


def test_cancelling_at_once(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that is cancelled before it has begun ends, every time, and is cancelled at the service if it got there."""
    scripted.queue(statuses=[RUNNING])
    runs = [client.submit(APP, {}, wait=False) for _ in range(30)]
    for run in runs:
        run.cancel()
    for run in runs:
        with pytest.raises(RunCancelled):
            run.result(10)

    assert scripted.count("POST") == scripted.count("PUT")


def test_cancelling_before_the_next_attempt(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that waits for its turn at the door leaves at once."""
    scripted.on("POST", SUBMIT, answer({}, 429, headers={"retry-after": "50"}))
    run = client.submit(APP, {}, wait=False)
    scripted.until(lambda: scripted.count("POST"))
    time.sleep(0.05)
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result(5)
    assert scripted.count("POST") == 1


def test_cancelling_what_was_never_answered(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A request that went out and was not answered is unknown, cancelled or not, and nobody waits for ever."""
    scripted.on("POST", SUBMIT, never)
    run = client.submit(APP, {}, wait=False)
    scripted.until(lambda: scripted.count("POST"))
    run.cancel()
    with pytest.raises(RunUnknown, match="not known"):
        run.result(5)
    assert (run.status, scripted.count("POST")) == ("unknown", 1)


@pytest.mark.parametrize("path", [DIRECT, STREAM])
def test_cancelling_a_call_hangs_up(path: str, client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Closing the connection is how a direct call and a stream are cancelled."""
    scripted.on("POST", path, never)
    run = client.stream(APP, {}) if path == STREAM else client._calls.direct(APP, {}, None)
    scripted.until(lambda: scripted.count("POST"))
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result(5)
    scripted.until(lambda: scripted.hang_ups)
    assert scripted.count("PUT") == 0


def test_a_service_that_does_not_hear(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Where the service does not confirm a cancel, the run ends after a while and says so."""
    scripted.queue(statuses=[RUNNING])
    scripted.on("PUT", f"{SUBMIT}/requests/r1/cancel", answer({"status": "CANCELLATION_REQUESTED"}, 202))
    run = client.submit(APP, {})
    run.cancel()
    with pytest.raises(RunCancelled, match="did not confirm"):
        run.result(5)
    assert scripted.count("PUT") == 1


def test_a_service_that_forgets_what_it_cancelled(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A request that is gone after its cancel was cancelled."""
    place = scripted.queue(statuses=[RUNNING])

    def forget(exchange: Exchange) -> None:
        scripted.on("GET", f"{place}/status", answer({"status": "NOT_FOUND"}, 404))
        answer({"status": "OK"})(exchange)

    scripted.on("PUT", f"{place}/cancel", forget)
    run = client.submit(APP, {})
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result(5)


def test_a_run_that_was_faster_than_its_cancel(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that had ended when the cancel came gives its result."""
    place = scripted.queue(statuses=[RUNNING])

    def too_late(exchange: Exchange) -> None:
        scripted.on("GET", f"{place}/status", answer({"status": "COMPLETED", "logs": []}))
        answer({"status": "ALREADY_COMPLETED"}, 400)(exchange)

    scripted.on("PUT", f"{place}/cancel", too_late)
    run = client.submit(APP, {})
    run.cancel()

    assert run.result(5).data == {"ok": True}


def test_a_time_limit_cancels_at_the_service(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """`timeout=` ends the run at the service, not only the wait."""
    scripted.queue(statuses=[RUNNING])
    with pytest.raises(RunTimeout, match=r"acme/imgen took longer than 0\.3 s and was cancelled") as caught:
        client.subscribe(APP, {}, timeout=0.3)

    assert caught.value.request_id == "r1"
    assert scripted.count("PUT") == 1


def test_a_time_limit_on_calls_that_do_not_queue(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A direct call and a stream hang up when their time is over."""
    scripted.on("POST", DIRECT, never)
    scripted.on("POST", STREAM, stream(encode({"n": 1}), then="hold"))
    with pytest.raises(RunTimeout):
        client.run(APP, {}, timeout=0.3)
    with pytest.raises(RunTimeout):
        client.stream(APP, {}, timeout=0.3).done(5)
    scripted.until(lambda: len(scripted.hang_ups) == 2)


def test_a_time_limit_while_nobody_answers(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A service that takes the request and says nothing leaves it unknown, in bounded time."""
    scripted.on("POST", SUBMIT, never)
    with pytest.raises(RunUnknown):
        client.subscribe(APP, {}, timeout=0.2)
    assert scripted.count("POST") == 1


FAULTS: dict[str, tuple[Act, type[NbkitError], str]] = {
    "reset": (reset, RunUnknown, "unknown"),
    "a proxy's 502": (answer({}, 502), RunUnknown, "unknown"),
    "wrong JSON": (answer(body=b"{"), RunUnknown, "unknown"),
    "refused": (answer({"detail": "no"}, 403), NbkitError, "failed"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_submit_that_goes_wrong(
    fault: tuple[Act, type[NbkitError], str], client: nbkit.Client, scripted: ScriptedServer
) -> None:
    """The call raises, the run tells its state, and one request went out."""
    act, kind, status = fault
    scripted.on("POST", SUBMIT, act)
    with pytest.raises(kind):
        client.submit(APP, {})
    run = client.submit(APP, {}, wait=False)
    with pytest.raises(kind):
        run.result(5)

    assert run.status == status
    assert isinstance(run.events[-1], Failed)
    assert scripted.count("POST") == 2


def test_a_service_that_dies_on_the_way(scripted: ScriptedServer) -> None:
    """A service that goes away while a run is followed is told soon, with the id to take it up by."""
    scripted.queue(statuses=[RUNNING])
    with nbkit.Client(base_url=scripted.origin) as client:
        run = client.submit(APP, {})
        next(iter(run))
        scripted.close()
        with pytest.raises(NbkitError, match=scripted.origin) as caught:
            run.result(20)

    assert isinstance(caught.value, ConnectionFailed)
    assert "r1" in caught.value.hint
    assert run.status == "unknown"


def test_a_stream_that_breaks(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """What came before the break was told; the end is an error, in iterating too."""
    scripted.on("POST", STREAM, stream(encode({"n": 1}), then="reset"))
    told: list[object] = []
    with pytest.raises(StreamBroken):
        told.extend(_each(client.stream(APP, {}), told))
    assert [event.data for event in told if isinstance(event, Output)] == [{"n": 1}]


def _each(run: nbkit.Run, told: list[object]) -> list[object]:
    for event in run:
        told.append(event)  # noqa: PERF402 - it raises at its end
    return []


def test_a_request_is_taken_up_again(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """By its id a request is asked for, followed and cancelled, maybe by another program."""
    scripted.queue(statuses=[RUNNING, {"status": "COMPLETED", "logs": []}])

    assert client.status(APP, "r1").state == "running"
    assert client.attach(APP, "r1").result(5).data == {"ok": True}
    assert client.result(APP, "r1").request_id == "r1"
    assert client.cancel(APP, "r1") == "CANCELLATION_REQUESTED"
    with pytest.raises(RunCancelled):
        client.result(APP, "r1")


PROGRAM = """
import os, signal, sys, threading, time
import nbkit
client = nbkit.Client(key="SECRET-xyz", base_url=sys.argv[1])
"""


def program(text: str, scripted: ScriptedServer) -> subprocess.CompletedProcess[str]:
    """Run a program of its own against the scripted server."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM + text, scripted.origin]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)


def test_an_interrupt_cancels_at_the_service(scripted: ScriptedServer) -> None:
    """Ctrl-C during a wait stops the run where it costs money, within a second, and the program goes on."""
    scripted.queue(statuses=[RUNNING])
    done = program(
        """
run = client.submit("acme/imgen", {})
threading.Timer(0.5, lambda: (print(time.monotonic()), os.kill(os.getpid(), signal.SIGINT))).start()
try:
    run.result()
except KeyboardInterrupt:
    print("interrupted", run.status, client.cancel("acme/imgen", "r1"))
client.close()
""",
        scripted,
    )
    interrupted_at, words = done.stdout.splitlines()

    assert (done.stderr, words) == ("", "interrupted cancelled CANCELLATION_REQUESTED")
    assert scripted.requests("PUT")[0].at - float(interrupted_at) < 1
    assert scripted.count("PUT") == 2  # one by the interrupt, one by hand


def test_an_interrupt_in_a_callback_cancels_too(scripted: ScriptedServer) -> None:
    """Ctrl-C while a callback runs stops the run as well."""
    scripted.queue(statuses=[RUNNING])
    done = program(
        """
def slow(event):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
try:
    client.subscribe("acme/imgen", {}, on_event=slow)
except KeyboardInterrupt:
    print("interrupted")
client.close()
""",
        scripted,
    )
    assert (done.stderr, done.stdout, scripted.count("PUT")) == ("", "interrupted\n", 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_program_that_ends_cancels_what_it_left(host: str, scripted: ScriptedServer) -> None:
    """A run that nobody will ever fetch is cancelled when its program ends, in bounded time, without noise."""
    scripted.queue(
        statuses=[RUNNING],
        ticket={"cancel_url": f"http://{host}:{scripted.port}{SUBMIT}/requests/r1/cancel"},
    )
    began = time.monotonic()
    done = program('run = client.submit("acme/imgen", {})\n', scripted)

    assert (done.returncode, done.stderr) == (0, "")
    assert scripted.count("PUT") == 1
    assert time.monotonic() - began < 15


def test_a_program_does_not_wait_for_a_mute_service(scripted: ScriptedServer) -> None:
    """A service that does not answer does not keep a program from ending."""
    place = scripted.queue(statuses=[RUNNING])
    scripted.on("PUT", f"{place}/cancel", never)
    began = time.monotonic()
    done = program('run = client.submit("acme/imgen", {})\n', scripted)

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 15


def test_nothing_shows_the_key(client: nbkit.Client, scripted: ScriptedServer, tmp_path: Path) -> None:
    """Neither what is printed of a run and its errors nor any file has it."""
    scripted.queue()
    run = client.submit(APP, {"prompt": "x"})
    result = run.result(5)
    scripted.on("POST", SUBMIT, answer({"detail": "no SECRET-xyz"}, 401))
    with pytest.raises(NbkitError) as caught:
        client.submit(APP, {})
    shown = [
        repr(it) for it in (client, run, result, run.events, vars(run), caught.value, vars(caught.value))
    ]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]

    assert not [text for text in shown if "SECRET-xyz" in text]
    assert not [data for data in files if b"SECRET-xyz" in data]


async def test_awaiting_cancelled_cancels_at_the_service(scripted: ScriptedServer) -> None:
    """A task that is cancelled takes its run with it."""
    scripted.queue(statuses=[RUNNING])
    async with nbkit.AsyncClient(base_url=scripted.origin) as client:
        task = asyncio.create_task(client.subscribe(APP, {}, on_event=lambda _event: None))
        await asyncio.to_thread(scripted.until, lambda: scripted.count("GET") > 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(scripted.until, lambda: scripted.count("PUT"))
    assert scripted.count("PUT") == 1


@pytest.mark.parametrize("kind", ["plain", "asynchronous"])
def test_a_callback_that_fails_stops_the_run(
    kind: str, client: nbkit.Client, scripted: ScriptedServer
) -> None:
    """A mistake in a callback is raised, and no run is left to cost money unseen."""
    scripted.queue(statuses=[RUNNING])

    async def fail_later(_event: object) -> None:
        raise KeyError("mine")

    def fail(_event: object) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        client.subscribe(APP, {}, on_event=fail if kind == "plain" else fail_later)
    scripted.until(lambda: scripted.count("PUT"))


def test_callbacks_are_told_in_the_callers_thread(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A callback runs where its output belongs, may be asynchronous, and sees logs only where wanted."""
    import threading

    log = {"timestamp": "t", "message": "m"}
    done = {"status": "COMPLETED", "logs": [log]}
    told: list[tuple[str, str]] = []

    def note(event: object) -> None:
        told.append((type(event).__name__, threading.current_thread().name))

    async def note_later(event: object) -> None:
        await asyncio.sleep(0)
        note(event)

    for on_event, logs in ((note, True), (note, False), (note_later, True)):
        scripted.queue(statuses=[RUNNING, {**RUNNING, "logs": [log]}, done])
        told.clear()
        client.subscribe(APP, {}, on_event=on_event, logs=logs)
        assert [name for name, _ in told] == ["Started", *(["Log"] if logs else []), "Output"]
        assert {thread for _, thread in told} == {threading.current_thread().name}


def test_a_result_that_is_here_outlives_a_cancel(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Cancelling while its files are fetched gives up on the files: what was paid for is kept."""
    scripted.on("POST", DIRECT, answer({"image": {"url": f"{scripted.origin}/slow.png"}, "seed": 4}))
    scripted.on("GET", "/slow.png", never)
    run = client._calls.direct(APP, {}, None)
    scripted.until(lambda: scripted.count("GET"))
    run.cancel()
    result = run.result(5)

    assert (result.seed, result.media[0].path) == (4, None)
    assert "cancelled" in result.media[0].problem


def test_an_attached_run_knows_its_id_at_once(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """The id was given, so it need not be waited for, and nothing is being submitted."""
    scripted.queue()
    run = client.attach(APP, "r1")

    assert (run.id, run.request_id) == ("r1", "r1")
    assert run.status != "submitting"
    assert run.result(5).request_id == "r1"


def test_a_client_that_nobody_holds_leaves_quietly() -> None:
    """A client that is forgotten closes its connections itself, and prints nothing into whatever runs then."""
    program = (
        "import gc, time, nbkit\n"
        "from tests.scripted_server import ScriptedServer\n"
        "for _ in range(2):\n"
        "    with ScriptedServer() as server:\n"
        "        server.queue()\n"
        "        client = nbkit.Client(base_url=server.origin)\n"
        "        client.submit('acme/imgen', {}).result(5)\n"
        "        client = None\n"
        "        gc.collect()\n"
        "        time.sleep(0.3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stderr == ""
