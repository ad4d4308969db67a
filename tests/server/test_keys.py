"""Users with keys of their own: who gets in, what each sees, and what revoking ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from nbkit.server.key_file import add_key, revoke_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbkit.server.host import Host
    from tests.server.conftest import CommandLine

OWN = "the-owner's-key"


class Lab:
    """A server with a file of two users' keys, and a client for each."""

    def __init__(self, start: Callable[..., Host], folder: Path, **settings: Any) -> None:
        self.file = folder / "keys"
        self.keys = {name: add_key(self.file, name) for name in ("anna", "bert")} | {"owner": OWN}
        self.open: list[httpx.Client] = []
        self.host = start(keys_file=self.file, key=OWN, **settings)
        self.clients = {name: self.client(key) for name, key in self.keys.items()}

    def client(self, key: str, scheme: str = "Key") -> httpx.Client:
        """A client that shows a key."""
        headers = {"authorization": f"{scheme} {key}"}
        self.open.append(httpx.Client(base_url=self.host.url, headers=headers, timeout=20, trust_env=False))
        return self.open[-1]

    def revoke(self, name: str) -> None:
        """Take a user's keys away, and wait until the server has seen it."""
        revoke_keys(self.file, name)
        while self.clients[name].get("/api/v1/models").status_code == 200:
            time.sleep(0.01)


@pytest.fixture
def with_users(start: Callable[..., Host], tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Start a server with two users and the owner."""
    labs: list[Lab] = []

    def begin(**settings: Any) -> Lab:
        labs.append(Lab(start, tmp_path, **settings))
        return labs[-1]

    yield begin
    for client in (client for lab in labs for client in lab.open):
        client.close()


@pytest.fixture
def users(with_users: Callable[..., Lab]) -> Lab:
    """Two users and the owner."""
    return with_users()


def test_each_user_gets_in_by_each_scheme(users: Lab) -> None:
    """fal's, the usual one, a query and Dify's."""
    key = users.keys["anna"]
    models = "/api/v1/models"
    dify = users.client(f"app-{key}-text-to-image", "Bearer").get("/v1/info")

    assert users.client(key).get(models).status_code == 200
    assert users.client(key, "Bearer").get(models).status_code == 200
    assert users.client("x").get(models, params={"fal_jwt_token": key}).status_code == 200
    assert dify.json()["name"] == "text-to-image"
    for wrong in ("x", key[:-1], f"{key}x", key.upper(), "anna", "-"):
        assert users.client(wrong).get(models).status_code == 401
        assert users.client(f"app-{wrong}-sticker", "Bearer").get("/v1/info").status_code == 401


def test_nobody_sees_or_cancels_anothers_request(users: Lab) -> None:
    """To another user it is as if it were not there; the server's owner sees all."""
    anna, bert, owner = (users.clients[name] for name in ("anna", "bert", "owner"))
    sent = {"x-nbkit-run": "mine"}
    ticket = anna.post("/queue/lab/wait", json={"seconds": 30}, headers=sent).json()
    foreign = [
        bert.get(ticket["status_url"]),
        bert.get(f"{ticket['status_url']}/stream"),
        bert.get(ticket["response_url"]),
        bert.put(ticket["cancel_url"]),
    ]
    named = {
        name: client.get("/api/v1/requests?name=mine").json()["requests"]
        for name, client in users.clients.items()
    }
    own = anna.get(ticket["status_url"]).status_code
    seen = owner.put(ticket["cancel_url"])

    assert [(answer.status_code, answer.json()) for answer in foreign] == [(404, {"status": "NOT_FOUND"})] * 4
    assert [len(named[name]) for name in ("anna", "bert", "owner")] == [1, 0, 1]
    assert own == 202
    assert seen.status_code in (200, 202)


def test_a_request_is_its_users_after_a_restart_too(serve: type[CommandLine], tmp_path: Path) -> None:
    """The journal knows whose it is."""
    file = tmp_path / "keys"
    anna, bert = ({"authorization": f"Key {add_key(file, name)}"} for name in ("anna", "bert"))
    options = ("--port", "0", "--data-dir", str(tmp_path / "data"), "--keys-file", str(file))
    first = serve(*options)
    url = first.url()
    small = {"prompt": "a cat", "image_size": {"width": 64, "height": 64}}
    ticket = httpx.post(f"{url}/queue/local/collage", json=small, headers=anna).json()
    while httpx.get(ticket["status_url"], headers=anna).status_code == 202:
        time.sleep(0.02)
    first.end()
    second = serve(*options)
    result = ticket["response_url"].replace(url, second.url())
    seen = [httpx.get(result, headers=headers).status_code for headers in (anna, bert)]
    second.end()

    assert seen == [200, 404]


def test_dify_runs_are_kept_apart_too(users: Lab) -> None:
    """Each user has the apps for themselves."""
    given = {"inputs": {"prompt": "a cat", "width": 64, "height": 64}, "user": "me"}
    anna, bert = (
        users.client(f"app-{users.keys[name]}-text-to-image", "Bearer") for name in ("anna", "bert")
    )
    run = anna.post("/v1/workflows/run", json=given).json()["workflow_run_id"]

    assert anna.get(f"/v1/workflows/run/{run}").json()["status"] == "succeeded"
    assert bert.get(f"/v1/workflows/run/{run}").status_code == 404
    assert [client.get("/v1/workflows/logs").json()["total"] for client in (anna, bert)] == [1, 0]


def test_revoking_ends_new_requests_and_open_streams_at_once(users: Lab) -> None:
    """What was sent before is computed; who sent it hears no more of it."""
    anna = users.clients["anna"]
    ticket = anna.post("/queue/lab/wait", json={"seconds": 20}).json()
    token = anna.post("/rest/tokens/", json={"allowed_apps": ["lab/echo"], "token_expiration": 60}).json()
    ended: list[str] = []
    following = threading.Thread(
        target=lambda: ended.append(anna.get(f"{ticket['status_url']}/stream", timeout=15).text)
    )
    following.start()
    address = users.host.url.replace("http", "ws") + f"/run/lab/echo/realtime?fal_jwt_token={token}"
    with connect(address, proxy=None) as session:
        session.send("{}")
        session.recv(timeout=10)
        users.revoke("anna")
        with pytest.raises(ConnectionClosed):
            session.recv(timeout=10)
    following.join(10)
    alive = users.clients["bert"].get("/api/v1/models").status_code
    again = users.client("x").get(f"/run/lab/echo/realtime?fal_jwt_token={token}")
    users.clients["owner"].put(ticket["cancel_url"])

    assert not following.is_alive()
    assert "COMPLETED" not in ended[0]
    assert (alive, again.status_code) == (200, 401)


def test_a_user_has_only_so_many_requests_at_once(with_users: Callable[..., Lab]) -> None:
    """One user's sweep leaves room for the others; whoever waits for an end may send again."""
    lab = with_users(max_runs_per_user=2)
    anna, bert = lab.clients["anna"], lab.clients["bert"]
    tickets = [anna.post("/queue/lab/wait", json={"seconds": 30}).json() for _ in range(2)]
    refused = [anna.post(f"/{way}/lab/echo", json={}) for way in ("queue", "run")]
    other = bert.post("/run/lab/echo", json={}).status_code
    anna.put(tickets[0]["cancel_url"])
    deadline = time.monotonic() + 10
    while (after := anna.post("/run/lab/echo", json={}).status_code) == 429:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    anna.put(tickets[1]["cancel_url"])

    assert [answer.status_code for answer in refused] == [429, 429]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert "2 of your requests" in refused[0].json()["detail"]
    assert (other, after) == (200, 200)


def test_a_running_server_takes_changes_and_keeps_the_keys_of_before_where_it_cannot(
    serve: type[CommandLine], tmp_path: Path
) -> None:
    """By itself within a second, at SIGHUP at once; a broken file locks nobody out and is told without its content."""
    file = tmp_path / "keys"
    anna = {"authorization": f"Key {add_key(file, 'anna')}"}
    command = serve("--port", "0", "--data-dir", str(tmp_path / "data"), "--keys-file", str(file))
    url = f"{command.url()}/api/v1/models"

    def until(status: int, headers: dict[str, str]) -> None:
        deadline = time.monotonic() + 10
        while httpx.get(url, headers=headers).status_code != status:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    until(200, anna)
    bert = {"authorization": f"Key {add_key(file, 'bert')}"}
    until(200, bert)
    good = file.read_text()
    file.write_text(f"{good}a-key-as-it-is\n")
    os.kill(command.process.pid, signal.SIGHUP)
    time.sleep(1.5)
    until(200, anna)
    file.write_text(good)
    revoke_keys(file, "anna")
    os.kill(command.process.pid, signal.SIGHUP)
    until(401, anna)
    until(200, bert)
    code, errors = command.end()

    assert code == 0
    assert "line 3 of" in errors
    assert "the keys of before are taken still" in errors
    assert "a-key-as-it-is" not in errors


@pytest.mark.parametrize("content", [None, "plain-key\n"])
def test_a_server_does_not_start_with_a_bad_file(
    serve: type[CommandLine], tmp_path: Path, content: str | None
) -> None:
    """One line says what is wrong."""
    file = tmp_path / "keys"
    if content:
        file.write_text(content)
        file.chmod(0o600)
    command = serve("--port", "0", "--data-dir", str(tmp_path / "data"), "--keys-file", str(file))
    _, errors = command.process.communicate(timeout=20)

    assert command.process.returncode == 1
    assert len(errors.splitlines()) <= 2
    assert "plain-key" not in errors
    assert str(file) in errors
