"""Servers that share a store: what one keeps, all have."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from nbkit.errors import ConfigError, MediaError, ServerError
from nbkit.server.files import FileStore, StoredFile
from tests.ftp_server import PASSWORD, Ftp, ftp_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from nbkit.server.host import Host

MiB = 2**20
TEN = b"0123456789"


@pytest.fixture
def ftp(tmp_path: Path) -> Iterator[Ftp]:
    """A store on another machine, as far as anybody can tell."""
    with ftp_server(tmp_path / "ftp") as server:
        yield server


@pytest.fixture(params=["ftp", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store of each kind."""
    if request.param == "file":
        return f"file://{tmp_path}/shared"
    url: str = request.getfixturevalue("ftp").url
    return url


@pytest.fixture
def both(start: Callable[..., Host], store: str, tmp_path: Path) -> tuple[Host, Host]:
    """Two servers that share a store and nothing else."""
    return tuple(start(data_dir=tmp_path / name, store=store) for name in ("one", "two"))  # type: ignore[return-value]


def upload(http: httpx.Client, host: Host, content: Any, kind: str = "video/mp4", **headers: str) -> str:
    """Put a file there, and give its address."""
    answer = http.post(
        f"{host.url}/cdn/files/upload",
        content=content,
        headers={"content-type": kind, "x-fal-file-name": "a film.mp4", **headers},
    )
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["access_url"]
    return url


def at(host: Host, url: str) -> str:
    """The same address at another server, as a proxy before both makes it."""
    return f"{host.url}{urlsplit(url).path}"


def test_a_file_is_at_every_server(both: tuple[Host, Host], http: httpx.Client) -> None:
    """An address that one server signed opens the file at the other, with its type and name."""
    one, two = both
    url = upload(http, one, TEN)

    answer, head = http.get(at(two, url)), http.head(at(two, url))

    assert (answer.status_code, answer.content) == (200, TEN)
    for told in (answer, head):
        assert told.headers["content-length"] == "10"
        assert told.headers["content-type"] == "video/mp4"
        assert told.headers["content-disposition"] == 'inline; filename="a_film.mp4"'
        assert told.headers["x-content-type-options"] == "nosniff"
    assert http.get(at(two, url).replace("/files/", "/files/0")).status_code in (401, 404)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=2-4", (206, b"234", "bytes 2-4/10")),
        ("bytes=7-", (206, b"789", "bytes 7-9/10")),
        ("bytes=-3", (206, b"789", "bytes 7-9/10")),
        ("bytes=-99", (206, TEN, "bytes 0-9/10")),
        ("bytes=5-999999999999", (206, b"56789", "bytes 5-9/10")),
        ("bytes=10-", (416, b"", "bytes */10")),
        ("bytes=4-2", (416, b"", "bytes */10")),
        ("bytes=-0", (416, b"", "bytes */10")),
        ("bytes=-", (200, TEN, None)),
        ("lines=1-2", (200, TEN, None)),
        ("bytes=0-1,3-4", (200, TEN, None)),
    ],
)
def test_ranges(
    start: Callable[..., Host],
    ftp: Ftp,
    http: httpx.Client,
    asked: str,
    expected: tuple[int, bytes, str | None],
) -> None:
    """Players get the part they ask for from a store that is elsewhere, too."""
    host = start(store=ftp.url)
    url = upload(http, host, TEN)
    answer = http.get(url, headers={"range": asked})

    assert (answer.status_code, answer.content, answer.headers.get("content-range")) == expected
    changed = http.get(url, headers={"range": asked, "if-range": '"another"'})
    assert (changed.status_code, changed.content) == (200, TEN)


def test_parts_may_go_to_several_servers(both: tuple[Host, Host], http: httpx.Client) -> None:
    """A proxy may give each part of a file to another server."""
    headers = {"content-type": "video/mp4", "x-fal-file-name": "film.mp4"}
    begun = http.post(f"{both[0].url}/cdn/files/upload/multipart", headers=headers).json()
    url, parts = begun["access_url"], []
    for number, content in ((2, b"world"), (1, b"hello ")):
        place = f"{at(both[number % 2], url)}/multipart/{begun['uploadId']}/{number}"
        parts.append(http.put(place, content=content).json())
    joined = http.post(f"{at(both[0], url)}/multipart/{begun['uploadId']}/complete", json={"parts": parts})

    assert joined.status_code == 200, joined.text
    assert http.get(at(both[1], url)).content == b"hello world"


def test_models_read_and_write_the_store(
    both: tuple[Host, Host], http: httpx.Client, finished: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """A picture that was uploaded to one server is worked on at the other, and the result is at both."""
    picture = io.BytesIO()
    cutout = Image.new("RGBA", (64, 64))
    cutout.paste((200, 30, 30, 255), (16, 16, 48, 48))
    cutout.save(picture, "PNG")
    one, two = both
    url = upload(http, one, picture.getvalue(), "image/png")

    ticket = http.post(f"{two.url}/queue/local/sticker", json={"image_url": at(two, url)}).json()
    finished(ticket)
    result = http.get(ticket["response_url"]).json()
    made = http.get(at(one, result["image"]["url"]))

    assert made.status_code == 200, result
    assert Image.open(io.BytesIO(made.content)).format == "PNG"


def test_a_store_that_goes_away(start: Callable[..., Host], http: httpx.Client, tmp_path: Path) -> None:
    """While the store is away, files answer 503 without a word of where it is; then all goes on."""
    with ftp_server(tmp_path / "ftp") as server:
        host = start(store=server.url)
        url = upload(http, host, TEN)
        port = server.port
    for answer in (http.get(url), http.post(f"{host.url}/cdn/files/upload", content=TEN)):
        assert answer.status_code == 503
        assert answer.json() == {"detail": "The server cannot reach its files now. Its log says why."}
    assert http.get(f"{host.url}/health").status_code == 200
    with ftp_server(tmp_path / "ftp", port=port):
        assert http.get(url).content == TEN
    assert not list((tmp_path / "data/parts").iterdir())


def test_a_store_that_cannot_be_reached_at_first(serve: Any, tmp_path: Path) -> None:
    """A server without its files does not start, and says why in one line without the password."""
    for url, told in (
        ("ftp://lab:hidden-word@127.0.0.1:1/x", "ftp://…@127.0.0.1:1/x/server: Connection refused"),
        ("nonsense://x/y", "no protocol 'nonsense' is known"),
        ("/mnt/lab", "has no protocol"),
    ):
        command = serve("--port", "0", "--data-dir", str(tmp_path), NBKIT_SERVER_STORE=url)
        command.process.wait(20)
        code, errors = command.end()
        assert code == 1
        assert errors.startswith("nbkit serve: ")
        assert told in errors
        assert "hidden-word" not in errors
        assert "Traceback" not in errors


def test_the_password_is_no_argument(
    start: Callable[..., Host],
    ftp: Ftp,
    http: httpx.Client,
    finished: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """What opens the store stands neither in the arguments of workers, which all users see, nor in answers."""
    host = start(store=ftp.url)
    ticket = http.post(f"{host.url}/queue/lab/process", json={}).json()
    told = json.dumps([finished(ticket), http.get(ticket["response_url"]).json()])
    pid = http.get(ticket["response_url"]).json()["pid"]

    assert PASSWORD not in told
    assert PASSWORD not in Path(f"/proc/{pid}/cmdline").read_text("utf-8")


def test_what_expires_is_dropped(store: str, tmp_path: Path) -> None:
    """A file whose time is over is gone from the store, with its description; the others stay."""
    files = FileStore(tmp_path / "one", store)
    short, long = StoredFile.new("a.txt", "text/plain", 0.01), StoredFile.new("b.txt", "text/plain", 1e300)
    for file in (short, long):
        files.put(file, b"words")
    other = FileStore(tmp_path / "two", store)
    time.sleep(1.1)  # its name says until which second

    assert other.find(short.id) is None
    other.drop_expired()

    assert files.size(short.id) is None
    assert files.find(long.id) == long


def test_the_oldest_are_dropped_where_files_are_too_many(store: str, tmp_path: Path) -> None:
    """One server's cleaning counts for all."""
    files = FileStore(tmp_path / "one", store)
    kept = [StoredFile.new("a.bin", "") for _ in range(3)]
    for file in kept:
        files.put(file, b"x" * 1000)

    FileStore(tmp_path / "two", store).trim(3600, 10_000)
    assert all(files.find(file.id) for file in kept)
    FileStore(tmp_path / "two", store).trim(3600, 2500)
    assert sum(files.find(file.id) is not None for file in kept) < 3
    FileStore(tmp_path / "two", store).trim(-60, 10_000)
    assert not any(files.find(file.id) for file in kept)


def test_secrets_are_one(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All sign alike: with the store's secret, or with the variable's, which then stands nowhere."""
    file = StoredFile.new("a.txt", "text/plain")
    monkeypatch.setenv("NBKIT_SERVER_SECRET", "s" * 32)
    given = FileStore(tmp_path / "zero", store)
    assert given.address(file) == FileStore(tmp_path / "none").address(file)
    assert not (tmp_path / "zero/secret").exists()
    monkeypatch.delenv("NBKIT_SERVER_SECRET")

    one, two = (FileStore(tmp_path / name, store) for name in ("one", "two"))
    assert one.address(file) == two.address(file) != given.address(file)

    own = FileStore(tmp_path / "own")
    with pytest.raises(ServerError, match="belongs to another server"):
        FileStore(tmp_path / "own", store)
    assert own.address(file) == FileStore(tmp_path / "own").address(file)
    monkeypatch.setenv("NBKIT_SERVER_SECRET", "short")
    with pytest.raises(ConfigError, match="fewer than 32 characters"):
        FileStore(tmp_path / "one", store)


def test_a_hostile_store(ftp: Ftp, tmp_path: Path) -> None:
    """Descriptions that are none, or too large, are no files, and a damaged secret is told."""
    files = FileStore(tmp_path / "one", ftp.url)
    folder = ftp.folder / "nbkit/server/files"
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate((b"{", b"[]", b'{"name": 1}', b"\xff")):
        (folder / f"{number:032x}").write_bytes(b"x")
        (folder / f"{number:032x}.json").write_bytes(text)
        assert files.find(f"{number:032x}") is None
    (folder / f"{9:032x}").write_bytes(b"x")
    (folder / f"{9:032x}.json").write_bytes(b" " * MiB)
    with pytest.raises(MediaError, match="is larger than"):
        files.find(f"{9:032x}")
    (ftp.folder / "nbkit/server/secret").write_bytes(b"")
    with pytest.raises(ServerError, match="is damaged"):
        FileStore(tmp_path / "two", ftp.url)


def test_a_large_file_takes_no_memory(start: Callable[..., Host], ftp: Ftp, http: httpx.Client) -> None:
    """A film goes through the server to the store and back in pieces."""
    host, block = start(store=ftp.url), os.urandom(MiB)
    upload(http, host, block)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    url = upload(http, host, (block for _ in range(100)))
    digest = hashlib.sha256()
    with http.stream("GET", url) as answer:
        for chunk in answer.iter_bytes():
            digest.update(chunk)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert digest.hexdigest() == hashlib.sha256(block * 100).hexdigest()
    assert grown < 60 * 1024
