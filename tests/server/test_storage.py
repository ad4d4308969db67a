from __future__ import annotations

import hashlib
import os
import resource
import socket
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from nbkit.errors import ServerError
from nbkit.server.files import FileStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from nbkit.server.host import Host

MiB = 2**20


def _upload(http: httpx.Client, origin: str, content: bytes, **headers: str | bytes) -> str:
    named = [
        (name.replace("_", "-").encode(), value.encode() if isinstance(value, str) else value)
        for name, value in headers.items()
    ]
    answer = http.post(f"{origin}/cdn/files/upload", content=content, headers=named)
    assert answer.status_code == 200
    url: str = answer.json()["access_url"]
    return url


def test_a_file_comes_back_as_it_went_up(server: str, http: httpx.Client) -> None:
    """Bytes, type, length and name."""
    url = _upload(http, server, b"\x89PNG bytes", content_type="image/png", x_fal_file_name="my cat.png")
    answer, head = http.get(url), http.head(url)

    assert answer.content == b"\x89PNG bytes"
    for one in (answer, head):
        assert one.headers["content-type"] == "image/png"
        assert one.headers["content-length"] == "10"
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["content-disposition"] == 'inline; filename="my_cat.png"'
    assert head.content == b""


def test_a_part_of_a_file_can_be_asked_for(server: str, http: httpx.Client) -> None:
    """Players ask for ranges."""
    url = _upload(http, server, b"0123456789", content_type="video/mp4")
    answer = http.get(url, headers={"Range": "bytes=2-4"})

    assert (answer.status_code, answer.content) == (206, b"234")


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "text/javascript",
        "x",
        "text/html\t;",
    ],
)
def test_what_a_browser_could_execute_is_only_offered_to_be_saved(
    server: str, http: httpx.Client, kind: str
) -> None:
    """An uploaded page runs nothing at this server's address."""
    url = _upload(http, server, b"<script>alert(1)</script>", content_type=kind, x_fal_file_name="page.html")
    answer = http.get(url)

    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_promised_file_can_be_put_by_its_address_alone(server: str, http: httpx.Client) -> None:
    """Both clients' second way: initiate, then PUT to a signed address."""
    for storage in ("gcs", "fal-cdn-v3"):
        promise = http.post(
            f"{server}/rest/storage/upload/initiate",
            params={"storage_type": storage},
            json={"file_name": "a.txt", "content_type": "text/plain"},
        ).json()
        before = http.get(promise["file_url"])
        put = http.put(promise["upload_url"], content=b"hello", headers={"Content-Type": "text/plain"})
        after = http.get(promise["file_url"])

        assert before.status_code == 404
        assert put.status_code == 200
        assert (after.text, after.headers["content-type"]) == ("hello", "text/plain; charset=utf-8")


def test_an_address_to_read_is_none_to_write(server: str, http: httpx.Client) -> None:
    """Whoever was given a file cannot change it."""
    url = _upload(http, server, b"mine")
    _, signature, file_id, name = url.rsplit("/", 3)
    answers = [
        http.put(f"{server}/cdn/uploads/{signature}/{file_id}/{name}", content=b"yours"),
        http.put(f"{url}/multipart/{signature}/1", content=b"yours"),
        http.post(f"{url}/multipart/{signature}/complete", json={"parts": []}),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert http.get(url).content == b"mine"


def test_a_token_says_until_when_and_where(server: str, http: httpx.Client) -> None:
    """Its time has a zone, as fal's own client insists."""
    token = http.post(
        f"{server}/rest/storage/auth/token", params={"storage_type": "fal-cdn-v3"}, json={}
    ).json()

    assert datetime.fromisoformat(token["expires_at"]).tzinfo is not None
    assert token["base_url"] == f"{server}/cdn"
    assert token["token_type"] == "Bearer"


def test_a_file_in_parts_is_joined_by_number(server: str, http: httpx.Client) -> None:
    """The Python client's way: parts in any order, tags in the ETag header."""
    headers = {"Content-Type": "text/plain", "X-Fal-File-Name": "long.txt"}
    begun = http.post(f"{server}/cdn/files/upload/multipart", headers=headers).json()
    base = f"{begun['access_url']}/multipart/{begun['uploadId']}"
    parts = [
        {"partNumber": number, "etag": http.put(f"{base}/{number}", content=text).headers["etag"]}
        for number, text in ((10, b"three"), (1, b"one "), (2, b"two "))
    ]
    done = http.post(f"{base}/complete", json={"parts": parts})

    assert done.status_code == 200
    assert http.get(begun["access_url"]).text == "one two three"


def test_a_file_in_parts_the_other_way(server: str, http: httpx.Client) -> None:
    """The JavaScript client's way: parts behind the upload address, tags in the body."""
    begun = http.post(
        f"{server}/rest/storage/upload/initiate-multipart",
        json={"content_type": "text/plain", "file_name": "x.txt"},
    ).json()
    parts = []
    for number, text in enumerate((b"one ", b"two"), 1):
        answer = http.put(f"{begun['upload_url']}/{number}", content=text).json()
        assert answer["partNumber"] == number
        parts.append(answer)
    http.post(f"{begun['upload_url']}/complete", json={"parts": parts})

    assert http.get(begun["file_url"]).text == "one two"


@pytest.mark.parametrize("parts", [None, [], [{"partNumber": 1}], [{"partNumber": 1, "etag": "x"}], "x", [3]])
def test_parts_that_did_not_come_are_not_joined(server: str, http: httpx.Client, parts: Any) -> None:
    """Completing what is not complete is refused."""
    begun = http.post(f"{server}/cdn/files/upload/multipart").json()
    answer = http.post(f"{begun['access_url']}/multipart/{begun['uploadId']}/complete", json={"parts": parts})

    assert answer.status_code == 400


def _raw(origin: str, path: str) -> bytes:
    """Ask without a client that tidies the path."""
    parts = urlsplit(origin)
    with socket.create_connection((parts.hostname, parts.port)) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := line.recv(65536):
            answer += chunk
    return answer


@pytest.mark.parametrize(
    "tail",
    [
        "../../secret",
        "../../../../../../etc/passwd",
        "%2e%2e/%2e%2e/secret",
        "..%2f..%2fsecret",
        "..%5c..%5csecret",
        "%00",
        "secret%00.png",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        ".",
        "a.txt/../../secret",
    ],
)
def test_no_address_leads_out_of_the_folder(server: str, http: httpx.Client, tail: str) -> None:
    """Whatever is done to the path, only files that were handed out are given."""
    url = _upload(http, server, b"public", x_fal_file_name="a.txt")
    path = urlsplit(url).path
    file_base, signature_base = path.rsplit("/", 1)[0], path.rsplit("/", 2)[0]

    for base in (file_base, signature_base, "/cdn/files", "/cdn"):
        status = _raw(server, f"{base}/{tail}").split(b"\r\n", 1)[0]
        assert status.split()[1] in (b"404", b"400", b"405", b"401")


def test_names_from_outside_never_become_paths(server: str, http: httpx.Client) -> None:
    """A file may be called anything; it is kept and fetched all the same."""
    for name in ("../../evil", "/etc/passwd", "a/b\\c", "..", "CON", "x" * 500, "naïve ☃.png", "a%00b"):
        url = _upload(http, server, b"x", x_fal_file_name=name.encode())
        assert http.get(url).content == b"x"
        assert "/.." not in url


def test_a_link_in_the_folder_is_not_followed(lab: Host, http: httpx.Client, tmp_path: Path) -> None:
    """Even one that has the name of a file."""
    url = _upload(http, lab.url, b"mine")
    path = lab.app.state.service.files.path(url.rsplit("/", 2)[1])
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    path.unlink()
    path.symlink_to(secret)

    assert http.get(url).status_code == 404


def test_addresses_hold_across_a_restart(start: Callable[..., Host], http: httpx.Client) -> None:
    """A notebook opened tomorrow still shows its pictures."""
    first = start()
    path = urlsplit(_upload(http, first.url, b"kept")).path
    first.stop()
    second = start()

    assert http.get(second.url + path).content == b"kept"


def test_files_have_a_largest_size(start: Callable[..., Host], http: httpx.Client) -> None:
    """What is too large is refused, announced or not, and leaves nothing behind."""
    lab = start(max_upload_bytes=MiB)

    def unannounced() -> Iterator[bytes]:
        for _ in range(20):
            yield bytes(MiB // 10)

    announced = http.post(f"{lab.url}/cdn/files/upload", content=bytes(MiB + 1))
    streamed = http.post(f"{lab.url}/cdn/files/upload", content=unannounced())
    begun = http.post(f"{lab.url}/cdn/files/upload/multipart").json()
    base = f"{begun['access_url']}/multipart/{begun['uploadId']}"
    parts = [http.put(f"{base}/{number}", content=bytes(600_000)).json() for number in (1, 2)]
    joined = http.post(f"{base}/complete", json={"parts": parts})

    assert [answer.status_code for answer in (announced, streamed, joined)] == [413, 413, 413]
    folder = lab.app.state.service.settings.data_dir
    assert not [path for path in (folder / "parts").iterdir() if path.name.startswith("draft")]


def test_a_large_file_is_streamed_to_the_disk(server: str, http: httpx.Client, lab: Host) -> None:
    """A hundred megabytes go up and down without being held in memory."""
    del server
    block = os.urandom(MiB)

    def blocks() -> Iterator[bytes]:
        for _ in range(100):
            yield block

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    url = http.post(f"{lab.url}/cdn/files/upload", content=blocks()).json()["access_url"]
    digest, size = hashlib.sha256(), 0
    with http.stream("GET", url) as answer:
        for chunk in answer.iter_bytes():
            digest.update(chunk)
            size += len(chunk)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert size == 100 * MiB
    assert digest.hexdigest() == hashlib.sha256(block * 100).hexdigest()
    assert grown < 60 * 1024


def test_what_broke_off_yesterday_is_cleared_away(start: Callable[..., Host], tmp_path: Path) -> None:
    """Uploads that were never finished do not fill the disk."""
    parts = tmp_path / "data" / "parts"
    parts.mkdir(parents=True)
    old, new = parts / "draft-old", parts / "draft-new"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    start()

    assert (old.exists(), new.exists()) == (False, True)


def test_a_damaged_secret_is_told(tmp_path: Path) -> None:
    """Signing with nothing would open every file."""
    (tmp_path / "secret").write_bytes(b"")
    with pytest.raises(ServerError, match="damaged"):
        FileStore(tmp_path)
