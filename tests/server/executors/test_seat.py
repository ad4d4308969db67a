"""What becomes of a request whose worker is lost."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from nbkit.server.host import Host
    from tests.server.executors.conftest import DaskProcesses

Finished = Callable[..., dict[str, Any]]
SPAWN = multiprocessing.get_context("spawn")


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, SPAWN)


def _lines(status: dict[str, Any]) -> list[str]:
    return [entry["message"] for entry in status["logs"] if entry["level"] == "WARN"]


def _computing(folder: Path) -> psutil.Process:
    """The process that runs a relay of the server that has a folder."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for process in psutil.Process().children(recursive=True):
            if str(folder / "data") in process.cmdline():
                parent = process.parent()
                assert parent
                return parent
        time.sleep(0.01)
    raise TimeoutError


def _until_begun(marks: Path, times: int) -> None:
    deadline = time.monotonic() + 20
    while not marks.exists() or marks.read_text().count("begun") < times:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_process_of_a_pool_that_can_be_made_anew(
    start: Callable[..., Host], http: httpx.Client, finished: Finished, tmp_path: Path
) -> None:
    """The request is computed again on a new pool, says so, and keeps its one id and one result."""
    pools: list[ProcessPoolExecutor] = []

    def make() -> ProcessPoolExecutor:
        pools.append(_pool())
        return pools[-1]

    lab, marks = start(executor=make, workers=None), tmp_path / "marks"
    ticket = http.post(
        f"{lab.url}/queue/lab/mark", json={"name": "a", "file": str(marks), "seconds": 1}
    ).json()
    _until_begun(marks, 1)
    _computing(tmp_path).kill()
    status = finished(ticket)

    assert http.get(ticket["response_url"]).json() == {"name": "a"}
    assert marks.read_text().split("\n") == ["a begun", "a begun", "a done", ""]
    assert [line.partition("(")[0] for line in _lines(status)] == ["the worker "]
    assert len(pools) == 2


def test_a_pool_that_was_passed_and_broke_is_told_in_each_answer(
    start: Callable[..., Host], http: httpx.Client, finished: Finished, tmp_path: Path
) -> None:
    """It cannot be made anew; the server lives, and says what to do."""
    with _pool() as pool:
        lab, marks = start(executor=pool, workers=None), tmp_path / "marks"
        ticket = http.post(
            f"{lab.url}/queue/lab/mark", json={"name": "a", "file": str(marks), "seconds": 9}
        ).json()
        _until_begun(marks, 1)
        _computing(tmp_path).kill()
        finished(ticket)
        answers = [http.get(ticket["response_url"]), http.post(f"{lab.url}/run/lab/echo", json={})]

    for answer in answers:
        assert answer.status_code == 503
        assert "takes no tasks: BrokenProcessPool" in answer.json()["detail"]
        assert "a function that makes an executor" in answer.json()["detail"]
    assert http.get(f"{lab.url}/health").status_code == 200


def test_a_request_that_loses_two_workers_fails(
    start: Callable[..., Host], http: httpx.Client, finished: Finished, tmp_path: Path
) -> None:
    """It may be what kills them, so it is not tried a third time."""
    lab, marks = start(executor=_pool, workers=None), tmp_path / "marks"
    ticket = http.post(
        f"{lab.url}/queue/lab/mark", json={"name": "a", "file": str(marks), "seconds": 9}
    ).json()
    for times in (1, 2):
        _until_begun(marks, times)
        _computing(tmp_path).kill()
    finished(ticket)
    answer = http.get(ticket["response_url"])

    assert (answer.status_code, answer.json()["error_type"]) == (503, "runner_disconnected")
    assert answer.json()["detail"].startswith(
        "It was begun 2 times, and no worker saw it through: the worker (process"
    )
    assert marks.read_text().count("begun") == 2
    assert http.post(f"{lab.url}/run/lab/echo", json={"a": 1}).json() == {"given": {"a": 1}}


def test_a_worker_that_stands_still_is_given_up_at_the_time_limit(
    dask: Callable[[], DaskProcesses], start: Callable[..., Host], http: httpx.Client, tmp_path: Path
) -> None:
    """Nobody knows whether it computes, so it is not computed again, and other workers go on."""
    cluster = dask()
    stopped = cluster.worker()
    lab, marks = start(executor=cluster.url, workers=None, time_limit=1.5), tmp_path / "marks"
    with ThreadPoolExecutor(1) as asking:
        asked = asking.submit(
            http.post, f"{lab.url}/run/lab/mark", json={"name": "a", "file": str(marks), "seconds": 9}
        )
        _until_begun(marks, 1)
        stopped.send_signal(signal.SIGSTOP)
        answer = asked.result(20)
    cluster.worker()

    assert (answer.status_code, answer.json()["error_type"]) == (504, "request_timeout")
    assert "the worker did not answer any more" in answer.json()["detail"]
    assert http.post(f"{lab.url}/run/lab/echo", json={"a": 1}, timeout=20).json() == {"given": {"a": 1}}
    assert marks.read_text() == "a begun\n"


class _Refusing(ThreadPoolExecutor):
    """Takes tasks and does something else than running them."""

    def __init__(self, instead: Callable[[], Any]) -> None:
        super().__init__(1)
        self._instead = instead
        self.asked = 0

    def submit(self, _function: Callable[..., Any], /, *_arguments: Any, **_more: Any) -> Future[Any]:
        """Run something else."""
        self.asked += bool(_arguments)
        return super().submit(self._instead)


def _no_such_module() -> None:
    raise ModuleNotFoundError("No module named 'nbkit'")


@pytest.mark.parametrize(
    ("instead", "says"),
    [
        (_no_such_module, "could not run the task: ModuleNotFoundError: No module named 'nbkit'"),
        (dict, "ended the task"),
    ],
)
def test_a_task_that_never_calls_back_is_told_as_what_it_is(
    start: Callable[..., Host], http: httpx.Client, instead: Callable[[], Any], says: str
) -> None:
    """A worker without nbkit, for one: after two tries the answer says what the executor said."""
    executor = _Refusing(instead)
    lab = start(executor=executor, workers=None)
    answer = http.post(f"{lab.url}/run/lab/echo", json={})
    executor.shutdown()

    assert answer.status_code == 503
    assert says in answer.json()["detail"]
    assert executor.asked == 2


def test_what_waits_in_the_executor_can_be_cancelled(
    start: Callable[..., Host], http: httpx.Client, finished: Finished, until_running: Callable[..., None]
) -> None:
    """Nothing has begun it, so it is over at once, and its task is taken back."""
    with ThreadPoolExecutor(1) as executor, _blocking(executor) as pending:
        lab = start(executor=executor, workers=2)
        ticket = http.post(f"{lab.url}/queue/lab/echo", json={}).json()
        until_running(ticket)
        http.put(ticket["cancel_url"])
        finished(ticket, 5)
        assert not pending.done()

    assert http.get(ticket["response_url"]).status_code == 499


@contextmanager
def _blocking(executor: ThreadPoolExecutor) -> Iterator[Future[None]]:
    """Keep the one place of an executor."""
    over = multiprocessing.get_context("spawn").Event()
    pending = executor.submit(over.wait)
    try:
        yield pending  # type: ignore[misc]
    finally:
        over.set()


def test_a_worker_with_another_nbkit_is_refused_in_words(
    start: Callable[..., Host], http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they say to each other may differ, so nothing is computed."""
    monkeypatch.setattr("nbkit.__version__", "0.0.7")
    with _pool() as pool:
        lab = start(executor=pool, workers=None)
        answer = http.post(f"{lab.url}/run/lab/echo", json={})

    assert answer.status_code == 503
    assert "this server 0.0.7" in answer.json()["detail"]
    assert "install the same version on both" in answer.json()["detail"]
