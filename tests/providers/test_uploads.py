from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit import Client
from nbkit.errors import InputError, MediaError, RequestLost, ServiceError
from nbkit.providers import uploads
from nbkit.providers.files import as_upload
from nbkit.providers.uploads import Uploader
from nbkit.wire.fal.storage import Lifecycle
from tests.scripted_server import answer, never, reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbkit.providers.fal import FalService
    from tests.scripted_server import Exchange, ScriptedServer

INITIATE = "/rest/storage/upload/initiate"
IN_PARTS = f"{INITIATE}-multipart"
PLACE = {"upload_url": "/put/1?sig=abc", "file_url": "https://files/1"}


@pytest.fixture
def uploader(scripted: ScriptedServer, service: FalService) -> Uploader:
    """Sends more than 100 bytes in parts of 40."""
    scripted.on("POST", INITIATE, answer(PLACE))
    scripted.on("POST", IN_PARTS, answer(PLACE))
    scripted.on("PUT", "/put/1", answer({}))
    for number in range(1, 10):
        scripted.on("PUT", f"/put/1/{number}", answer({"partNumber": number, "etag": f'"{number}"'}))
    scripted.on("POST", "/put/1/complete", answer({}))
    return Uploader(service, largest_piece=100, part=40)


def file(data: bytes | Path, **options: Any) -> Any:
    """Something to send."""
    return as_upload(data, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that goes up in six parts."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(210)))
    return path


async def test_a_large_file_goes_up_in_parts(
    uploader: Uploader, scripted: ScriptedServer, path: Path
) -> None:
    """Each part is put once under its number, all are listed in order, and the key stays at home."""
    assert await uploader.upload(file(path)) == "https://files/1"

    puts = sorted(scripted.requests("PUT"), key=lambda request: request.path)
    assert [put.target for put in puts] == [f"/put/1/{number}?sig=abc" for number in range(1, 7)]
    assert b"".join(put.body for put in puts) == path.read_bytes()
    assert [put.headers["content-length"] for put in puts] == ["40"] * 5 + ["10"]
    (complete,) = scripted.requests("POST", "/put/1/complete")
    assert complete.target == "/put/1/complete?sig=abc"
    assert complete.json == {"parts": [{"partNumber": n, "etag": f'"{n}"'} for n in range(1, 7)]}
    assert "authorization" in scripted.requests("POST", IN_PARTS)[0].headers
    assert not any("authorization" in request.headers for request in [*puts, complete])


async def test_bytes_in_memory_go_up_in_parts_too(uploader: Uploader, scripted: ScriptedServer) -> None:
    """It does not matter where the bytes are; a tag may stand in the header."""
    scripted.on("PUT", "/put/1/2", answer(body=b"", headers={"etag": "tag-2"}))
    await uploader.upload(file(bytes(range(101))))

    assert scripted.requests("POST", "/put/1/complete")[0].json["parts"][1] == {
        "partNumber": 2,
        "etag": "tag-2",
    }


async def test_each_part_is_tried_again(uploader: Uploader, scripted: ScriptedServer, path: Path) -> None:
    """One part that fails does not cost the others."""
    good = answer({"partNumber": 2, "etag": '"2"'})
    scripted.on(
        "PUT", "/put/1/2", reset, answer({}, 500), answer({}, 503, headers={"x-fal-request-id": "r"}), good
    )
    await uploader.upload(file(path))

    assert scripted.count("PUT", "/put/1/2") == 4
    assert scripted.count("PUT") == 9
    assert {request.body for request in scripted.requests("PUT", "/put/1/2")} == {bytes(range(40, 80))}


async def test_only_some_parts_are_under_way_at_once(
    uploader: Uploader, scripted: ScriptedServer, tmp_path: Path
) -> None:
    """What is under way is bounded, for one large file and for many small ones."""
    under_way, most = 0, 0
    path = tmp_path / "x"
    path.write_bytes(bytes(400))
    scripted.on("PUT", "/put/1/10", answer({"etag": "x"}))

    async def watched(*arguments: Any, **options: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await asyncio.sleep(0.005)
            return await send(*arguments, **options)
        finally:
            under_way -= 1

    transport: Any = uploader._service.transport
    send, transport.send = transport.send, watched
    await uploader.upload(file(path))
    assert most == uploads._AT_ONCE


async def test_a_part_that_is_refused_stops_the_others(
    uploader: Uploader, scripted: ScriptedServer, path: Path
) -> None:
    """A refusal is told with the service's words, and nothing goes on behind it."""
    scripted.on("PUT", "/put/1/1", answer({"detail": "the account is full"}, 403, after=0.3))
    scripted.on("PUT", "/put/1/2", never)
    with pytest.raises(ServiceError, match=r"uploading large.bin: the account is full \(HTTP 403\)"):
        await uploader.upload(file(path))

    await asyncio.to_thread(scripted.until, lambda: len(scripted.hang_ups) == 1)
    assert scripted.count("POST", "/put/1/complete") == 0


async def test_a_part_without_a_tag(uploader: Uploader, scripted: ScriptedServer, path: Path) -> None:
    """Without its tag a part cannot be listed, so the upload fails at once."""
    scripted.on("PUT", "/put/1/3", answer({}))
    with pytest.raises(MediaError, match="part 3"):
        await uploader.upload(file(path))


@pytest.mark.parametrize(("length", "there"), [("210", True), ("9", False)])
async def test_a_completion_whose_answer_was_lost(
    length: str, *, there: bool, uploader: Uploader, scripted: ScriptedServer, path: Path
) -> None:
    """Asked again, the storage knows no such upload any more; the file itself tells whether it is complete."""

    def head(exchange: Exchange) -> None:
        exchange.send(f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n".encode())
        exchange.is_last = True

    scripted.on("POST", IN_PARTS, answer({**PLACE, "file_url": "/files/1"}))
    scripted.on("POST", "/put/1/complete", reset, answer({"detail": "no such upload"}, 404))
    scripted.on("HEAD", "/files/1", head)
    if there:
        assert await uploader.upload(file(path)) == f"{scripted.origin}/files/1"
    else:
        with pytest.raises(ServiceError, match="no such upload"):
            await uploader.upload(file(path))


async def test_the_same_file_is_sent_once(uploader: Uploader, scripted: ScriptedServer) -> None:
    """At once or later, whoever sends the same bytes in the same way shares one upload."""
    data = b"small"
    urls = await asyncio.gather(*(uploader.upload(file(data)) for _ in range(5)))
    await uploader.upload(file(data))
    assert (set(urls), scripted.count("PUT")) == ({"https://files/1"}, 1)

    await uploader.upload(file(data, content_type="text/plain"))
    await uploader.upload(file(data), Lifecycle.of("1h"))
    await uploader.upload(file(data), Lifecycle.of("1h"))
    await uploader.upload(file(data), Lifecycle.of("1h", "hide"))
    assert scripted.count("PUT") == 4


async def test_a_file_is_forgotten_before_it_expires(
    uploader: Uploader, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address is used again while half of its life is left; a request may wait long before it is read."""
    now = time.time()
    await uploader.upload(file(b"another"), Lifecycle.of(90))
    await uploader.upload(file(b"x"), Lifecycle.of(100))
    monkeypatch.setattr(time, "time", lambda: now + 45)
    await uploader.upload(file(b"x"), Lifecycle.of(100))
    assert scripted.count("PUT") == 2

    monkeypatch.setattr(time, "time", lambda: now + 51)
    await uploader.upload(file(b"x"), Lifecycle.of(100))
    assert scripted.count("PUT") == 3
    assert len(uploader._known) == 1


async def test_what_nobody_waits_for_is_stopped(uploader: Uploader, scripted: ScriptedServer) -> None:
    """An interrupted upload stops once all who want it are gone, and can be begun again."""
    scripted.on("PUT", "/put/1", never, answer({}))
    first = asyncio.create_task(uploader.upload(file(b"x")))
    second = asyncio.create_task(uploader.upload(file(b"x")))
    await asyncio.to_thread(scripted.until, lambda: scripted.count("PUT") == 1)
    first.cancel()
    await asyncio.sleep(0.05)
    assert scripted.hang_ups == []
    second.cancel()
    await asyncio.to_thread(scripted.until, lambda: scripted.hang_ups)

    assert await uploader.upload(file(b"x")) == "https://files/1"


async def test_progress_is_told(uploader: Uploader, path: Path) -> None:
    """A caller hears how far it is, never backwards, and the whole size at the end, even from a shared upload."""
    told: list[tuple[int, int]] = []
    also: list[tuple[int, int]] = []

    def fail(*_progress: int) -> None:
        raise RuntimeError

    await asyncio.gather(
        uploader.upload(file(path), on_progress=lambda *it: told.append(it)),
        uploader.upload(file(path), on_progress=fail),
    )
    await uploader.upload(file(path), on_progress=lambda *it: also.append(it))

    assert told == sorted(told)
    assert len(told) > 2
    assert (told[-1], also) == ((210, 210), [(210, 210)])


CHANGES: dict[str, Callable[[Path], object]] = {
    "grows": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "shrinks": lambda path: path.write_bytes(b"x"),
    "is written anew": lambda path: path.write_bytes(bytes(210)),
    "is replaced": lambda path: (
        path.with_name("new").write_bytes(bytes(210)) and path.with_name("new").replace(path)
    ),
    "vanishes": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("size", [50, 210])
async def test_a_file_that_does_not_stay_as_it_is(
    change: Any, size: int, uploader: Uploader, scripted: ScriptedServer, path: Path
) -> None:
    """A file that changes or goes while it is uploaded is one clear error at once, and never a mixture."""
    path.write_bytes(path.read_bytes()[:size])

    def meanwhile(exchange: Exchange) -> None:
        change(path)
        answer(PLACE)(exchange)

    scripted.on("POST", INITIATE, meanwhile)
    scripted.on("POST", IN_PARTS, meanwhile)
    begun = time.monotonic()
    with pytest.raises(MediaError, match=r"large.bin changed while|cannot read large.bin: No such file"):
        await uploader.upload(file(path))

    assert time.monotonic() - begun < 0.5
    assert scripted.count("POST", "/put/1/complete") == 0


@pytest.mark.parametrize("data", [b"", "path"])
async def test_an_empty_file_is_not_sent(
    data: Any, uploader: Uploader, scripted: ScriptedServer, tmp_path: Path
) -> None:
    """A file without a byte in it is a mistake that is told before anything is paid."""
    (tmp_path / "file").touch()
    with pytest.raises(MediaError, match="file is empty"):
        await uploader.upload(file(data if data == b"" else tmp_path / "file"))

    assert scripted.received == []


async def test_a_storage_that_takes_nothing_in(uploader: Uploader, scripted: ScriptedServer) -> None:
    """Where the connection breaks again and again it ends with an error, after some tries."""
    scripted.on("PUT", "/put/1", reset)
    with pytest.raises(RequestLost):
        await uploader.upload(file(b"x"))

    assert scripted.count("PUT") == 5


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (None, None),
        ("never", None),
        ("immediate", 60),
        ("1h", 3600),
        ("1d", 86400),
        ("7d", 604800),
        ("30d", 2592000),
        ("1y", 31536000),
        (90, 90),
    ],
)
async def test_how_long_a_file_lives_is_asked_for(
    expires_in: Any, seconds: int | None, uploader: Uploader, scripted: ScriptedServer
) -> None:
    """The service is told in its own words; without a wish nothing is sent."""
    await uploader.upload(file(b"x"), Lifecycle.of(expires_in))

    headers = scripted.requests("POST", INITIATE)[0].headers
    sent = {headers.get("x-fal-object-lifecycle"), headers.get("x-fal-object-lifecycle-preference")}
    assert sent == {f'{{"expiration_duration_seconds": {seconds}}}' if seconds else None}


@pytest.mark.usefixtures("uploader")
def test_options_of_an_upload_reach_the_service(scripted: ScriptedServer) -> None:
    """`client.upload` passes on lifetime, access and progress."""
    told: list[Any] = []
    with Client(base_url=scripted.origin) as client:
        url = client.upload(b"x", expires_in="1d", acl="hide", on_progress=lambda *it: told.append(it))
        with pytest.raises(InputError, match="expires_in"):
            client.upload(b"x", expires_in="2d")
        with pytest.raises(InputError, match="acl"):
            client.upload(b"x", acl="secret")
        with pytest.raises(InputError, match="is not a file"):
            client.upload(5)
        with pytest.raises(MediaError, match="there is no file text"):
            client.upload("text")

    assert url == "https://files/1"
    assert told == [(1, 1)]
    assert scripted.requests("POST", INITIATE)[0].headers["x-fal-object-lifecycle"] == (
        '{"expiration_duration_seconds": 86400, "initial_acl": {"default": "hide"}}'
    )


@pytest.mark.usefixtures("uploader")
def test_a_run_tells_how_far_its_files_are(scripted: ScriptedServer) -> None:
    """The files of a run's input are counted together."""
    scripted.queue()
    with Client(base_url=scripted.origin) as client:
        run = client.submit("acme/imgen", {"a": b"x" * 70, "b": [b"y" * 30]})
        run.result(10)
        assert run.uploaded == (100, 100)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server."""
    folder = str(tmp_path_factory.mktemp("server"))
    command = [sys.executable, "-m", "nbkit", "serve", "--port", "0", "--data-dir", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().split()[-1]
        process.terminate()


MEASURED = """
import resource, sys
from pathlib import Path
import nbkit
with nbkit.Client(base_url=sys.argv[1]) as client:
    client.upload(b"warm")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    url = client.upload(Path(sys.argv[2]), on_progress=lambda done, size: None)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(url, (after - before) // (1024 if sys.platform != "darwin" else 1024**2))
"""


def test_a_large_file_needs_little_memory(server: str, tmp_path: Path) -> None:
    """100 MB go up in parts to a real server and arrive whole, with some megabytes of memory."""
    path = tmp_path / "large.bin"
    with path.open("wb") as large:
        large.truncate(100 * 2**20)
        large.seek(95 * 2**20)
        large.write(b"mark")
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, server, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    url, megabytes = done.stdout.split()

    assert int(httpx.head(url).headers["content-length"]) == 100 * 2**20
    near = {"range": f"bytes={95 * 2**20}-{95 * 2**20 + 3}"}
    assert httpx.get(url, headers=near).content == b"mark"
    assert int(megabytes) < 50
