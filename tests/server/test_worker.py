"""Whatever a function does, it hurts its own request alone."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.server import printed
from nbkit.server.printed import MOST_LINES
from nbkit.server.workers import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from nbkit.server.frames import Message
    from nbkit.server.runs import Outcome

    Compute = Callable[..., Awaitable[tuple[Outcome, Any, list[str]]]]

MB = 10**6
ORDER: dict[str, Any] = {
    "endpoint": "lab/wild",
    "previews": False,
    "file_seconds": None,
    "keep": [],
    "models_dirs": [],
}


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[WorkerProcess]:
    """A process that computes."""
    process = WorkerProcess(tmp_path)
    yield process
    await process.end()


@pytest.fixture
def compute(worker: WorkerProcess) -> Compute:
    """Let it compute something wild; gives how that ended, its body, and the lines of its log."""

    async def compute(
        name: str, given: dict[str, Any] | None = None, *, time_limit: float = 60, **order: Any
    ) -> tuple[Outcome, Any, list[str]]:
        said: list[Message] = []
        outcome = await worker.compute(
            {**ORDER, "model": f"wild_models:{name}", "input": given or {}, **order},
            said.append,
            time_limit=time_limit,
        )
        return outcome, outcome.value(), [it["log"] for it in said if "log" in it]

    return compute


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("leave_at_once", "ended: exit code 7"),
        ("segfault", "ended: signal 11 (SIGSEGV)"),
        ("die", "ended: signal 9 (SIGKILL)"),
        ("close_everything", "ended: "),
        ("leave_politely", "called sys.exit(3)"),
        ("interrupt", "KeyboardInterrupt"),
        ("recurse", "RecursionError"),
        ("ask", "EOFError"),
        ("mute_exception", "MuteError: (its text cannot be had)"),
        ("flood", "it printed more than 64 MiB"),
    ],
)
async def test_the_worst_is_one_failed_request(compute: Compute, name: str, says: str) -> None:
    """One clear error for whom it concerns, and the next request is computed as if nothing had been."""
    outcome, body, lines = await compute(name)
    after, value, _ = await compute("echo", {"a": 1})

    assert (outcome.status, body["error_type"]) == (500, "runner_server_error")
    assert says in body["detail"]
    assert len(lines) <= MOST_LINES + 1
    assert (after.status, value) == (200, {"given": {"a": 1}})


async def test_what_never_ends_is_ended(compute: Compute) -> None:
    """The time limit needs no good will of the function, nor of those that it forked."""
    outcome, body, _ = await compute("fork_for_ever", time_limit=1.5)

    assert (outcome.status, body["error_type"]) == (504, "request_timeout")
    assert (await compute("echo"))[0].status == 200


@pytest.mark.parametrize("name", ["print_for_ever", "log_for_ever"])
async def test_what_never_stops_talking_is_ended(
    compute: Compute, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Lines that Python prints or logs count as much as what is written past it."""
    monkeypatch.setattr(printed, "MOST_BYTES", MB)
    outcome, body, lines = await compute(name)

    assert (outcome.status, "printed more than 1 MiB" in body["detail"]) == (500, True)
    assert len(lines) == MOST_LINES + 1
    assert (await compute("echo"))[0].status == 200


async def test_everything_that_is_said_is_in_the_log(compute: Compute) -> None:
    """Lines of Python, of C and of other programs; a progress bar is what it was at the end."""
    outcome, _, lines = await compute("speak")

    assert outcome.ok
    assert lines.index("by print") < lines.index("by log")
    assert set(lines) == {
        "by print",
        "by log",
        "by os.write",
        "by buffer",
        "by C",
        "by a program",
        "100%",
    }


async def test_last_words_are_kept(compute: Compute) -> None:
    """What a process printed before it crashed says why; for a crash in native code where it was in Python."""
    _, _, left = await compute("leave_at_once")
    _, _, crashed = await compute("segfault")

    assert left == ["last words"]
    assert any("wild_models.py" in line and "segfault" in line for line in crashed)


async def test_a_long_talk_is_cut_and_says_so(compute: Compute) -> None:
    """A function that prints much succeeds; its log ends with how much is left out."""
    outcome, _, lines = await compute("long_talk")

    assert outcome.ok
    assert lines[:2] == ["python 0", "python 1"]
    assert len(lines) == MOST_LINES + 1
    assert lines[-1].endswith("more were printed or logged, and are left out")


async def test_a_line_without_an_end_does_not_fill_the_memory(compute: Compute) -> None:
    """It is told in pieces, and then no more."""
    outcome, body, lines = await compute("endless_line")

    assert (outcome.status, "printed more than" in body["detail"]) == (500, True)
    assert max(map(len, lines)) <= 10_000
    assert sum(map(len, lines)) < 500_000


async def test_closing_ones_output_is_harmless(compute: Compute) -> None:
    """Standard output belongs to the function; messages go another way."""
    assert (await compute("close_output"))[1] == {"closed": True}
    assert (await compute("speak"))[0].ok


async def test_each_request_begins_in_the_same_folder(compute: Compute) -> None:
    """A function that changes the folder does so for itself."""
    before = (await compute("folder"))[1]
    await compute("go_elsewhere")

    assert (await compute("folder"))[1] == before


async def test_a_thread_that_is_left_behind_does_not_speak_for_others(compute: Compute) -> None:
    """What it logs is in no other request's log."""
    await compute("leave_thread")
    _, _, lines = await compute("speak")

    assert "from the grave" not in lines


async def test_a_fork_has_no_say(compute: Compute) -> None:
    """A child that goes on as if it were the process itself gives no second answer; what it logs is kept."""
    _, body, lines = await compute("fork")

    assert body == {"parent": True}
    assert "I am the parent" in lines
    assert (await compute("echo", {"b": 2}))[1] == {"given": {"b": 2}}


async def test_children_end_with_the_process(compute: Compute, worker: WorkerProcess) -> None:
    """Neither a crash nor the end of the server leaves a program behind, and none keeps a request from ending."""
    outcome, _, lines = await compute("leave_child", {"and_die": True}, time_limit=20)
    orphan = int(lines[0].split()[1])
    left = (await compute("leave_child"))[1]["pid"]
    await worker.end()

    assert outcome.status == 500
    assert [pid for pid in (orphan, left) if _runs(pid)] == []


@pytest.mark.parametrize("name", ["grow", "grow_in_child"])
async def test_a_leak_is_ended_at_the_limit(compute: Compute, name: str) -> None:
    """The message says what was held, what may be, and what to do."""
    outcome, body, _ = await compute(name, memory_limit=300 * MB)

    assert outcome.status == 500
    assert "may hold 286 MiB; give the endpoint a larger memory_limit" in body["detail"]
    assert (await compute("echo"))[0].status == 200


async def test_a_lost_cancel_is_not(compute: Compute, worker: WorkerProcess) -> None:
    """A cancel that comes with the order, before the function begins, is one of that order."""
    await compute("echo")
    process = await worker._started()
    await worker._send(process, {**ORDER, "model": "wild_models:log_for_ever", "input": {}})
    await worker.cancel()
    said = [await worker._receive(process)]
    while "status" not in said[-1]:
        said.append(await worker._receive(process))

    assert (said[-1]["status"], len(said)) == (499, 1)
    assert "cancelled" in json.loads(said[-1]["body"])["detail"]


def _runs(pid: int, patience: float = 3) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except OSError:
            return False
        time.sleep(0.02)
    return True


async def test_files_that_were_left_open_hurt_no_other_request(compute: Compute) -> None:
    """A function that leaks what a process may open has an outcome, and the next request a process of its own."""
    _, leaked, _ = await compute("leak_files")
    outcome, _, _ = await compute("open_one")

    assert leaked["opened"] > 0
    assert outcome.status == 200


async def test_what_others_keep_in_memory_does_not_count(compute: Compute) -> None:
    """A request with a small limit does not fail because of the weights that another function holds."""
    await compute("keep", {"bytes": 300 * 2**20})
    outcome, _, _ = await compute("open_one", {"seconds": 0.5}, memory_limit=250 * 2**20)

    assert outcome.status == 200


async def test_files_can_be_read_whatever_a_function_did(compute: Compute) -> None:
    """The permissions that one function gives to its files are not those of the next one's."""
    _, before, _ = await compute("mask")
    await compute("hide_files")
    _, after, _ = await compute("mask")

    assert after == before


async def test_an_input_s_files_go_with_a_process_that_crashes(compute: Compute) -> None:
    """They are not left on the disk of whoever runs a function that dies now and then."""
    outcome, _, lines = await compute("die_with_file", {"file": "data:,abc"})
    path = Path(lines[0])

    assert outcome.status == 500
    assert path.name
    assert not path.parent.parent.parent.exists()
    assert path.parent.parent.parent.name.startswith("nbkit-worker-")
