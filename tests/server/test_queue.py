from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from nbkit.server.host import Host

Ticket = dict[str, Any]
Finished = Callable[..., dict[str, Any]]
Until = Callable[[dict[str, Any]], None]

SMALL = {"width": 64, "height": 64}


def _events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = answer.text.split("\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def _submit(http: httpx.Client, lab: Host, name: str, **given: Any) -> Ticket:
    answer = http.post(f"{lab.url}/queue/lab/{name}", json=given)
    assert answer.status_code == 200, answer.text
    ticket: Ticket = answer.json()
    return ticket


def test_a_submit_gives_an_id_and_addresses_of_the_app(server: str, http: httpx.Client) -> None:
    """What clients follow: addresses without the sub-path, at the host that was called."""
    answer = http.post(f"{server}/queue/fal-ai/flux/schnell", json={"prompt": "a cat", "image_size": SMALL})
    body = answer.json()
    base = f"{server}/queue/fal-ai/flux/requests/{body['request_id']}"

    assert answer.status_code == 200
    assert body == {
        "status": "IN_QUEUE",
        "request_id": answer.headers["x-fal-request-id"],
        "queue_position": body["queue_position"],
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
    }
    assert answer.headers["x-nbkit-stand-in"] == "local/collage"


def test_addresses_point_to_the_name_and_scheme_that_was_called(server: str, http: httpx.Client) -> None:
    """Behind a TLS front, and by another name of this machine, what is handed out works for the caller."""
    port = server.rpartition(":")[2]
    headers = {"Host": f"localhost:{port}", "X-Forwarded-Proto": "https"}
    body = http.post(f"{server}/queue/lab-none/x", json={}, headers=headers)
    assert body.status_code == 404
    given = {"prompt": "x", "image_size": SMALL}
    ticket = http.post(f"{server}/queue/local/collage", json=given, headers=headers).json()

    assert ticket["status_url"].startswith(f"https://localhost:{port}/queue/local/collage/requests/")


def test_a_request_goes_from_queue_to_result(server: str, http: httpx.Client, finished: Finished) -> None:
    """Submit, ask, fetch: the result is the bare output of the model."""
    given = {"prompt": "a cat", "seed": 7, "image_size": SMALL}
    ticket = http.post(f"{server}/queue/fal-ai/fast-sdxl", json=given).json()
    status = finished(ticket)
    answer = http.get(ticket["response_url"])

    assert status["request_id"] == ticket["request_id"]
    assert status["metrics"]["inference_time"] > 0
    assert "error" not in status
    assert any("stand-in: local/collage" in entry["message"] for entry in status["logs"])
    assert answer.status_code == 200
    assert answer.headers["x-fal-request-id"] == ticket["request_id"]
    assert answer.headers["x-nbkit-stand-in"] == "local/collage"
    assert answer.json()["seed"] == 7
    assert http.get(answer.json()["images"][0]["url"]).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    "form", ["{app}/requests/{id}/", "{app}/requests/{id}/response", "{app}/sub/path/requests/{id}"]
)
def test_every_way_in_which_clients_write_an_address_works(
    lab: Host, http: httpx.Client, finished: Finished, form: str
) -> None:
    """A slash at the end, `/response`, and the endpoint's whole id."""
    ticket = _submit(http, lab, "echo", a=1)
    finished(ticket)
    path = form.format(app="lab/echo", id=ticket["request_id"])
    answer = http.get(f"{lab.url}/queue/{path}")

    assert answer.json() == {"given": {"a": 1}}


@pytest.mark.parametrize(
    ("query", "told"),
    [("", False), ("logs=0", False), ("logs=false", False), ("logs=False", False)]
    + [(f"logs={yes}", True) for yes in ("1", "true", "True")],
)
def test_logs_are_told_to_those_who_ask(
    lab: Host, http: httpx.Client, finished: Finished, query: str, *, told: bool
) -> None:
    """`logs` is null unless asked for, in each of the clients' spellings."""
    ticket = _submit(http, lab, "echo")
    finished(ticket)
    status = http.get(f"{ticket['status_url']}/?{query}").json()

    assert (status["logs"] is not None) is told
    if told:
        entry = next(entry for entry in status["logs"] if entry["message"] == "echoing")
        assert set(entry) == {"timestamp", "message", "level", "labels"}


def test_what_is_running_has_no_result_yet(
    lab: Host, http: httpx.Client, until_running: Until, finished: Finished
) -> None:
    """Status 202 and result 400 before the end."""
    ticket = _submit(http, lab, "wait", seconds=0.5)
    until_running(ticket)
    status, result = http.get(ticket["status_url"]), http.get(ticket["response_url"])

    assert status.status_code == 202
    assert status.json()["logs"] is None
    assert status.json()["metrics"] == {}
    assert (result.status_code, result.json()) == (400, {"detail": "Request is still in progress"})
    finished(ticket)


def test_positions_count_down_as_those_ahead_are_done(start: Callable[..., Host], http: httpx.Client) -> None:
    """Each who waits sees how many are ahead, and sees it change; logs come once."""
    lab = start(workers=1)
    tickets = [_submit(http, lab, "wait", seconds=0.2) for _ in range(4)]
    events = _events(http.get(f"{tickets[-1]['status_url']}/stream?logs=1"))
    waiting = [event["queue_position"] for event in events if event["status"] == "IN_QUEUE"]
    messages = [entry["message"] for event in events for entry in event["logs"]]

    assert [ticket["queue_position"] for ticket in tickets][-1] == waiting[0]
    assert waiting == sorted(waiting, reverse=True)
    assert waiting[-1] == 0
    assert events[-1]["status"] == "COMPLETED"
    assert [event["status"] for event in events] == sorted(
        (event["status"] for event in events), key=["IN_QUEUE", "IN_PROGRESS", "COMPLETED"].index
    )
    assert len(messages) == len(set(messages))


def test_a_status_stream_pushes_logs_as_they_come(lab: Host, http: httpx.Client) -> None:
    """Each event carries only new lines; what a model prints is a line too."""
    ticket = _submit(http, lab, "tell", steps=3)
    answer = http.get(f"{ticket['status_url']}/stream?logs=1")
    messages = [entry["message"] for event in _events(answer) for entry in event["logs"]]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert messages == ["from print", "step 0", "step 1", "step 2"]
    assert "id:" not in answer.text
    assert answer.text.isascii()


def test_a_silent_stream_is_kept_open_with_comments(lab: Host, http: httpx.Client) -> None:
    """Nothing happens for longer than the keep-alive: comments come, and nothing that a client takes for data."""
    ticket = _submit(http, lab, "stubborn", seconds=0.9)
    text = http.get(f"{ticket['status_url']}/stream").text

    assert text.count(": keep-alive\n\n") >= 2
    assert all(line.startswith((": ", "data: ")) or not line for line in text.split("\n"))


def test_low_priority_waits_for_normal(
    start: Callable[..., Host], http: httpx.Client, finished: Finished
) -> None:
    """`X-Fal-Queue-Priority: low` goes behind what comes later with normal priority; unknown words are normal."""
    lab = start(workers=1)
    _submit(http, lab, "wait", seconds=0.5)
    url = f"{lab.url}/queue/lab/wait"
    low = http.post(url, json={}, headers={"X-Fal-Queue-Priority": "low"}).json()
    normal = http.post(url, json={}, headers={"X-Fal-Queue-Priority": "urgent"}).json()
    waiting = http.get(low["status_url"]).json()
    finished(normal)

    assert waiting["queue_position"] > normal["queue_position"]
    assert http.get(low["status_url"]).json()["status"] != "COMPLETED"
    finished(low)


@pytest.mark.parametrize("header", ["X-Fal-Request-Timeout", "X-Fal-Request-Start-Timeout"])
def test_what_does_not_start_in_time_is_given_up(
    start: Callable[..., Host], http: httpx.Client, finished: Finished, header: str
) -> None:
    """The caller's start timeout becomes a 504 that says whose timeout it was."""
    lab = start(workers=1)
    first = _submit(http, lab, "wait", seconds=1)
    late = http.post(f"{lab.url}/queue/lab/wait", json={}, headers={header: "0.2"}).json()
    status = finished(late)
    answer = http.get(late["response_url"])

    assert status["error_type"] == "request_timeout"
    assert answer.status_code == 504
    assert answer.headers["x-fal-request-timeout-type"] == "user"
    assert answer.headers["x-fal-error-type"] == "request_timeout"
    assert finished(first).get("error") is None


def test_a_start_timeout_that_is_none_is_refused(lab: Host, http: httpx.Client) -> None:
    """A misspelt number is not taken for no limit."""
    answer = http.post(f"{lab.url}/queue/lab/echo", json={}, headers={"X-Fal-Request-Timeout": "soon"})

    assert answer.status_code == 400
    assert "seconds" in answer.json()["detail"]


def test_a_queue_longer_than_the_caller_wants_is_told(start: Callable[..., Host], http: httpx.Client) -> None:
    """`fal_max_queue_length` refuses instead of waiting."""
    lab = start(workers=1)
    for _ in range(4):
        _submit(http, lab, "wait", seconds=0.2)
    answer = http.post(f"{lab.url}/queue/lab/wait?fal_max_queue_length=1", json={})
    other = http.post(f"{lab.url}/queue/lab/echo?fal_max_queue_length=1", json={})

    assert answer.status_code == 429
    assert answer.json()["error_type"] == "concurrent_requests_limit"
    assert other.status_code == 200


def test_the_queue_of_the_server_has_an_end(start: Callable[..., Host], http: httpx.Client) -> None:
    """More than the server can hold is refused with 429."""
    lab = start(workers=1, max_queued=2)
    codes = [http.post(f"{lab.url}/queue/lab/wait", json={}).status_code for _ in range(6)]

    assert codes[0] == 200
    assert codes[-1] == 429


def test_a_bad_input_is_taken_and_told_as_the_result(
    server: str, http: httpx.Client, finished: Finished
) -> None:
    """Submit does not judge the input; the status names the error, and the result is the 422."""
    ticket = http.post(f"{server}/queue/fal-ai/flux-vision-upscaler", json={"upscale_factor": 9}).json()
    status = finished(ticket)
    answer = http.get(ticket["response_url"])
    kinds = {tuple(entry["loc"]): entry["type"] for entry in answer.json()["detail"]}

    assert status["error_type"] in ("missing", "less_than_equal")
    assert "upscale_factor: Input should be less than or equal to 4" in status["error"]
    assert answer.status_code == 422
    assert answer.headers["x-fal-billable-units"] == "0"
    assert kinds == {("body", "image_url"): "missing", ("body", "upscale_factor"): "less_than_equal"}


@pytest.mark.parametrize(
    "name", ["fal-ai/fast-sdxll", "nonsense", "a//b", "fal-ai/fast-sdxl/nothing", "%2e%2e/etc/passwd"]
)
def test_an_unknown_endpoint_is_named_with_the_nearest(server: str, http: httpx.Client, name: str) -> None:
    """The sentence helps: what was asked for, and what there is."""
    answer = http.post(f"{server}/queue/{name}", json={})

    assert answer.status_code == 404
    assert "The nearest here:" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "verb"), [("GET", "/status"), ("GET", ""), ("PUT", "/cancel"), ("GET", "/status/stream")]
)
def test_an_unknown_request_is_not_found(server: str, http: httpx.Client, method: str, verb: str) -> None:
    """So is a request of another endpoint."""
    made = http.post(f"{server}/queue/local/collage", json={"prompt": "x", "image_size": SMALL}).json()[
        "request_id"
    ]
    unknown = http.request(method, f"{server}/queue/local/collage/requests/no-such-id{verb}")
    foreign = http.request(method, f"{server}/queue/local/upscale/requests/{made}{verb}")

    for answer in (unknown, foreign):
        assert (answer.status_code, answer.json()) == (404, {"status": "NOT_FOUND"})


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(server: str, http: httpx.Client, body: bytes) -> None:
    """With a sentence, at once."""
    answer = http.post(f"{server}/queue/local/collage", content=body)

    assert answer.status_code == 422
    assert "JSON" in answer.json()["detail"]


def test_a_body_that_is_too_large_is_refused(server: str, http: httpx.Client) -> None:
    """16 MiB of JSON is the limit; the answer says what to do instead."""
    answer = http.post(f"{server}/queue/local/collage", content=b'{"prompt": "' + b"x" * 17 * 2**20 + b'"}')

    assert answer.status_code == 413
    assert "upload" in answer.json()["detail"]


def test_the_wrong_method_is_told(lab: Host, http: httpx.Client, finished: Finished) -> None:
    """Cancel takes PUT, everything else about a request GET, an endpoint POST."""
    ticket = _submit(http, lab, "echo")
    finished(ticket)
    answers = [
        http.get(ticket["cancel_url"]),
        http.put(ticket["status_url"]),
        http.get(f"{lab.url}/queue/lab/echo"),
    ]

    assert [answer.status_code for answer in answers] == [405, 405, 405]


def test_finished_requests_are_kept_for_a_while_only(
    start: Callable[..., Host], http: httpx.Client, finished: Finished
) -> None:
    """The oldest results make room for new ones."""
    lab = start(kept_runs=3)
    tickets = []
    for index in range(5):
        tickets.append(_submit(http, lab, "echo", index=index))
        finished(tickets[-1])
    codes = [http.get(ticket["response_url"]).status_code for ticket in tickets]

    assert codes == [404, 404, 200, 200, 200]


def test_results_expire(start: Callable[..., Host], http: httpx.Client, finished: Finished) -> None:
    """After the time for which results are kept, the request is unknown."""
    lab = start(kept_seconds=0.3)
    ticket = _submit(http, lab, "echo")
    finished(ticket)
    time.sleep(0.4)

    assert http.get(ticket["response_url"]).status_code == 404


def test_five_hundred_requests_are_all_answered(lab: Host, http: httpx.Client) -> None:
    """Many at once only wait longer."""

    def one(index: int) -> Any:
        ticket = _submit(http, lab, "echo", index=index)
        http.get(f"{ticket['status_url']}/stream")
        return http.get(ticket["response_url"]).json()["given"]["index"]

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(one, range(500))) == list(range(500))
