"""The local server beside genuine ones: the recorded requests, and how its answers differ from the recorded ones."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit.wire.sse import Decoder
from tests.dify_recordings import NEW, OLD, STREAMS, names, recording
from tests.dify_requests import requests, translated, translated_message
from tests.json_shape import Shape, differences, joined, shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbkit.server.host import Host
    from tests.dify_recordings import Recording
    from tests.dify_requests import Asked

ERAS = {OLD: "0.6", NEW: "1.13"}
FREE = (
    "execution_metadata",  # tools say which they are, and none was recorded
    "inputs",
    "outputs",
    "process_data",
    "user_input_form",
    "system_parameters",
    "file_upload",
)
HEADERS = (
    "content-type",
    "x-version",
    "x-env",
    "www-authenticate",
    "allow",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "set-cookie",
    "vary",
)
KEY, STICKER = "app-local-text-to-image", "app-local-sticker"
NOT_ALIKE = {
    "30b-missing-required-streaming": "the genuine one of 2026 says nothing for 300 s",
    "31m-options": "only pages of this machine may ask",
    "33f-run-by-draft-id": "the local apps have no drafts",
}
NUMBERS = re.compile(r"0[1-46]|20.*call|21|3[0-4]|42[bdef]")
CASES = [
    (version, name)
    for version in ERAS
    for name in requests(version)
    if NUMBERS.match(name) and name not in NOT_ALIKE
]


@pytest.fixture(scope="module")
def ids(hosts: dict[str, Host]) -> dict[str, dict[str, str]]:
    """What stands in place of the ids that were recorded: those of a local run."""
    return {version: dict(_ids(version, hosts[era].url)) for version, era in ERAS.items()}


def _ids(version: str, url: str) -> Iterator[tuple[str, str]]:
    inputs = {"prompt": "a cat", "width": 64, "height": 64}
    body = {"inputs": inputs, "response_mode": "blocking", "user": "u1"}
    answer = httpx.post(f"{url}/v1/workflows/run", json=body, headers={"authorization": f"Bearer {KEY}"})
    local, genuine = answer.json(), recording(f"{version}/01-image-blocking.http").json
    yield genuine["data"]["id"], local["data"]["id"]
    yield requests(version)["33-run-by-id"].path.split("/")[3], local["data"]["workflow_id"]


@pytest.mark.parametrize(("version", "name"), CASES, ids=[f"{version}/{name}" for version, name in CASES])
def test_an_answer_is_like_the_recorded_one(
    hosts: dict[str, Host], ids: dict[str, dict[str, str]], version: str, name: str
) -> None:
    """The same question has an answer of the same status, headers, keys, types, code and words."""
    source = recording(f"{version}/{name}.http")
    asked = translated(requests(version)[name], STICKER if name.startswith("04b") else KEY, ids[version])
    answer = ask(hosts[ERAS[version]].url, asked)

    assert list(unlike(source, answer, version)) == []


def ask(url: str, asked: Asked) -> httpx.Response:
    """Send a request."""
    return httpx.request(
        asked.method,
        url + asked.path,
        headers=asked.headers,
        content=asked.body,
        timeout=30,
    )


def unlike(source: Recording, answer: httpx.Response, version: str) -> Iterator[str]:
    """How an answer differs from a recorded one."""
    if answer.status_code != source.status:
        yield f"status {answer.status_code}, not {source.status}: {answer.text[:200]}"
        return
    for name in HEADERS:
        if answer.headers.get(name) != source.headers.get(name):
            yield f"{name}: {answer.headers.get(name)!r}, not {source.headers.get(name)!r}"
    if source.is_stream:
        yield from unlike_stream(source, answer, version)
    elif "json" in source.headers["content-type"]:
        seen = seen_answers(version, frozenset(source.json))
        yield from differences(seen, shape(answer.json()), free=FREE)
        for word in ("code", "message", "status", "params"):
            told, got = source.json.get(word), answer.json().get(word)
            if isinstance(told, (str, int)) and translated_message(str(told)) != str(got):
                yield f"{word} {got!r}, not {told!r}"
    elif source.body != answer.content:
        yield f"the body is {answer.content[:200]!r}"


def unlike_stream(source: Recording, answer: httpx.Response, version: str) -> Iterator[str]:
    """How the events of a stream differ from recorded ones."""
    events = [json.loads(sent.data) for sent in Decoder().feed(answer.content)]
    order = order_of(answer.content, events)
    if order != order_of(source.body, source.events):
        yield f"order {order}, not {order_of(source.body, source.events)}"
    for event in events:
        seen = seen_events(version)[event["event"]]
        yield from differences(seen, shape(event), free=FREE, at=event["event"])


def order_of(body: bytes, events: list[dict[str, Any]]) -> list[str]:
    """The kinds of the events, where what is repeated stands once: steps and pieces of text."""
    kinds = [event["event"] for event in events]
    steps = " ".join(kinds)
    once = re.sub(r"(node_started (text_chunk )*node_finished )+", "steps ", steps)
    return ["ping" if body.startswith(b"event: ping") else "", *once.split()]


@cache
def seen_events(version: str) -> dict[str, Shape]:
    """The shape of each kind of event over all recorded streams of a version."""
    told = [event for name in STREAMS if name.startswith(version) for event in recording(name).events]
    kinds = {event["event"] for event in told}
    return {kind: joined(shape(event) for event in told if event["event"] == kind) for kind in kinds}


@cache
def seen_answers(version: str, keys: frozenset[str]) -> Shape:
    """The shape of all recorded answers of a version that have these keys."""
    found = [recording(name) for name in names(".http") if name.startswith(version)]
    bodies = [it.json for it in found if it.body and "json" in it.headers["content-type"]]
    return joined(shape(body) for body in bodies if body.keys() == keys)


BROKEN: list[tuple[str, str, Any, str]] = [
    ("01-image-blocking", "status", 201, "status 201, not 200"),
    ("01-image-blocking", "content-type", "text/html", "content-type: 'text/html'"),
    ("01-image-blocking", "data.elapsed_time", "0.1", "$.data.elapsed_time is string, not number"),
    ("01-image-blocking", "data.task_id", "x", "$.data.task_id is new"),
    ("30-missing-required", "code", "invalid", "code 'invalid', not 'invalid_param'"),
    ("30-missing-required", "message", "no", "message 'no'"),
]


@pytest.mark.parametrize(("name", "place", "value", "told"), BROKEN, ids=[case[1] for case in BROKEN])
def test_a_broken_answer_is_found_out(name: str, place: str, value: Any, told: str) -> None:
    """A recorded answer is like itself; with one thing broken it is not, and the difference is named."""
    source = recording(f"{NEW}/{name}.http")
    body, headers, status = source.json, dict(source.headers), source.status
    same = httpx.Response(status, headers=headers, content=source.body)
    if place == "status":
        status = value
    elif place in headers:
        headers[place] = value
    else:
        *above, last = place.split(".")
        (body[above[0]] if above else body)[last] = value
    headers.pop("content-length")
    broken = httpx.Response(status, headers=headers, content=json.dumps(body))

    assert list(unlike(source, same, NEW)) == []
    assert [it for it in unlike(source, broken, NEW) if it.startswith(told)]


@pytest.mark.parametrize("name", ["02-image-streaming", "33b-run-by-id-streaming"])
def test_a_broken_stream_is_found_out(name: str) -> None:
    """A recorded stream is like itself; without an event, or with one of another shape, it is not."""
    source = recording(f"{NEW}/{name}.http")

    def told(content: bytes) -> list[str]:
        return list(unlike(source, httpx.Response(200, headers=source.headers, content=content), NEW))

    assert told(source.body) == []
    assert told(source.body.replace(b"event: ping\n\n", b""))[0].startswith("order")
    assert told(source.body.replace(b'"workflow_started"', b'"workflow_paused"'))[0].startswith("order")
    assert told(source.body.replace(b'"total_steps":', b'"steps":')) == [
        "workflow_finished.data.total_steps is missing",
        "workflow_finished.data.steps is new",
    ]
