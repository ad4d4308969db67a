from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from nbkit.server.host import Host

Finished = Callable[..., dict[str, Any]]
Until = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(("name", "says"), [("leave", "exit code 3"), ("crash", "SIGSEGV")])
def test_a_crash_fails_its_own_request_alone(lab: Host, http: httpx.Client, name: str, says: str) -> None:
    """A worker that dies is told truthfully, and the next request is served as ever."""
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(http.post, f"{lab.url}/run/lab/wait", json={"seconds": 0.6})
        answer = http.post(f"{lab.url}/run/lab/{name}", json={})
        after = http.post(f"{lab.url}/run/lab/echo", json={"a": 1})

    assert answer.status_code == 500
    assert says in answer.json()["detail"]
    assert answer.headers["x-fal-error-type"] == "runner_server_error"
    assert after.json() == {"given": {"a": 1}}
    assert other.result().json() == {"waited": 0.6}


def test_an_exception_is_told_with_its_traceback_in_the_logs(
    lab: Host, http: httpx.Client, finished: Finished
) -> None:
    """The result says what was raised, the log where."""
    ticket = http.post(f"{lab.url}/queue/lab/fail", json={}).json()
    status = finished(ticket)
    answer = http.get(ticket["response_url"])

    assert (answer.status_code, answer.json()["detail"]) == (500, "RuntimeError: the oven is cold")
    assert status["error"] == "RuntimeError: the oven is cold"
    assert status["error_type"] == "runner_server_error"
    assert any("lab_models.py" in entry["message"] for entry in status["logs"])


def test_what_computes_too_long_is_ended(start: Callable[..., Host], http: httpx.Client) -> None:
    """The server's time limit ends a model that hangs."""
    lab = start(workers=1, time_limit=1.5)
    answer = http.post(f"{lab.url}/run/lab/stubborn", json={"seconds": 60})
    after = http.post(f"{lab.url}/run/lab/echo", json={})

    assert answer.status_code == 504
    assert answer.json()["error_type"] == "request_timeout"
    assert "x-fal-request-timeout-type" not in answer.headers
    assert after.status_code == 200


def test_status_is_quick_while_models_compute(
    start: Callable[..., Host], http: httpx.Client, until_running: Until, finished: Finished
) -> None:
    """Computing happens elsewhere, so the server always has time for a question."""
    lab = start(workers=1)
    ticket = http.post(f"{lab.url}/queue/lab/compute", json={"seconds": 2}).json()
    until_running(ticket)
    waits = []
    for _ in range(60):
        began = time.perf_counter()
        assert http.get(ticket["status_url"]).json()["status"] == "IN_PROGRESS"
        waits.append(time.perf_counter() - began)
        time.sleep(0.01)
    finished(ticket)

    assert statistics.quantiles(waits, n=20)[-1] < 0.05


def test_cancel_of_what_waits_takes_it_out_of_the_queue(
    start: Callable[..., Host], http: httpx.Client, finished: Finished
) -> None:
    """200 OK, and the result is fal's 499."""
    lab = start(workers=1)
    first = http.post(f"{lab.url}/queue/lab/wait", json={"seconds": 0.5}).json()
    ticket = http.post(f"{lab.url}/queue/lab/wait", json={}).json()
    answer = http.put(ticket["cancel_url"])
    status = finished(ticket)
    result = http.get(ticket["response_url"])
    again = http.put(ticket["cancel_url"])
    finished(first)

    assert (answer.status_code, answer.json()) == (200, {"status": "OK"})
    assert status["error_type"] == "client_cancelled"
    assert (result.status_code, result.json()["detail"]) == (499, "Request cancelled by the client.")
    assert (again.status_code, again.json()) == (400, {"status": "ALREADY_COMPLETED"})


def test_a_model_that_listens_keeps_its_process(
    start: Callable[..., Host], http: httpx.Client, until_running: Until, finished: Finished
) -> None:
    """A cooperative model stops by itself, at once, and its worker goes on."""
    lab = start(workers=1, cancel_grace=10)
    before = http.post(f"{lab.url}/run/lab/process", json={}).json()
    ticket = http.post(f"{lab.url}/queue/lab/wait", json={"seconds": 60}).json()
    until_running(ticket)
    answer = http.put(ticket["cancel_url"])
    finished(ticket, 3)
    after = http.post(f"{lab.url}/run/lab/process", json={}).json()

    assert (answer.status_code, answer.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert http.get(ticket["response_url"]).status_code == 499
    assert before == after


def test_a_model_that_does_not_listen_is_ended(
    lab: Host, http: httpx.Client, until_running: Until, finished: Finished
) -> None:
    """Its process is ended after a moment of grace, and the request is over."""
    ticket = http.post(f"{lab.url}/queue/lab/stubborn", json={"seconds": 60}).json()
    until_running(ticket)
    http.put(ticket["cancel_url"])
    began = time.monotonic()
    finished(ticket)

    assert time.monotonic() - began < 3
    assert http.get(ticket["response_url"]).status_code == 499
    assert http.post(f"{lab.url}/run/lab/echo", json={}).status_code == 200


def test_a_model_that_ends_in_spite_of_its_cancel_has_a_result(
    start: Callable[..., Host], http: httpx.Client, until_running: Until, finished: Finished
) -> None:
    """A cancel is a wish: what was finished all the same is given."""
    lab = start(workers=1, cancel_grace=10)
    ticket = http.post(f"{lab.url}/queue/lab/stubborn", json={"seconds": 0.5}).json()
    until_running(ticket)
    http.put(ticket["cancel_url"])
    finished(ticket)

    assert http.get(ticket["response_url"]).json() == {"waited": 0.5}


def test_stopping_the_server_ends_what_runs(start: Callable[..., Host], http: httpx.Client) -> None:
    """Whoever waits is told, instead of being left with a broken connection."""
    lab = start(workers=1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(http.post, f"{lab.url}/run/lab/stubborn", json={"seconds": 60})
        time.sleep(0.8)
        lab.stop()
        answer = waiting.result(5)

    assert answer.status_code == 503
    assert answer.json()["detail"] == "The server was stopped"
