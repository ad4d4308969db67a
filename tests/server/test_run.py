from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbkit.server.host import Host

SMALL = {"width": 64, "height": 64}
CHAIN: dict[str, Any] = {
    "nodes": {
        "first": {"type": "run", "app": "lab/echo", "depends": ["input"], "input": {"text": "$input.text"}},
        "second": {
            "type": "run",
            "app": "lab/echo",
            "depends": ["first"],
            "input": {"inner": "$first.given"},
        },
    },
    "output": {"result": "$second.given.inner.text"},
}


def _events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = answer.text.split("\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def _node(app: str, depends: list[str], **given: Any) -> dict[str, Any]:
    return {"type": "run", "app": app, "depends": depends, "input": given}


def test_a_direct_call_gives_the_output(server: str, http: httpx.Client) -> None:
    """No queue, no ticket: the answer is the model's output, labelled as a stand-in's."""
    answer = http.post(
        f"{server}/run/fal-ai/flux/schnell", json={"prompt": "a cat", "image_size": SMALL, "seed": 1}
    )

    assert answer.status_code == 200
    assert answer.headers["x-nbkit-stand-in"] == "local/collage"
    assert answer.headers["x-fal-request-id"]
    assert answer.json()["prompt"] == "a cat"


def test_a_direct_call_goes_ahead_of_the_queue(start: Callable[..., Host], http: httpx.Client) -> None:
    """Somebody waits at the other end of a direct call, so it comes next."""
    lab = start(workers=1)
    tickets = [http.post(f"{lab.url}/queue/lab/wait", json={"seconds": 0.4}).json() for _ in range(4)]
    http.post(f"{lab.url}/run/lab/echo", json={})

    assert http.get(tickets[-1]["status_url"]).json()["status"] == "IN_QUEUE"


def test_a_bad_input_is_refused_at_once(server: str, http: httpx.Client) -> None:
    """A direct call is judged before anything is computed, and costs nothing."""
    answer = http.post(
        f"{server}/run/fal-ai/flux-vision-upscaler", json={"image_url": "x", "upscale_factor": 9}
    )

    assert answer.status_code == 422
    assert answer.headers["x-fal-billable-units"] == "0"
    assert answer.json() == {
        "detail": [
            {
                "loc": ["body", "upscale_factor"],
                "msg": "Input should be less than or equal to 4",
                "type": "less_than_equal",
                "ctx": {"le": 4},
                "input": 9,
            }
        ]
    }


def test_what_does_not_start_in_time_is_given_up(
    start: Callable[..., Host], http: httpx.Client, until_running: Callable[[dict[str, Any]], None]
) -> None:
    """The start timeout holds for direct calls too."""
    lab = start(workers=1)
    until_running(http.post(f"{lab.url}/queue/lab/wait", json={"seconds": 1}).json())
    answer = http.post(f"{lab.url}/run/lab/echo", json={}, headers={"X-Fal-Request-Timeout": "0.3"})

    assert answer.status_code == 504
    assert answer.headers["x-fal-request-timeout-type"] == "user"


def test_closing_a_direct_call_cancels_it(start: Callable[..., Host], http: httpx.Client) -> None:
    """Nobody waits any more, so the worker is free for others."""
    lab = start(workers=1)
    with pytest.raises(httpx.ReadTimeout):
        http.post(f"{lab.url}/run/lab/wait", json={"seconds": 60}, timeout=0.7)
    began = time.monotonic()
    http.post(f"{lab.url}/run/lab/echo", json={})

    assert time.monotonic() - began < 5


def test_closing_a_stream_cancels_it(start: Callable[..., Host], http: httpx.Client) -> None:
    """Nobody listens any more, so the worker is free for others."""
    lab = start(workers=1)
    with http.stream("POST", f"{lab.url}/run/lab/wait/stream", json={"seconds": 60}) as answer:
        next(answer.iter_bytes())
    began = time.monotonic()
    http.post(f"{lab.url}/run/lab/echo", json={})

    assert time.monotonic() - began < 5


def test_a_model_streams_its_progress_and_then_its_result(lab: Host, http: httpx.Client) -> None:
    """Intermediate pictures are small, marked as partial, and the last event is the whole result."""
    *before, last = _events(http.post(f"{lab.url}/run/lab/tell/stream", json={"steps": 3}))
    picture = before[0]["images"][0]

    assert [event["partial"] for event in before] == [True] * 3
    assert [event["stage"] for event in before] == ["step 0", "step 1", "step 2"]
    assert picture["url"].startswith("data:image/jpeg;base64,")
    assert (picture["width"], picture["height"]) == (512, 384)
    assert last == {"steps": 3}


def test_a_stream_of_a_bad_input_is_a_plain_refusal(server: str, http: httpx.Client) -> None:
    """Errors before the first event have their own status."""
    missing = http.post(f"{server}/run/local/collage/stream", json={})
    unreadable = http.post(f"{server}/run/local/upscale/stream", json={"image_url": "data:text/plain,hello"})

    assert missing.status_code == 422
    assert unreadable.status_code == 422
    assert unreadable.json()["detail"][0]["type"] == "image_load_error"


def test_a_failure_in_the_middle_of_a_stream_is_its_last_event(lab: Host, http: httpx.Client) -> None:
    """It says what a workflow's error event says, for want of a standard."""
    answer = http.post(f"{lab.url}/run/lab/tell/stream", json={"steps": "many"})
    assert answer.status_code == 422
    *_, last = _events(
        http.post(f"{lab.url}/run/workflows/execute/stream", json=_graph(bad=_node("lab/fail", [])))
    )

    assert last["type"] == "error"


def _graph(**nodes: Any) -> dict[str, Any]:
    return {"input": {}, "workflow": {"nodes": nodes, "output": {name: f"${name}" for name in nodes}}}


@pytest.mark.parametrize(
    "workflow",
    [
        CHAIN,
        {
            "name": "saved",
            "version": "1",
            "contents": {**CHAIN, "schema": {"input": {"text": {"required": True}}}},
        },
        {
            "input": {"id": "input", "type": "input", "depends": [], "input": {"text": ""}},
            **CHAIN["nodes"],
            "output": {"id": "output", "type": "display", "depends": ["second"], "fields": CHAIN["output"]},
        },
    ],
    ids=["exported", "saved", "ad hoc"],
)
def test_a_workflow_of_each_dialect_tells_its_steps(
    lab: Host, http: httpx.Client, workflow: dict[str, Any]
) -> None:
    """`submit` and `completion` of each step, then `output`; called plainly it gives the output alone."""
    body = {"input": {"text": "hello"}, "workflow": workflow}
    events = _events(http.post(f"{lab.url}/run/workflows/execute/stream", json=body))
    plain = http.post(f"{lab.url}/run/workflows/execute", json=body)

    assert [(event["type"], event.get("node_id")) for event in events] == [
        ("submit", "first"),
        ("completion", "first"),
        ("submit", "second"),
        ("completion", "second"),
        ("output", None),
    ]
    assert events[0]["app_id"] == "lab/echo"
    assert events[0]["request_id"] != events[2]["request_id"]
    assert events[1]["output"] == {"given": {"text": "hello"}}
    assert events[-1]["output"] == plain.json() == {"result": "hello"}


def test_the_steps_of_a_workflow_can_be_asked_for(lab: Host, http: httpx.Client) -> None:
    """Each is a request of its own."""
    body = {"input": {"text": "hello"}, "workflow": CHAIN}
    first = _events(http.post(f"{lab.url}/run/workflows/execute/stream", json=body))[0]

    assert http.get(f"{lab.url}/queue/lab/echo/requests/{first['request_id']}").json() == {
        "given": {"text": "hello"}
    }


def test_a_workflow_through_the_queue_gives_its_output_alone(
    server: str, http: httpx.Client, finished: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """The sticker workflow: three steps, addresses of pictures, labelled."""
    ticket = http.post(
        f"{server}/queue/workflows/fal-ai/sdxl-sticker", json={"prompt": "a cat", "seed": 1}
    ).json()
    status = finished(ticket)
    answer = http.get(ticket["response_url"])

    assert ticket["status_url"].startswith(f"{server}/queue/workflows/fal-ai/sdxl-sticker/requests/")
    assert [entry["message"].split(":")[0] for entry in status["logs"]].count("step rembg") == 2
    assert "local/sticker" in answer.headers["x-nbkit-stand-in"]
    assert http.get(answer.json()["image"]["url"]).headers["content-type"] == "image/png"


def test_independent_steps_run_at_the_same_time(lab: Host, http: httpx.Client, tmp_path: Path) -> None:
    """Two steps that wait for each other, and would for ever one after the other, both end."""
    here = {"folder": str(tmp_path), "others": 1}
    body = _graph(a=_node("lab/meet", [], **here, name="a"), b=_node("lab/meet", [], **here, name="b"))
    answer = http.post(f"{lab.url}/run/workflows/execute", json=body)

    assert answer.json() == {"a": {"name": "a"}, "b": {"name": "b"}}


def test_a_failing_step_is_named_with_its_own_error(lab: Host, http: httpx.Client) -> None:
    """The error event holds the step's status and body; the queue's result names the step too."""
    body = _graph(good=_node("lab/echo", []), bad=_node("lab/wait", ["good"], seconds=1000))
    event = _events(http.post(f"{lab.url}/run/workflows/execute/stream", json=body))[-1]
    plain = http.post(f"{lab.url}/run/workflows/execute", json=body)

    assert (event["type"], event["node_id"], event["error"]["status"]) == ("error", "bad", 422)
    assert event["error"]["body"]["detail"][0]["loc"] == ["body", "seconds"]
    assert "'bad'" in event["message"]
    assert plain.status_code == 422
    assert plain.json()["node_id"] == "bad"
    assert plain.json()["error"] == event["error"]


def test_a_failing_step_stops_the_others(lab: Host, http: httpx.Client) -> None:
    """Nobody waits for steps whose workflow has failed."""
    began = time.monotonic()
    answer = http.post(
        f"{lab.url}/run/workflows/execute",
        json=_graph(slow=_node("lab/wait", [], seconds=50), bad=_node("lab/fail", [])),
    )

    assert answer.status_code == 500
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("workflow", "says"),
    [
        (None, "not an object"),
        ({}, "1 to 100 steps"),
        ({"nodes": {"a": _node("lab/echo", ["b"]), "b": _node("lab/echo", ["a"])}, "output": "$a"}, "circle"),
        ({"nodes": {"a": _node("lab/nothing", [])}, "output": "$a"}, "The nearest here"),
        ({"nodes": {"a": _node("lab/echo", [], x="$b.c")}, "output": "$a"}, "no step"),
        ({"nodes": {"a": _node("lab/echo", [])}}, "no output"),
    ],
)
def test_a_workflow_that_makes_no_sense_is_refused_before_it_runs(
    lab: Host, http: httpx.Client, workflow: Any, says: str
) -> None:
    """With a sentence that says what is wrong, also for streams."""
    for path in ("", "/stream"):
        answer = http.post(f"{lab.url}/run/workflows/execute{path}", json={"input": {}, "workflow": workflow})
        assert answer.status_code == 422
        assert says in answer.json()["detail"][0]["msg"]


def test_an_output_that_is_not_there_is_named(lab: Host, http: httpx.Client) -> None:
    """A reference into an output that has no such part fails with the reference's name."""
    body = {"input": {}, "workflow": {"nodes": {"a": _node("lab/echo", [])}, "output": "$a.given.nothing"}}
    answer = http.post(f"{lab.url}/run/workflows/execute", json=body)
    event = _events(http.post(f"{lab.url}/run/workflows/execute/stream", json=body))[-1]

    assert answer.status_code == 422
    assert "$a.given.nothing" in answer.json()["detail"][0]["msg"]
    assert event["type"] == "error"


def test_what_a_workflow_needs_has_to_be_given(lab: Host, http: httpx.Client) -> None:
    """Required inputs are missed before anything runs."""
    workflow = {
        **CHAIN,
        "schema": {"input": {"type": "object", "required": ["text"], "properties": {"text": {}}}},
    }
    answer = http.post(f"{lab.url}/run/workflows/execute", json={"input": {}, "workflow": workflow})

    assert answer.json()["detail"][0]["loc"] == ["body", "text"]
    assert answer.json()["detail"][0]["type"] == "missing"


def test_a_workflow_can_be_cancelled(
    lab: Host, http: httpx.Client, finished: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Its steps stop with it."""
    body = _graph(slow=_node("lab/wait", [], seconds=60))
    ticket = http.post(f"{lab.url}/queue/workflows/execute", json=body).json()
    time.sleep(0.1)
    answer = http.put(ticket["cancel_url"])
    status = finished(ticket)

    assert answer.status_code == 202
    assert status["error_type"] == "client_cancelled"
    assert http.get(ticket["response_url"]).status_code == 499
