"""`/metrics`, read by the parser of Prometheus' own library."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

import nbkit

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    import pytest

    from nbkit.server.host import Host

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _read(http: httpx.Client, host: Host, **headers: str) -> Samples:
    answer = http.get(f"{host.url}/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


def test_each_request_is_counted_by_what_came_of_it(
    start: Callable[..., Host], http: httpx.Client, finished: Callable[[Any], Any]
) -> None:
    """One that succeeds, one refused, one that fails, one cancelled, one that took too long, one of a stranger."""
    host = start(time_limit=3)
    queue = f"{host.url}/queue/lab"
    sent = [
        http.post(f"{queue}/{name}", json=given).json()
        for name, given in (
            ("echo", {"word": "secret"}), ("wait", {"seconds": -1}), ("crash", {}), ("stubborn", {"seconds": 9}),
        )
    ]  # fmt: skip
    for ticket in sent:
        finished(ticket)
    ticket = http.post(f"{queue}/wait", json={"seconds": 0.5}).json()
    http.put(ticket["cancel_url"])
    finished(ticket)
    http.post(f"{host.url}/run/no/such", json={})
    text = http.get(f"{host.url}/metrics").text
    samples = _read(http, host)
    ended = {
        (dict(labels)["endpoint"], dict(labels)["outcome"]): value
        for (name, labels), value in samples.items()
        if name == "nbkit_requests_ended_total"
    }

    assert ended == {
        ("lab/echo", "ok"): 1,
        ("lab/wait", "refused"): 1,
        ("lab/wait", "cancelled"): 1,
        ("lab/crash", "failed"): 1,
        ("lab/stubborn", "timed_out"): 1,
    }
    assert _value(samples, "nbkit_requests_accepted_total", endpoint="lab/wait") == 2
    assert _value(samples, "nbkit_worker_ends_total", reason="time_limit") == 1
    assert _value(samples, "nbkit_worker_ends_total", reason="crash") == 1
    assert _value(samples, "nbkit_computing_seconds_count", endpoint="lab/stubborn") == 1
    assert 0.6 <= _value(samples, "nbkit_computing_seconds_sum", endpoint="lab/stubborn") < 9
    assert _value(samples, "nbkit_computing_seconds_bucket", endpoint="lab/stubborn", le="+Inf") == 1
    assert _value(samples, "nbkit_computing_seconds_bucket", endpoint="lab/stubborn", le="0.5") == 0
    assert _value(samples, "nbkit_queue_seconds_count", endpoint="lab/echo") == 1
    assert _value(samples, "nbkit_journal_write_seconds_count") == 5
    assert (
        _value(samples, "nbkit_http_requests_total", method="POST", route="/queue/{app}", status="200") == 5
    )
    assert (
        _value(samples, "nbkit_http_requests_total", method="POST", route="/run/{path:path}", status="404")
        == 1
    )
    assert _value(samples, "nbkit_http_received_bytes_total") > 0
    assert _value(samples, "nbkit_http_sent_bytes_total") > 1000
    assert _value(samples, "nbkit_data_bytes") > 1000
    assert _value(samples, "nbkit_disk_free_bytes") > 0
    assert 'nbkit_build_info{python="' in text
    assert f'version="{nbkit.__version__}"' in text
    assert "secret" not in text


def test_what_waits_and_runs_can_be_watched(
    start: Callable[..., Host], http: httpx.Client, until_running: Callable[[Any], None]
) -> None:
    """The length of the queue and the age of its oldest request: what alerts are made of."""
    host = start(workers=1)
    first = http.post(f"{host.url}/queue/lab/wait", json={"seconds": 30}).json()
    until_running(first)
    waiting = [http.post(f"{host.url}/queue/lab/echo", json={}).json() for _ in range(3)]
    time.sleep(0.3)
    samples = _read(http, host)
    for ticket in (*waiting, first):
        http.put(ticket["cancel_url"])

    assert _value(samples, "nbkit_queue_length") == 3
    assert 0.3 <= _value(samples, "nbkit_queue_oldest_seconds") < 30
    assert _value(samples, "nbkit_running") == 1
    assert _value(samples, "nbkit_workers") == 1
    assert _value(samples, "nbkit_draining") == 0


def test_nobody_can_make_the_numbers_grow_without_an_end(
    start: Callable[..., Host], http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of unknown paths, endpoints, methods and saved workflows are counted together."""
    monkeypatch.setattr("nbkit.server.metrics._MOST_ENDPOINTS", 5)
    host = start()
    for number in range(1000):
        http.get(f"{host.url}/p{number}")
        http.post(f"{host.url}/run/no/such{number}", json={})
        http.get(f"{host.url}/queue/lab/echo/requests/{number}/status")
        http.get(f"{host.url}/v1/p{number}")
    nodes = {
        "say": {"id": "say", "type": "run", "depends": [], "app": "lab/echo", "input": {}},
        "output": {"id": "output", "type": "display", "depends": ["say"], "fields": {"said": "$say.given"}},
    }
    contents = {"nodes": nodes, "output": {}, "schema": {"input": {}, "output": {}}}
    for number in range(12):
        content = {"name": f"w{number}", "title": "t", "contents": contents}
        assert http.post(f"{host.url}/rest/workflows/", json=content).is_success
        assert http.post(f"{host.url}/run/workflows/local/w{number}", json={}).is_success
    samples = _read(http, host)
    answers = {labels for name, labels in samples if name == "nbkit_http_requests_total"}
    endpoints = {labels for name, labels in samples if name == "nbkit_requests_accepted_total"}

    assert len(answers) < 10
    assert len(endpoints) == 6
    assert _value(samples, "nbkit_requests_accepted_total", endpoint="other") == 8
    assert _value(samples, "nbkit_http_requests_total", method="GET", route="none", status="404") == 2000


def test_webhooks_are_counted_as_they_are_taken_or_not(
    start: Callable[..., Host], http: httpx.Client
) -> None:
    """One that is refused once and taken then."""
    statuses = [500, 200]

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(statuses.pop(0))
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            pass

    host = start(webhook_delay=0.05)
    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        serving = threading.Thread(target=receiver.serve_forever)
        serving.start()
        hook = f"http://127.0.0.1:{receiver.server_port}/"
        http.post(f"{host.url}/queue/lab/echo", params={"fal_webhook": hook}, json={})
        deadline = time.monotonic() + 10
        while _value(samples := _read(http, host), "nbkit_webhooks_total", outcome="taken") < 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        receiver.shutdown()
        serving.join()

    assert _value(samples, "nbkit_webhooks_total", outcome="failed") == 1


def test_openmetrics_is_spoken_where_it_is_asked_for(lab: Host, http: httpx.Client) -> None:
    """Prometheus asks for the newer format first."""
    http.post(f"{lab.url}/run/lab/echo", json={})
    answer = http.get(f"{lab.url}/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families: Any = read_openmetrics(answer.text)  # type: ignore[no-untyped-call] # it publishes no types for this
    assert "nbkit_requests_ended" in {family.name for family in families}


def test_with_a_key_the_numbers_need_it(start: Callable[..., Host], http: httpx.Client) -> None:
    """Who knows no key learns nothing of what others do."""
    host = start(key="secret")
    url = f"{host.url}/metrics"
    allowed = http.get(url, headers={"authorization": "Bearer secret"})

    assert (http.get(url).status_code, allowed.status_code) == (401, 200)
