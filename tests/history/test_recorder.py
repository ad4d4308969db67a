from __future__ import annotations

import asyncio
import contextvars
import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from nbkit import history
from nbkit.errors import RunFailed
from nbkit.history.database import history_path
from nbkit.history.recorder import Recorder, current_sweep
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Log, Output, Queued, Started, StepFinished, Text, Unrecognised
from nbkit.model.media import Media
from nbkit.model.result import Result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.history.conftest import Record

CAT = hashlib.sha256(b"cat").hexdigest()


def test_a_run_is_kept_from_its_beginning_to_its_end(record: Record) -> None:
    """All that there is to know of a run can be asked for later."""
    events = (
        Queued(1, raw={"a": 1}),
        Started(raw={"b": 2}),
        Log("50%", raw={"message": "50%"}),
        Output({"n": 1}),
    )
    picture = Media(
        "https://files.example/a.png", "image/png", "a.png", 3, None, CAT, "images.0", 4, 5, "gone"
    )
    run = record(
        {"prompt": "a cat", "seed": 7},
        output={"images": [{"url": "https://files.example/a.png"}], "seed": 8},
        events=(*events, Output({"n": 1}, final=True)),
        media=(picture,),
        metrics={"inference_time": 1.5},
        billable_units=2.0,
        cost=0.04,
        stand_in="local/collage",
    )

    assert run.events == (*events, Output(final=True))
    assert [event.raw for event in run.events] == [{"a": 1}, {"b": 2}, {"message": "50%"}, None, None]
    assert (run.media, run.images, run.image) == ((picture,), (picture,), picture)
    assert (run.state, run.status, run.way, run.provider) == ("succeeded", "succeeded", "queue", "fal")
    assert (run.seed, run.cost, run.billable_units, run.stand_in) == (7, 0.04, 2.0, "local/collage")
    assert (run.origin, run.error, run.is_under_way, run.is_orphan) == (
        "https://queue.example",
        "",
        False,
        False,
    )
    assert run.status_url.endswith(f"{run.request_id}/status")
    assert run.accepted
    assert run.ended
    assert run.created <= run.accepted <= run.ended
    result = run.result
    assert result is not None
    assert result.data == {"images": [{"url": "https://files.example/a.png"}], "seed": 8}
    assert (result.input, result.metrics) == ({"prompt": "a cat", "seed": 7}, {"inference_time": 1.5})
    assert "text/html" in run._repr_mimebundle_()[0]


def test_why_a_run_failed_is_kept(record: Record) -> None:
    """A run that failed tells later why, and shows it."""
    run = record(error=RunFailed("out of memory", error_type="runner_error"), state="failed")

    assert (run.state, run.error, run.error_type) == ("failed", "out of memory", "RunFailed: runner_error")
    assert run.result is None
    assert "out of memory" in run._repr_mimebundle_()["text/html"]


def test_the_row_is_there_before_anything_is_sent() -> None:
    """Once `begin` returns, another process sees the run, and that this one is at it."""

    async def begin() -> None:
        recorder = Recorder(Endpoint.parse("acme/imgen"))
        assert await recorder.begin({"prompt": "x"}, "queue", "") == []
        (found,) = await asyncio.to_thread(history.search)
        assert (found.state, found.is_under_way, found.is_orphan) == ("sending", True, False)

    asyncio.run(begin())


def test_the_same_request_twice_at_once_is_two_runs_with_one_hash(record: Record) -> None:
    """Equal requests are found by their hash, and each has its own row, with its own events."""

    async def twice() -> None:
        async def one(name: str) -> None:
            recorder = Recorder(Endpoint.parse("acme/imgen"))
            await recorder.begin({"b": 1, "prompt": "x"}, "queue", "")
            recorder.accepted(name)
            recorder.event(Log(name))
            await recorder.ended("succeeded", Result({}, request_id=name))

        await asyncio.gather(one("r1"), one("r2"))

    asyncio.run(twice())
    other = record({"prompt": "x", "b": 1.0})
    assert {found.request_id for found in history.search(input_sha256=other.input_sha256)} == {
        "r1",
        "r2",
        other.request_id,
    }
    assert history.get("r1").events == (Log("r1"),)


def test_files_of_an_input_count_by_what_is_in_them(record: Record) -> None:
    """The same file at two addresses makes the same request, and its hash is kept."""
    runs = [
        record(
            {"prompt": "x", "image_url": f"https://files.example/{number}"},
            files=(Media(f"https://files.example/{number}", sha256=CAT, place="image_url"),),
        )
        for number in range(2)
    ]

    assert runs[0].input_sha256 == runs[1].input_sha256
    assert [file.sha256 for file in runs[0].input_files] == [CAT]
    assert runs[0].media == ()


def test_a_run_that_is_followed_again_keeps_its_row() -> None:
    """Attaching to a run goes on in its own row; what ended well stays so."""

    async def begin() -> None:
        recorder = Recorder(Endpoint.parse("acme/imgen"))
        await recorder.begin({"prompt": "mine", "seed": 3}, "queue", "https://queue.example")
        recorder.accepted("r1")

    async def again(state: str, name: str = "r1", **facts: Any) -> None:
        recorder = Recorder(Endpoint.parse("acme/imgen"))
        recorder.attach(name, "https://queue.example")
        recorder.event(Started())
        await recorder.ended(state, **facts)

    asyncio.run(begin())
    asyncio.run(again("unknown"))
    assert [(found.way, found.state, found.seed) for found in history.search()] == [("queue", "unknown", 3)]
    asyncio.run(again("succeeded", result=Result({"a": 1}, request_id="r1")))
    asyncio.run(again("failed", error=RunFailed("the service forgot it")))
    asyncio.run(again("succeeded", "of-another-machine", result=Result({}, request_id="of-another-machine")))
    other, mine = history.search()

    assert (mine.state, mine.error, mine.input) == ("succeeded", "", {"prompt": "mine", "seed": 3})
    assert (other.way, other.input, other.request_id) == ("attach", {}, "of-another-machine")


def test_nothing_is_written_where_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NBKIT_HISTORY=off` leaves no trace."""
    monkeypatch.setenv("NBKIT_HISTORY", "off")

    async def run() -> None:
        recorder = Recorder(Endpoint.parse("acme/imgen"))
        recorder.attach("r1", "")
        told = await recorder.begin({"prompt": "x"}, "queue", "")
        recorder.accepted("r1")
        recorder.event(Started())
        assert told + await recorder.ended("succeeded", Result({})) == []

    asyncio.run(run())
    assert list(history.search()) == []
    assert not history_path().parent.exists()


def test_a_home_that_cannot_be_found_stops_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that makes no sense is told, and the run goes on."""
    monkeypatch.setenv("NBKIT_HOME", "~nobody-of-this-name/x")

    (told,) = asyncio.run(Recorder(Endpoint.parse("acme/imgen")).begin({}, "queue", ""))
    assert "this run is not in the history" in told


def test_a_sweep_is_noted() -> None:
    """Runs that are begun inside of a sweep belong to it."""

    async def begin() -> None:
        await Recorder(Endpoint.parse("acme/imgen")).begin({"prompt": "x"}, "queue", "")

    context = contextvars.copy_context()
    context.run(current_sweep.set, "sweep-1")
    context.run(asyncio.run, begin())

    assert [found.sweep for found in history.search(sweep="sweep-1")] == ["sweep-1"]
    assert list(history.search(sweep="sweep-2")) == []


def test_a_run_of_many_events_keeps_the_first_and_says_so(record: Record) -> None:
    """Ten thousand pieces of text do not fill the disk; what happened otherwise is kept to the last."""
    run = record(events=[*(Text("word ") for _ in range(5000)), Started()])
    kinds = [type(event) for event in run.events]

    assert kinds == [Text] * 2000 + [Started, Unrecognised]
    assert "3000 more events" in str(run.events[-1])


def test_secrets_go_nowhere(record: Record, tmp_path: Path) -> None:
    """A key in an input, an event, an address, an error or a note is not on the disk afterwards."""
    secret = "0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab:89abcdef0123456789abcdef01234567"
    half = secret.partition(":")[2]
    run = record(
        {"prompt": f"my key is {secret}", "headers": {"Authorization": f"Key {secret}"}},
        events=[Log(f"FAL_KEY={secret}"), StepFinished("n", {"a": secret}, raw={"b": [secret]})],
        output={"text": secret},
        media=(Media(f"https://files.example/a.png?token={half}", place="a"),),
    )
    record(error=RunFailed(f"no such key {secret}"), state="failed")
    history.note(run.id, f"used {secret}")

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if half.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    "given",
    [
        {"seed": 10**400},
        {"seed": True},
        {"seed": "7"},
        {"prompt": "\ud800 \0 \x1b"},
        {"a": "x" * 3_000_000},
        {"a": ["yes"] * 200_000},
        {"image_url": "data:image/png;base64," + "QUJD" * 5000},
    ],
)
def test_odd_inputs_are_kept_as_far_as_they_fit(record: Record, given: dict[str, Any]) -> None:
    """Huge numbers, half characters, long texts and inline files break nothing, and a row stays small."""
    run = record(given)

    assert len(str(run.input)) < 1_100_000
    assert history.search(limit=1)[0].id == run.id
    if "image_url" in given:
        assert run.input["image_url"].startswith("data:image/png;sha256=")


@pytest.mark.parametrize("coded", ["hello {}", "hello%20{}", "base64"])
def test_a_key_inside_an_inline_file_is_not_kept(record: Record, coded: str) -> None:
    """A short inline file is kept as it is, unless a key stands in it: then its hash is, however it is written."""
    key = "1a2b3c4d-1a2b-4c3d-8e9f-1a2b3c4d5e6f:0123456789abcdef0123456789abcdef"
    body = f";base64,{b64encode(f'hello {key}'.encode()).decode()}" if coded == "base64" else f",{coded}"
    harmless, secret = "data:text/plain,hello", f"data:text/plain{body.format(key)}"
    run = record({"files": [harmless, {"inner": secret}]})
    stored = run.path.parent.glob("history.sqlite*")

    assert run.input["files"][0] == harmless
    assert run.input["files"][1]["inner"].startswith("data:text/plain;sha256=")
    assert not any(
        trace in path.read_bytes() for path in stored for trace in (key[37:].encode(), secret[30:60].encode())
    )


def test_a_large_result_is_never_cut(record: Record) -> None:
    """A result that is too large for its row has a file of its own, and comes back whole."""
    output = {"text": "müde " * 200_000, "image": "data:image/png;base64," + "QUJD" * 9000}
    run = record(output=output)

    assert run.result is not None
    assert run.result.data == output
