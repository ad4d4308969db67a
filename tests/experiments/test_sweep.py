from __future__ import annotations

import asyncio
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit import history
from nbkit.errors import ConfigError, InputError
from nbkit.experiments import running
from nbkit.history.database import history_path
from nbkit.history.recorder import Recorder
from nbkit.history.writer import flush
from nbkit.model.endpoint import Endpoint
from nbkit.model.result import Result
from tests.experiments.queue_service import ENDPOINT, WELL, Fate, QueueService
from tests.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CAT = {"prompt": "a cat"}
STEPS = {"steps": [4, 8], "cfg": [1, 2, 3]}


def sweep_of(client: nbkit.Client, axes: Mapping[str, Any] = STEPS, **choice: Any) -> nbkit.Sweep:
    """A sweep over a cat, with six cells where nothing else is said."""
    return nbkit.Sweep(ENDPOINT, CAT, axes, client=client, **choice)


def remember_cost(endpoint: str, dollars: float) -> None:
    """Let the history have a run that cost something."""

    async def record() -> None:
        recorder = Recorder(Endpoint.parse(endpoint))
        await recorder.begin({"prompt": "long ago"}, "queue", "https://queue.example")
        await recorder.ended("succeeded", Result({}, request_id="r0", cost=dollars))

    asyncio.run(record())


def test_every_combination_is_run_once(client: nbkit.Client, service: QueueService) -> None:
    """Each cell is one request, has its picture, and stands in the history under the sweep's name."""
    sweep = sweep_of(client, name="cats").run()

    assert service.posts == len(sweep) == 6
    assert sorted((it["steps"], it["cfg"]) for it in service.inputs) == [
        (steps, cfg) for steps in (4, 8) for cfg in (1, 2, 3)
    ]
    assert sweep.counts == {"succeeded": 6}
    for cell, outcome in sweep:
        assert outcome is not None
        assert outcome.image is not None
        number = service.inputs.index(cell.input) + 1
        assert (outcome.request_id, outcome.image.pil().getpixel((0, 0))) == (f"r{number}", (number, 0, 0))
    assert len(history.search(sweep="cats", limit=None)) == 6


def test_what_was_made_before_is_taken_from_the_history(client: nbkit.Client, service: QueueService) -> None:
    """The same script on another day asks for nothing, and one more value of an axis for exactly the new cells."""
    sweep_of(client).run()
    again = sweep_of(client)
    rehearsal = again.dry_run()

    assert (rehearsal.total, rehearsal.in_history) == (0, 6)
    assert "0 requests of 6 combinations, 6 in the history" in str(rehearsal._repr_mimebundle_())
    again.run()
    assert service.posts == 6
    assert all(outcome and outcome.is_from_history and outcome.image for _, outcome in again)
    assert (again.cost, again.counts) == (0.0, {"succeeded": 6})
    assert "6 from history" in repr(again)

    grown = sweep_of(client, {**STEPS, "cfg": [1, 2, 3, 4]}).run()
    assert sorted((it["steps"], it["cfg"]) for it in service.inputs[6:]) == [(4, 4), (8, 4)]
    assert sum(bool(outcome and outcome.is_from_history) for _, outcome in grown) == 6


def test_without_reuse_everything_is_sent(client: nbkit.Client, service: QueueService) -> None:
    """Who wants the same requests once more gets them."""
    sweep_of(client).run()
    sweep_of(client, reuse=False).run()

    assert service.posts == 12


def test_a_file_counts_by_its_content(client: nbkit.Client, service: QueueService, tmp_path: Path) -> None:
    """An input picture that lies elsewhere today is the same picture; another one under the old name is not."""
    first, moved = tmp_path / "first.png", tmp_path / "moved.png"
    first.write_bytes(b"one picture")
    moved.write_bytes(b"one picture")
    service.take_files()

    def run(path: Path) -> int:
        sweep_of(client, {"image_url": [path], "cfg": "1-3"}).run()
        return service.posts

    assert (run(first), run(moved)) == (3, 3)
    moved.write_bytes(b"another picture")
    assert run(moved) == 6


def test_another_service_has_its_own_past(client: nbkit.Client, service: QueueService) -> None:
    """What one server answered is not taken for the answer of another."""
    sweep_of(client).run()
    with ScriptedServer() as other_server:
        other = QueueService(other_server)
        with nbkit.Client(key="SECRET-xyz", base_url=other.origin) as other_client:
            sweep_of(other_client).run()

        assert (service.posts, other.posts) == (6, 6)


def test_a_cell_that_failed_says_why_and_is_retried_alone(
    client: nbkit.Client, service: QueueService
) -> None:
    """The others go on; running again leaves it as it is, and retry runs it and nothing else."""
    broken = True

    def decide(_number: int, given: Mapping[str, Any]) -> Fate:
        is_it = broken and (given["steps"], given["cfg"]) == (8, 2)
        return Fate(failure=(422, {"detail": "no such size"})) if is_it else WELL

    service.decide = decide
    sweep = sweep_of(client).run()
    (failed,) = [(cell, outcome) for cell, outcome in sweep if outcome and outcome.state == "failed"]

    assert sweep.counts == {"succeeded": 5, "failed": 1}
    assert failed[0].labels == ("8", "2")
    assert "no such size" in failed[1].problem
    assert "no such size" in sweep._repr_mimebundle_()["text/plain"]
    broken = False
    sweep.run()
    assert service.posts == 6
    sweep.retry()
    assert (service.posts, sweep.counts) == (7, {"succeeded": 6})
    assert service.inputs[-1] == failed[0].input


@pytest.mark.parametrize(
    ("refusal", "times"),
    [((429, {"detail": "slow down"}), 20), ((400, {"message": "Too many requests. Please try again."}), 6)],
)
def test_too_many_requests_lose_nothing_and_bill_nothing_twice(
    client: nbkit.Client, service: QueueService, refusal: tuple[int, Any], times: int
) -> None:
    """A service that has too many for a while, by HTTP 429 or as Dify says it, gets every request once in the end."""
    tries = iter(range(1000))
    service.decide = lambda _number, _given: Fate(refusal=refusal) if 2 <= next(tries) < 2 + times else WELL
    sweep = sweep_of(client).run()

    assert sweep.counts == {"succeeded": 6}
    assert len(service.inputs) == len({str(it) for it in service.inputs}) == 6
    assert service.posts == 6 + times


def test_a_service_that_never_has_room_ends_the_sweep(
    client: nbkit.Client, service: QueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for some minutes; then what was refused says why, and the rest is left for another time."""
    monkeypatch.setattr(running, "_MOST_REFUSALS", 2)
    service.decide = lambda _number, _given: Fate(refusal=(429, {"detail": "no credit left"}))
    sweep = sweep_of(client, concurrency=2).run()
    (problem,) = {outcome.problem for outcome in sweep.outcomes.values()}

    assert "no credit left" in problem
    assert sweep.counts["waiting"] >= 4
    service.decide = lambda _number, _given: WELL
    assert sweep.retry().counts == {"succeeded": 6}


def test_requests_that_nobody_knows_of_are_not_sent_again(
    client: nbkit.Client, service: QueueService
) -> None:
    """A request whose connection broke is unknown, today and on another day, until somebody wants it sent again."""
    service.decide = lambda number, _given: Fate(is_lost=number == 2)
    sweep = sweep_of(client, concurrency=1).run()

    assert sweep.counts == {"succeeded": 5, "unknown": 1}
    sweep.run().retry()
    other_day = sweep_of(client)
    assert other_day.dry_run().lost == 1
    other_day.run()
    assert other_day.counts == {"succeeded": 5, "unknown": 1}
    (problem,) = {outcome.problem for outcome in other_day.outcomes.values() if outcome.problem}
    assert "retry(unknown=True)" in problem
    assert service.posts == 6
    other_day.retry(unknown=True)
    assert (service.posts, other_day.counts) == (7, {"succeeded": 6})


def test_what_is_under_way_elsewhere_is_followed(client: nbkit.Client, service: QueueService) -> None:
    """A request that was sent before and goes on is followed to its end, and not sent again."""
    service.decide = lambda _number, _given: Fate(position=0)
    run = client.submit(ENDPOINT, {**CAT, "steps": 4, "cfg": 1})
    sweep = sweep_of(client, {"steps": [4], "cfg": [1]})

    assert (sweep.dry_run().going_on, sweep.dry_run().total) == (1, 0)
    threading.Timer(0.3, service.finish, [1]).start()
    sweep.run()
    assert (sweep.counts, service.posts) == ({"succeeded": 1}, 1)
    assert sweep.outcomes[0, 0].request_id == run.id == "r1"


def test_max_usd_stops_before_the_limit(client: nbkit.Client, service: QueueService) -> None:
    """No request is begun that might bring the cost above it; what is left waits, and the sweep says why."""
    remember_cost(ENDPOINT, 0.25)
    sweep = sweep_of(client, max_usd=1.0).run()

    assert service.posts == 4
    assert sweep.counts == {"succeeded": 4, "waiting": 2}
    assert "stopped before $1 (max_usd)" in repr(sweep)
    assert sweep.run().counts["waiting"] == 2
    assert service.posts == 4


def test_max_usd_needs_to_know_what_a_run_costs(client: nbkit.Client, service: QueueService) -> None:
    """A limit that nobody can keep is refused, before anything is sent."""
    with pytest.raises(
        InputError, match=r"max_usd cannot be kept: what a run of acme/imgen costs is not known"
    ):
        sweep_of(client, max_usd=1.0).run()

    assert service.posts == 0


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an empty axis": ({"axes": {"steps": []}}, "steps: an axis needs at least one value"),
    "a value twice": ({"axes": {"steps": [4, 4]}}, "steps: 4 stands there twice"),
    "NaN": ({"axes": {"cfg": [1.0, float("nan")]}}, "cfg: nan is not a value"),
    "NaN in the input": (
        {"input": {"cfg": float("nan")}, "axes": {"steps": [4]}},
        "cfg: nan .* is not a number",
    ),
    "a million": ({"axes": {f"{name}": "1-100" for name in "abc"}}, "these are 1,000,000 requests"),
    "more than can be counted": ({"axes": {f"{name}": "1-10000" for name in "abcdef"}}, "these are 1,000,0"),
    "more than are wanted": ({"axes": STEPS, "max_runs": 5}, "these are 6 requests"),
    "a file that is not there": ({"axes": {"image_url": ["/nowhere/a.png"]}}, "image_url: there is no file"),
    "no limit": ({"axes": STEPS, "max_usd": float("nan")}, "max_usd is at least 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_makes_no_sense_is_one_clear_error(
    client: nbkit.Client, service: QueueService, name: str
) -> None:
    """A slip is told in a sentence that names it, and nothing is sent."""
    given, words = BAD[name]
    with pytest.raises(InputError, match=words) as caught:
        nbkit.Sweep(ENDPOINT, **{"input": CAT, **given}, client=client).run()

    assert len(str(caught.value).splitlines()) <= 2
    assert service.posts == 0


def test_a_history_that_cannot_be_read_is_told_first(client: nbkit.Client, service: QueueService) -> None:
    """Without it nobody knows what was made before, so nothing is sent unless everything is wanted again."""
    history_path().mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be used"):
        sweep_of(client).run()

    assert service.posts == 0
    assert sweep_of(client, reuse=False).run().counts == {"succeeded": 6}
    history_path().rmdir()  # what the writer owes is written now, and troubles no other test
    flush(10)


def test_a_full_disk_loses_no_result(
    client: nbkit.Client, service: QueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell whose picture has no room says so; with room, retry gets it."""
    full = shutil._ntuple_diskusage(0, 0, 0)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: full)
        sweep = sweep_of(client, {"steps": [4, 8]}).run()

    assert sweep.counts == {"succeeded": 2}
    assert all("has no room" in outcome.problem for outcome in sweep.outcomes.values())
    assert sweep.run().cell(steps=4).image is None
    assert sweep.retry().cell(steps=4).image is not None
    assert service.posts == 2
