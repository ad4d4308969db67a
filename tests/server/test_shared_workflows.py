from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from tests.killable_server import at

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.killable_server import Killable


def definition(**step: Any) -> dict[str, Any]:
    """A workflow of one step."""
    nodes = {"only": {"id": "only", "type": "run", "app": "lab/echo", "input": step, "depends": []}}
    return {"nodes": nodes, "output": {"said": "$only.given"}}


def run(http: httpx.Client, server: Killable) -> httpx.Response:
    """Call the workflow `mine` of a server."""
    return http.post(f"{server.url}/run/workflows/local/mine", json={})


def test_what_one_server_saves_the_other_can_call_at_once(
    pair: tuple[Killable, Killable], http: httpx.Client
) -> None:
    """Again and again, so that no luck of timing is needed; changed and deleted too."""
    here, there = pair
    rest = f"{here.url}/rest/workflows"
    saved = http.post(f"{rest}/", json={"name": "mine", "contents": definition(turn=0)})
    answers, listed = [run(http, there)], http.get(f"{there.url}/rest/workflows/").json()["items"]
    for turn in range(1, 20):
        http.patch(f"{rest}/local/mine", json={"contents": definition(turn=turn)}).raise_for_status()
        answers.append(run(http, there))
    queued = http.post(f"{there.url}/queue/workflows/local/mine", json={}).status_code
    http.delete(at(there, f"{rest}/local/mine")).raise_for_status()
    gone = [run(http, server).status_code for server in pair]

    assert saved.status_code == 201
    assert [answer.json() for answer in answers] == [{"said": {"turn": turn}} for turn in range(20)]
    assert [each["name"] for each in listed] == ["mine"]
    assert (queued, gone) == (200, [404, 404])


def test_a_name_is_given_once(pair: tuple[Killable, Killable], http: httpx.Client) -> None:
    """Whichever server is asked second."""
    facts = {"name": "mine", "contents": definition()}
    answers = [http.post(f"{server.url}/rest/workflows/", json=facts) for server in pair]

    assert [answer.status_code for answer in answers] == [201, 400]
    assert "already" in answers[1].json()["detail"]


def test_a_new_server_knows_them_and_junk_in_the_table_hurts_none(
    begin: Callable[..., Killable], http: httpx.Client, database: str
) -> None:
    """What cannot be read is left alone."""
    facts = {"name": "mine", "contents": definition(a=1)}
    http.post(f"{begin().url}/rest/workflows/", json=facts).raise_for_status()
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO nbkit.workflows VALUES ('local', 'junk', '[]'), ('local', 'x', '[')")
    later = begin()

    assert run(http, later).json() == {"said": {"a": 1}}
    assert [each["name"] for each in http.get(f"{later.url}/rest/workflows").json()["items"]] == ["mine"]
