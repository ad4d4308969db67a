from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.server.files import FileStore, StoredFile
from nbkit.server.replies import BadRequest
from nbkit.server.wishes import file_seconds, start_timeout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from nbkit.server.host import Host

PICTURE = {"prompt": "a cat", "image_size": {"width": 64, "height": 64}}
LIFECYCLE = "X-Fal-Object-Lifecycle-Preference"
STICKER = "workflows/fal-ai/sdxl-sticker"


def _wait_until_gone(http: httpx.Client, url: str) -> None:
    deadline = time.monotonic() + 5
    while http.get(url).status_code != 404:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_outputs_expire_when_the_caller_wishes(server: str, http: httpx.Client) -> None:
    """From that moment on there is no such file."""
    headers = {LIFECYCLE: json.dumps({"expiration_duration_seconds": 1})}
    output = http.post(f"{server}/run/local/collage", json=PICTURE, headers=headers).json()

    assert http.get(output["images"][0]["url"]).status_code == 200
    _wait_until_gone(http, output["images"][0]["url"])


@pytest.mark.parametrize("name", ["local/collage", STICKER])
def test_what_expires_may_be_kept_only_so_long(server: str, http: httpx.Client, name: str) -> None:
    """By browsers; the outputs of a workflow's steps too."""
    headers = {LIFECYCLE: json.dumps({"expiration_duration_seconds": 60})}
    output = http.post(f"{server}/run/{name}", json=PICTURE, headers=headers).json()
    cache = http.get(output["images"][0]["url"]).headers["cache-control"]

    assert 30 < int(re.sub(r"\D", "", cache)) <= 60


@pytest.mark.parametrize("header", [LIFECYCLE, "X-Fal-Object-Lifecycle"])
def test_uploads_expire_too(server: str, http: httpx.Client, header: str) -> None:
    """In one piece and promised; both clients' headers are known."""
    headers = {header: json.dumps({"expiration_duration_seconds": 0.4, "initial_acl": {"default": "allow"}})}
    whole = http.post(f"{server}/cdn/files/upload", content=b"x", headers=headers).json()["access_url"]
    promise = http.post(f"{server}/rest/storage/upload/initiate", json={}, headers=headers).json()
    http.put(promise["upload_url"], content=b"y")

    for url in (whole, promise["file_url"]):
        _wait_until_gone(http, url)


def test_expired_files_are_swept_from_the_disk(tmp_path: Path) -> None:
    """Only those."""
    files = FileStore(tmp_path)
    gone, stays, later = (StoredFile.new("a.txt", "text/plain", seconds) for seconds in (-1.0, None, 60.0))
    for file in (gone, stays, later):
        files.put(file, b"bytes")
    files.drop_expired()

    assert {path.name.removesuffix(".json") for path in (tmp_path / "files").iterdir()} == {
        stays.id,
        later.id,
    }
    assert files.find(gone.id) is None
    assert files.find(later.id) == later


@pytest.mark.parametrize(
    "text",
    ["x", "[]", "5", "null", '{"expiration_duration_seconds": 0}', '{"expiration_duration_seconds": -1}']
    + [
        f'{{"expiration_duration_seconds": {value}}}'
        for value in ('"1h"', "true", "NaN", "1e999", "[]", "9" * 400)
    ],
)
def test_a_lifecycle_that_cannot_be_read_is_refused(server: str, http: httpx.Client, text: str) -> None:
    """Files that were to be gone would otherwise stay."""
    answer = http.post(f"{server}/queue/local/collage", json=PICTURE, headers={LIFECYCLE: text})

    assert answer.status_code == 400
    assert LIFECYCLE in answer.json()["detail"]


@pytest.mark.parametrize(
    "text", ["{}", '{"initial_acl": {"default": "forbid"}}', '{"expiration_duration_seconds": null}', ""]
)
def test_a_lifecycle_without_an_end_is_for_ever(text: str) -> None:
    """As without the header."""
    assert file_seconds({LIFECYCLE.lower(): text}) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-fal-request-timeout": "5.0"}, 5.0),
        ({"x-fal-request-start-timeout": "7", "x-fal-request-timeout": "5"}, 7.0),
    ],
)
def test_the_newer_name_of_the_start_timeout_wins(headers: dict[str, str], seconds: float | None) -> None:
    """Both are known."""
    assert start_timeout(headers) == seconds


@pytest.mark.parametrize("text", ["0.09", "-1", "nan", "inf", "soon", "1e400"])
def test_a_start_timeout_that_is_none_is_refused(text: str) -> None:
    """The least is 0.1 s."""
    with pytest.raises(BadRequest):
        start_timeout({"x-fal-request-timeout": text})


def test_headers_that_ask_for_what_is_so_anyway_are_taken(
    server: str, http: httpx.Client, finished: Callable[[Any], Any]
) -> None:
    """No retries, no fallback, no stored payloads, a hint, a priority that nobody knows."""
    headers = {
        "X-Fal-No-Retry": "1",
        "X-Fal-Retry-Config": "not json",
        "X-Fal-Store-IO": "0",
        "X-Fal-Runner-Hint": "warm",
        "X-Fal-Queue-Priority": "urgent",
        "x-app-fal-disable-fallback": "true",
        "X-Fal-Tags": "a=b",
    }
    ticket = http.post(f"{server}/queue/local/collage", json=PICTURE, headers=headers).json()

    assert "error" not in finished(ticket)
    assert http.get(ticket["response_url"]).status_code == 200


def test_an_error_s_type_stands_in_the_header_too(start: Callable[..., Host], http: httpx.Client) -> None:
    """Of refusals before there is a request, and of results."""
    url = start(workers=1).url
    for _ in range(3):
        http.post(f"{url}/queue/lab/wait", json={"seconds": 3})
    full = http.post(f"{url}/queue/lab/wait?fal_max_queue_length=0", json={})
    bad = http.post(f"{url}/run/lab/wait", json={"seconds": "x"})

    assert (full.status_code, full.headers["x-fal-error-type"]) == (429, "concurrent_requests_limit")
    assert bad.headers["x-fal-error-type"] == "float_type"
    assert bad.headers["x-fal-billable-units"] == "0"
