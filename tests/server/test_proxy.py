from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

PROXY = "/api/fal/proxy"
TARGET = "x-fal-target-url"
PICTURE = {"prompt": "a cat", "image_size": {"width": 64, "height": 64}, "seed": 3}


def test_what_is_meant_for_fal_is_answered_here(server: str, http: httpx.Client) -> None:
    """Direct calls, the queue with its query, storage, and this server's own addresses."""
    proxy = f"{server}{PROXY}"
    run = http.post(proxy, json=PICTURE, headers={TARGET: "https://fal.run/local/collage"})
    ticket = http.post(proxy, json=PICTURE, headers={TARGET: "https://queue.fal.run/local/collage"}).json()
    about = f"https://queue.fal.run/local/collage/requests/{ticket['request_id']}"
    while (status := http.get(proxy, headers={TARGET: f"{about}/status?logs=1"})).status_code == 202:
        time.sleep(0.02)
    own = http.get(proxy, headers={TARGET: ticket["response_url"]})
    token = http.post(
        proxy, headers={TARGET: "https://rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3"}
    )
    file = http.post(
        proxy,
        content=b"bytes",
        headers={TARGET: "https://v3.fal.media/files/upload", "content-type": "application/octet-stream"},
    )

    assert run.json()["seed"] == 3
    assert status.json()["logs"]
    assert own.json()["seed"] == 3
    assert own.headers["x-fal-request-id"] == ticket["request_id"]
    assert token.json()["token_type"] == "Bearer"
    assert http.get(file.json()["access_url"]).content == b"bytes"


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "fal.run/local/collage",
        "//fal.run/local/collage",
        "ftp://fal.run/local/collage",
        "https://",
        "https:///local/collage",
        "https://fal.run/local/col lage",
        "https://[fal.run/local/collage",
        "https://fal.run/" + "a" * 5000,
        "{own}/api/fal/proxy",
        "{own}/api/fal/%70roxy/",
    ],
)
def test_a_target_that_is_none_is_refused(server: str, http: httpx.Client, target: str | None) -> None:
    """Nor can the proxy be sent in circles."""
    headers = {} if target is None else {TARGET: target.format(own=server)}
    answer = http.post(f"{server}{PROXY}", json={}, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "fal.run.evil.example",
        "evilfal.run",
        "fal.run@evil.example",
        "user@fal.run",
        "fal.run:444",
        "127.0.0.1:1",
        "169.254.169.254",
    ],
)
def test_nothing_is_sent_on_to_other_hosts(server: str, http: httpx.Client, host: str) -> None:
    """The proxy reaches nothing but this server."""
    answer = http.get(f"{server}{PROXY}", headers={TARGET: f"https://{host}/local/collage"})

    assert answer.status_code == 412


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(server: str, http: httpx.Client, method: str) -> None:
    """What the client never sends is 405."""
    headers = {TARGET: "https://fal.run/local/collage"}

    assert http.request(method, f"{server}{PROXY}", headers=headers).status_code == 405


@pytest.mark.parametrize(
    ("kind", "status"), [("text/plain", 415), ("multipart/form-data; boundary=x", 415), ("", 200)]
)
def test_only_json_goes_through(server: str, http: httpx.Client, kind: str, status: int) -> None:
    """A page of another origin could send plain text without asking first; a type that is left out is JSON."""
    headers = {TARGET: "https://fal.run/local/collage"} | ({"content-type": kind} if kind else {})
    body = b'{"prompt": "a cat", "image_size": {"width": 64, "height": 64}}'

    assert http.post(f"{server}{PROXY}", content=body, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("https://fal.run/../cdn/files/x", 404),
        ("https://v3.fal.media/files/../../secret", 404),
        ("https://v3.fal.media/%2e%2e/%2e%2e/etc/passwd", 404),
        ("https://queue.fal.run/local/collage/requests/none", 404),
        ("https://fal.run/local/nothing", 404),
        ("https://rest.fal.ai/nothing", 404),
    ],
)
def test_errors_are_those_of_the_route(server: str, http: httpx.Client, target: str, status: int) -> None:
    """With the id of the request, and with nothing found by tricks."""
    answer = http.post(f"{server}{PROXY}", json={}, headers={TARGET: target})
    if answer.status_code == 405:
        answer = http.get(f"{server}{PROXY}", headers={TARGET: target})

    assert answer.status_code == status
    assert answer.headers["x-fal-request-id"]
