from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbkit.server.host import Host

    Finished = Callable[[dict[str, Any]], dict[str, Any]]

STEP = {"type": "run", "id": "a", "app": "lab/echo", "depends": ["input"], "input": {"text": "$input.text"}}
EXPORTED = {
    "name": "demo",
    "version": "0.1",
    "schema": {
        "input": {
            "type": "object",
            "properties": {"text": {"type": "string", "description": "Any words"}},
            "required": ["text"],
        },
        "output": {},
    },
    "nodes": {"a": STEP},
    "output": {"said": "$a.given.text"},
}
EXECUTED = {
    "input": {"id": "input", "type": "input", "depends": [], "input": {"text": "hello"}},
    "a": STEP,
    "output": {"id": "output", "type": "display", "depends": ["a"], "fields": {"said": "$a.given.text"}},
}
EDITED = {
    "name": "demo",
    "version": "1",
    "schema": {
        "input": {
            "text": {"name": "text", "label": "Text", "type": "string", "required": True, "modelId": "a"}
        }
    },
    "nodes": {
        "a": STEP,
        "output": {
            "id": "output",
            "type": "display",
            "depends": ["a"],
            "input": {},
            "fields": {"said": "$a.given.text"},
        },
    },
    "output": {"said": "$a.given.text"},
    "metadata": {"position": {"x": 1}},
}


def _save(
    http: httpx.Client, origin: str, name: str, contents: Any = EXPORTED, **more: Any
) -> httpx.Response:
    body = {"name": name, "title": f"The {name}", "contents": contents, "is_public": True, **more}
    return http.post(f"{origin}/rest/workflows/", json=body)


@pytest.mark.parametrize("contents", [EXPORTED, EXECUTED, EDITED], ids=["exported", "executed", "edited"])
def test_a_saved_workflow_runs_in_every_way(
    start: Callable[..., Host], http: httpx.Client, finished: Finished, contents: Any
) -> None:
    """Of each dialect: directly, through the queue and as a stream."""
    url = start().url
    assert _save(http, url, "demo", contents).status_code == 201
    given = {"text": "hi"}
    direct = http.post(f"{url}/run/workflows/local/demo", json=given).json()
    ticket = http.post(f"{url}/queue/workflows/local/demo", json=given).json()
    finished(ticket)
    queued = http.get(ticket["response_url"]).json()
    stream = http.post(f"{url}/run/workflows/local/demo/stream", json=given).text
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]

    assert direct == queued == events[-1]["output"] == {"said": "hi"}
    assert [event["type"] for event in events] == ["submit", "completion", "output"]
    assert ticket["status_url"].startswith(f"{url}/queue/workflows/local/demo/requests/")


def test_what_it_needs_is_asked_for_and_described(start: Callable[..., Host], http: httpx.Client) -> None:
    """A missing input is a 422; the input has a schema, and the list of endpoints names the workflow."""
    url = start().url
    _save(http, url, "demo")
    refused = http.post(f"{url}/run/workflows/local/demo", json={})
    described = http.get(f"{url}/openapi.json", params={"endpoint_id": "workflows/local/demo"}).json()
    listed = http.get(f"{url}/api/v1/models", params={"endpoint_id": "workflows/local/demo"}).json()["models"]

    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "text"])
    schema = described["components"]["schemas"]["WorkflowInput"]
    assert schema["properties"]["text"]["description"] == "Any words"
    assert schema["required"] == ["text"]
    assert [entry["metadata"]["display_name"] for entry in listed] == ["The demo"]


def test_the_types_of_inputs_are_described_and_checked(
    start: Callable[..., Host], http: httpx.Client
) -> None:
    """A form gets the right controls, and a wrong value is refused before any step runs."""
    url = start().url
    text = {"type": "string", "maxLength": 3, "enum": ["a", "b"], "default": "a", "pattern": ".", "ui": 4}
    size = {"$ref": "#/$defs/Size"}
    defined = {"Size": {"type": "object", "properties": {"width": {"type": "integer"}}}}
    declared = {"type": "object", "$defs": defined, "properties": {"text": text, "size": size}}
    gives = {"type": "object", "properties": {"said": {"type": "string"}}}
    contents = {**EXPORTED, "schema": {"input": {**declared, "required": ["size"]}, "output": gives}}
    _save(http, url, "typed", contents)
    described = http.get(f"{url}/openapi.json", params={"endpoint_id": "workflows/local/typed"}).json()
    refused = http.post(f"{url}/run/workflows/local/typed", json={"text": "c", "size": {"width": "x"}})

    schemas = described["components"]["schemas"]
    assert schemas["WorkflowInput"]["properties"] == {
        "text": {"type": "string", "maxLength": 3, "enum": ["a", "b"], "default": "a"},
        "size": defined["Size"],
    }
    assert schemas["WorkflowOutput"]["properties"] == gives["properties"]
    assert {tuple(entry["loc"]) for entry in refused.json()["detail"]} == {
        ("body", "text"),
        ("body", "size", "width"),
    }


def test_a_workflow_is_read_changed_and_deleted(start: Callable[..., Host], http: httpx.Client) -> None:
    """With fal's own status codes."""
    url = start().url
    made = _save(http, url, "demo")
    address = f"{url}/rest/workflows/local/demo"
    read = http.get(address)
    contents = {**EXPORTED, "output": {"other": "$a.given.text"}}
    changed = http.patch(address, json={"title": "Another", "contents": contents})
    ran = http.post(f"{url}/run/workflows/local/demo", json={"text": "x"}).json()
    gone = http.delete(address)

    assert (made.status_code, read.status_code, changed.status_code, gone.status_code) == (201, 200, 201, 204)
    assert made.json() == read.json()
    assert set(read.json()) == {
        "name",
        "title",
        "contents",
        "is_public",
        "user_id",
        "user_nickname",
        "created_at",
    }
    assert read.json()["contents"] == EXPORTED
    assert changed.json() == {**read.json(), "title": "Another", "contents": contents}
    assert ran == {"other": "x"}
    assert gone.content == b""
    for method in ("GET", "PATCH", "DELETE"):
        assert http.request(method, address, json={}).status_code == 404
    assert http.post(f"{url}/run/workflows/local/demo", json={"text": "x"}).status_code == 404


def test_workflows_are_listed_by_pages(start: Callable[..., Host], http: httpx.Client) -> None:
    """Newest first."""
    url = start().url
    for number in range(5):
        _save(http, url, f"demo-{number}")
    listed = http.get(f"{url}/rest/workflows/", params={"page": 2, "size": 2}).json()
    whole = http.get(f"{url}/rest/workflows").json()

    assert [item["name"] for item in listed["items"]] == ["demo-2", "demo-1"]
    assert {name: listed[name] for name in ("total", "page", "size", "pages")} == {
        "total": 5,
        "page": 2,
        "size": 2,
        "pages": 3,
    }
    assert set(listed["items"][0]) == {"name", "title", "user_id", "user_nickname", "created_at"}
    assert (whole["size"], len(whole["items"])) == (50, 5)


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "size=0", "size=101", "page=-1", "page=%D9%A1", "page=" + "9" * 50]
)
def test_a_page_that_is_none_is_refused(server: str, http: httpx.Client, query: str) -> None:
    """As FastAPI would."""
    answer = http.get(f"{server}/rest/workflows/?{query}")

    assert (answer.status_code, answer.json()["detail"][0]["loc"][0]) == (422, "query")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "../../etc/passwd"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "a.json"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "ä"}, "name"),
        ({"name": "a" * 129}, "name"),
        ({"title": 5}, "title"),
        ({"is_public": "yes"}, "is_public"),
        ({"contents": None}, "contents"),
        ({"contents": {}}, "contents"),
        ({"contents": {**EXPORTED, "metadata": "x" * 2**20}}, "contents"),
        ({"contents": {**EXPORTED, "nodes": {"a": {**STEP, "input": {"x": "$nothing.y"}}}}}, "contents"),
        ({"contents": {**EXPORTED, "nodes": {"a": {**STEP, "depends": ["a"]}}}}, "contents"),
    ],
)
def test_what_is_no_workflow_is_refused(
    lab: Host, http: httpx.Client, change: dict[str, Any], field: str
) -> None:
    """By its field, and nothing is written."""
    body = {"name": "refused", "title": "Refused", "contents": EXPORTED, **change}
    answer = http.post(f"{lab.url}/rest/workflows/", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", field]
    assert not list(lab.app.state.service.settings.data_dir.rglob("*refused*"))


def test_a_definition_that_is_nested_deep_is_kept_or_refused(
    start: Callable[..., Host], http: httpx.Client
) -> None:
    """Never an error of the server's own."""
    url = start().url
    for depth in (100, 400, 900, 5000, 100_000):
        contents = json.dumps(EXPORTED)[:-1] + ', "metadata": ' + "[" * depth + "]" * depth + "}"
        body = f'{{"name": "deep-{depth}", "contents": {contents}}}'
        assert http.post(f"{url}/rest/workflows/", content=body).status_code in (201, 422)

    assert http.get(f"{url}/rest/workflows/").status_code == 200


def test_a_name_is_given_once_however_many_ask(start: Callable[..., Host]) -> None:
    """At the same moment."""
    url = start().url
    with httpx.Client() as client, ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(lambda _: _save(client, url, "demo").status_code, range(16)))

    assert codes == [201] + [400] * 15


def test_names_are_taken_once_and_kept(start: Callable[..., Host], http: httpx.Client) -> None:
    """A second of the same name is refused, and so is another name for the first."""
    url = start().url
    _save(http, url, "demo")

    assert _save(http, url, "demo").status_code == 400
    assert http.patch(f"{url}/rest/workflows/local/demo", json={"name": "other"}).status_code == 422
    assert http.get(f"{url}/rest/workflows/someone/demo").status_code == 404


def test_workflows_survive_a_restart_and_damage_to_others(
    start: Callable[..., Host], http: httpx.Client, tmp_path: Path
) -> None:
    """They are files; what is no workflow among them is left alone."""
    first = start(data_dir=tmp_path)
    _save(http, first.url, "demo")
    first.stop()
    folder = tmp_path / "workflows"
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[]")
    (folder / "renamed.json").write_text((folder / "demo.json").read_text().replace("The demo", "A copy"))
    url = start(data_dir=tmp_path).url
    listed = http.get(f"{url}/rest/workflows/").json()["items"]

    assert [(item["name"], item["title"]) for item in listed] == [("demo", "The demo")]
    assert http.post(f"{url}/run/workflows/local/demo", json={"text": "x"}).json() == {"said": "x"}
    assert (folder / "broken.json").exists()


def test_the_nickname_can_be_chosen(start: Callable[..., Host], http: httpx.Client) -> None:
    """`--nickname`: workflows are then published under it."""
    url = start(nickname="ann").url
    made = _save(http, url, "demo").json()

    assert made["user_nickname"] == "ann"
    assert http.post(f"{url}/run/workflows/ann/demo", json={"text": "x"}).json() == {"said": "x"}


def test_a_workflow_that_calls_itself_ends(start: Callable[..., Host], http: httpx.Client) -> None:
    """With a refusal that says why, long before the memory is full."""
    url = start(max_queued=300).url
    nodes = {
        f"n{number}": {"type": "run", "app": "workflows/local/again", "input": {}} for number in range(20)
    }
    _save(http, url, "again", {"nodes": nodes, "output": {"x": "$n0.x"}})
    answer = http.post(f"{url}/run/workflows/local/again", json={})

    assert answer.status_code == 422
    assert http.get(f"{url}/health").status_code == 200
