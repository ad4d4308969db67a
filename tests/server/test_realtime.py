"""Realtime sessions on the server: who may open one, what is answered, and when it ends."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import msgpack
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import nbkit
from nbkit.errors import ServiceError
from nbkit.server import tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbkit.server.host import Host

SMALL = {"prompt": "a cat", "image_size": {"width": 64, "height": 64}}


@contextlib.contextmanager
def session(host: Host, path: str, **options: Any) -> Iterator[ClientConnection]:
    """A plain connection."""
    url = host.url.replace("http", "ws", 1) + path
    with connect(url, proxy=None, max_size=None, **options) as connection:
        yield connection


def ask(connection: ClientConnection, value: Any) -> Any:
    """Send one input and read one frame."""
    connection.send(msgpack.packb(value) if not isinstance(value, (str, bytes)) else value)
    frame = connection.recv(timeout=20)
    return json.loads(frame) if isinstance(frame, str) else msgpack.unpackb(frame)


def refusal(host: Host, path: str, **options: Any) -> int:
    """The status by which a session is refused."""
    with pytest.raises(InvalidStatus) as caught, session(host, path, **options):
        pass
    return caught.value.response.status_code


def test_each_input_gives_one_answer(lab: Host) -> None:
    """A session of a local model gives pictures whose addresses can be fetched."""
    with nbkit.Client(base_url=lab.url) as client, client.realtime("local/collage") as live:
        for seed in (1, 2):
            live.send({**SMALL, "seed": seed})
        answers = [live.receive(timeout=20) for _ in range(2)]
    url = answers[0]["images"][0]["url"]

    assert [answer["seed"] for answer in answers] == [1, 2]
    assert url.startswith(f"{lab.url}/cdn/files/")
    assert httpx.get(url, trust_env=False).headers["content-type"] == "image/png"


def test_an_input_that_is_refused_leaves_the_session_open(lab: Host) -> None:
    """Errors are told in frames of their own, and the next input is answered."""
    with session(lab, "/run/local/collage/realtime") as plain:
        refused = ask(plain, {"num_images": 99})
        garbage = ask(plain, b"\xc1")
        listed = ask(plain, [1])
        picture = ask(plain, {"prompt": "a", "x": b"bytes"})
        text = ask(plain, json.dumps(SMALL))

    assert (refused["type"], refused["error"]) == ("x-fal-error", "missing")
    assert "num_images" in refused["reason"]
    assert [it["error"] for it in (garbage, listed, picture)] == ["INVALID_INPUT"] * 3
    assert "images" in text


def test_a_model_that_fails_is_told(lab: Host) -> None:
    """The error has the service's word and reason."""
    with nbkit.Client(base_url=lab.url) as client, client.realtime("lab/fail") as live:
        live.send({})
        with pytest.raises(ServiceError) as caught:
            live.receive(timeout=20)

    assert caught.value.error_type == "runner_server_error"


def test_the_newest_input_wins(lab: Host) -> None:
    """While one is computed, only as many wait as was asked for; older ones are dropped."""
    with session(lab, "/run/lab/wait/realtime?max_buffering=1") as plain:
        for seconds in (0.6, 0.011, 0.012, 0.013):
            plain.send(msgpack.packb({"seconds": seconds}))
            time.sleep(0.02)
        answers = [msgpack.unpackb(plain.recv(timeout=10)) for _ in range(2)]
        with pytest.raises(TimeoutError):
            plain.recv(timeout=0.3)

    assert len(answers) == 2


def test_who_leaves_stops_what_is_computed(lab: Host) -> None:
    """Nobody computes for a caller who is gone."""
    with session(lab, "/run/lab/wait/realtime") as plain:
        plain.send(msgpack.packb({"seconds": 50}))
        time.sleep(0.3)
    store = lab.app.state.service.store
    deadline = time.monotonic() + 5
    while store.unfinished() and time.monotonic() < deadline:
        time.sleep(0.02)

    assert store.unfinished() == []


def test_a_session_that_is_idle_ends(start: Callable[..., Host]) -> None:
    """It says so, and clients end quietly."""
    host = start(realtime_idle=0.2)
    with nbkit.Client(base_url=host.url) as client, client.realtime("local/collage") as live:
        assert list(live) == []
    with session(host, "/run/local/collage/realtime") as plain:
        assert json.loads(plain.recv(timeout=5))["error"] == "TIMEOUT"
        with pytest.raises(ConnectionClosed):
            plain.recv(timeout=5)


def test_what_is_not_there_is_refused(lab: Host) -> None:
    """An unknown endpoint, and an address that is none of a session."""
    assert refusal(lab, "/run/acme/unknown/realtime") == 404
    assert refusal(lab, "/run/local/collage") == 404


def test_only_who_may_opens_a_session(start: Callable[..., Host]) -> None:
    """The key in a header, or a token for this app; and no page of somebody else's."""
    host = start(key="k")
    header = {"additional_headers": {"authorization": "Key k"}}
    key = host.app.state.service.token_key
    made = [tokens.issue(key, "", apps, time.time() + 60) for apps in (["collage"], ["upscale"])]
    stale, foreign = (
        tokens.issue(key, "", ["collage"], time.time() - 1),
        tokens.issue(b"other", "", ["collage"], time.time() + 60),
    )
    path = "/run/local/collage/realtime"

    with session(host, path, **header), session(host, f"{path}?fal_jwt_token={made[0]}"):
        pass
    for token in ("", made[1], stale, foreign, "x.y", made[0][:-1]):
        assert refusal(host, f"{path}?fal_jwt_token={token}") == 401
    assert refusal(host, path, additional_headers={"host": "evil.example", "authorization": "Key k"}) in (
        400,
        421,
    )


def test_pages_of_others_open_no_session(lab: Host) -> None:
    """Browsers let any page open a WebSocket to this machine, so the server looks where the page is from."""
    path = "/run/local/collage/realtime"

    assert refusal(lab, path, origin="https://evil.example") == 403
    with session(lab, path, origin="http://localhost:8888"):
        pass


def test_clients_get_tokens(start: Callable[..., Host], http: httpx.Client) -> None:
    """With and without a token, and never without the key."""
    host = start(key="k")
    key = {"authorization": "Key k"}
    asked = {"allowed_apps": ["collage"], "token_expiration": 60}
    for use_token in (True, False):
        with (
            nbkit.Client(key="k", base_url=host.url) as client,
            client.realtime("local/collage", use_token=use_token) as live,
        ):
            live.send(SMALL)
            assert live.receive(timeout=20)["images"]
    plain = http.post(f"{host.url}/rest/tokens/", json=asked, headers=key).json()
    documented = http.post(
        f"{host.url}/rest/tokens/realtime",
        json={"allowed_apps": ["local/collage/realtime"], "duration": 60},
        headers=key,
    ).json()

    assert isinstance(plain, str)
    for token in (plain, documented["token"]):
        with session(host, f"/run/local/collage/realtime?fal_jwt_token={token}"):
            pass
    assert http.post(f"{host.url}/rest/tokens/", json=asked).status_code == 401
    assert (
        http.get(f"{host.url}/queue/local/collage/requests/x/status?fal_jwt_token={plain}").status_code == 401
    )
    with (
        nbkit.Client(key="wrong", base_url=host.url) as client,
        pytest.raises(ServiceError, match="asking for a token"),
    ):
        client.realtime("local/collage").__enter__()


APPS = {"allowed_apps": ["a"]}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"allowed_apps": []},
        {"allowed_apps": "collage"},
        {"allowed_apps": [3]},
        {**APPS, "duration": 0},
        {**APPS, "duration": "long"},
        {**APPS, "duration": 10**9},
    ],
)
def test_a_token_for_nothing_is_not_given(lab: Host, http: httpx.Client, asked: dict[str, Any]) -> None:
    """Apps and a time have to be named."""
    assert http.post(f"{lab.url}/rest/tokens/realtime", json=asked).status_code == 422
