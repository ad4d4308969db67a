from __future__ import annotations

import asyncio
import base64
import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nbkit.errors import MediaError
from nbkit.history.files import FileStore, Incoming
from nbkit.providers import outputs
from nbkit.providers.outputs import Collector, Limits
from nbkit.wire.fal.addresses import Hosts
from tests.scripted_server import answer, raw, reset, stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.providers.fal import FalService
    from tests.scripted_server import Act, ScriptedServer


def png(size: tuple[int, int] = (4, 3)) -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, format="PNG")
    return buffer.getvalue()


PNG = png()
AS_PNG = {"content-type": "image/png"}
HTML = b"<!doctype html><title>Sign in</title><script>alert(1)</script>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where files are kept."""
    return tmp_path / "files"


@pytest.fixture
def collector(service: FalService, folder: Path) -> Collector:
    """Fetches into the folder."""
    return Collector(service.transport, FileStore(folder))


def kept(folder: Path) -> list[Path]:
    """Every file in the folder, hidden ones too."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_pictures_are_fetched(scripted: ScriptedServer, collector: Collector, folder: Path) -> None:
    """A picture is on this machine, with its size, its hash and its place in the output, fetched once."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers=AS_PNG))
    url = scripted.origin + "/a.png"
    (media,) = await collector.collect({"images": [{"url": url, "file_name": "cat.png"}], "again": url})
    (same,) = await collector.collect({"image": url})

    assert media.path is not None
    assert media.path.read_bytes() == PNG
    assert (media.width, media.height, media.size, media.content_type) == (4, 3, len(PNG), "image/png")
    assert (media.place, media.problem, media.path.suffix, media.name) == ("images.0", "", ".png", "cat.png")
    assert (same.place, same.path) == ("image", media.path)
    assert (scripted.count("GET"), kept(folder)) == (1, [media.path])


async def test_no_key_goes_to_where_files_are(scripted: ScriptedServer, collector: Collector) -> None:
    """Files are public, so not even the service's own host is shown the key for one."""
    scripted.on(
        "GET", "/a.png", answer({}, 302, headers={"location": f"http://localhost:{scripted.port}/b.png"})
    )
    scripted.on("GET", "/b.png", answer(body=PNG, headers=AS_PNG))
    (media,) = await collector.collect(scripted.origin + "/a.png")

    assert media.path
    assert not any("SECRET-xyz" in str(request.headers) for request in scripted.received)


@pytest.mark.parametrize(
    "uri",
    [
        "data:image/png;base64," + base64.b64encode(PNG).decode(),
        "data:image/png;base64," + base64.b64encode(PNG).decode().rstrip("="),
        "data:image/png;base64," + base64.b64encode(PNG).decode().replace("+", "%2B").replace("/", "%2F"),
        "data:;base64," + base64.b64encode(PNG).decode(),
    ],
)
async def test_pictures_in_the_answer_itself(uri: str, collector: Collector) -> None:
    """A picture sent as a data URI is kept like any other."""
    (media,) = await collector.collect({"image": {"url": uri, "content_type": "image/png"}})

    assert (media.problem, media.width) == ("", 4)
    assert media.path is not None
    assert media.path.suffix == ".png"


FAILING: dict[str, tuple[Act, str]] = {
    "not found": (answer({}, 404), "HTTP 404"),
    "reset": (reset, "no answer from"),
    "cut": (answer(body=PNG, headers=AS_PNG, missing=7), "no answer from"),
    "cut chunks": (stream(PNG[:9], then="cut", kind="image/png"), "no answer from"),
    "garbage": (raw(b"no http"), "no answer from"),
    "loop": (answer({}, 302, headers={"location": "/x"}), "redirect"),
    "elsewhere": (answer({}, 302, headers={"location": "file:///etc/passwd"}), ""),
    "nowhere": (answer({}, 302, headers={"location": "http://[x"}), ""),
}


@pytest.mark.parametrize(("act", "problem"), FAILING.values(), ids=FAILING)
async def test_a_file_that_cannot_be_had_does_not_lose_the_others(
    act: Act, problem: str, scripted: ScriptedServer, collector: Collector, folder: Path
) -> None:
    """What went wrong with one file is told beside it; the rest is here, and no half file is left."""
    scripted.on("GET", "/x", act)
    scripted.on("GET", "/a.png", answer(body=PNG, headers=AS_PNG))
    bad, good = await collector.collect([{"url": scripted.origin + "/x"}, scripted.origin + "/a.png"])

    assert bad.path is None
    assert bad.problem
    assert problem in bad.problem
    assert "\n" not in bad.problem
    assert kept(folder) == [good.path]


async def test_a_file_that_comes_at_the_second_try(scripted: ScriptedServer, collector: Collector) -> None:
    """A download that breaks off is begun again."""
    scripted.on("GET", "/a.png", answer(body=PNG, missing=9), answer(body=PNG, headers=AS_PNG))

    assert (await collector.collect(scripted.origin + "/a.png"))[0].problem == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://[x",
        "http://a:99999/x.png",
        "/relative.png",
        "data:image/png;base64,A",
        "data:image/png;base64,%%%",
        "https://",
    ],
)
async def test_addresses_that_are_none(url: str, collector: Collector, folder: Path) -> None:
    """An address from outside, whatever it is, at most lacks its file."""
    (media,) = await collector.collect({"url": url})

    assert media.problem
    assert kept(folder) == [] or media.content_type == "application/octet-stream"


@pytest.mark.parametrize("claim", ["image/png", "text/html"])
async def test_a_page_that_claims_to_be_a_picture(
    claim: str, scripted: ScriptedServer, collector: Collector
) -> None:
    """A sign-in page in place of a picture is told as that, and is never shown as one."""
    scripted.on("GET", "/a.png", answer(body=HTML, headers={"content-type": claim}))
    (media,) = await collector.collect({"url": scripted.origin + "/a.png", "content_type": "image/png"})

    assert "claims to be image/png but is no picture" in media.problem
    assert not media.is_image
    assert media.path is not None
    assert media.path.suffix not in (".html", ".htm")


async def test_a_picture_under_a_false_name(scripted: ScriptedServer, collector: Collector) -> None:
    """What is in a file decides what it is."""
    scripted.on("GET", "/a.bin", answer(body=PNG, headers={"content-type": "text/plain"}))
    (media,) = await collector.collect({"url": scripted.origin + "/a.bin"})

    assert (media.content_type, media.problem) == ("image/png", "")
    assert media.path is not None
    assert media.path.suffix == ".png"


async def test_other_files_are_kept_as_they_are(scripted: ScriptedServer, collector: Collector) -> None:
    """Videos and archives are no pictures and no lies."""
    scripted.on("GET", "/a.mp4", answer(body=b"movie", headers={"content-type": "video/mp4; x=y"}))
    (media,) = await collector.collect({"video": {"url": scripted.origin + "/a.mp4"}})

    assert (media.content_type, media.problem, media.width) == ("video/mp4", "", None)
    assert media.path is not None
    assert media.path.suffix == ".mp4"


@pytest.fixture
def limited(service: FalService, folder: Path) -> Callable[..., Collector]:
    """Fetches into the folder within some limits."""
    return lambda **limits: Collector(service.transport, FileStore(folder), service.hosts, Limits(**limits))


DRIPS: list[bytes | float] = [b"x", 0.05] * 20
ENDLESS: dict[str, tuple[dict[str, Any], Act, str]] = {
    "large": ({"file_bytes": 1000}, stream(*[b"x" * 600] * 10, then="hold"), "larger than 1000 bytes"),
    "announced": (
        {"file_bytes": 1000},
        raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n"),
        "larger than 1000",
    ),
    "all": ({"all_bytes": 1000}, stream(*[b"x" * 600] * 10, then="hold"), "files of this output are larger"),
    "slow": ({"slowest": 10**9, "silence": 0.2}, stream(*DRIPS), "too slowly"),
    "full": ({"spare_bytes": 10**18}, answer(body=b"x", headers=AS_PNG), "has no room"),
    "full later": ({"spare_bytes": 10**18}, stream(b"x" * 2**21, then="hold"), "has no room"),
}


@pytest.mark.parametrize(("limits", "act", "problem"), ENDLESS.values(), ids=ENDLESS)
async def test_a_file_without_end(
    limits: dict[str, Any],
    act: Act,
    problem: str,
    *,
    scripted: ScriptedServer,
    limited: Callable[..., Collector],
    folder: Path,
) -> None:
    """A file larger or slower than any that can be meant is given up, not tried again, and leaves nothing."""
    scripted.on("GET", "/a.bin", act)
    (media,) = await asyncio.wait_for(limited(**limits).collect({"url": scripted.origin + "/a.bin"}), 5)

    assert problem in media.problem
    assert (scripted.count("GET"), kept(folder)) == (1, [])


async def test_files_that_are_too_large_together(
    scripted: ScriptedServer, limited: Callable[..., Collector], folder: Path
) -> None:
    """One output brings only so much; what did not come does not count."""
    scripted.on("GET", "/broken", answer(body=b"x" * 400, missing=1), answer({}, 404))
    for name in "abc":
        scripted.on("GET", f"/{name}", answer(body=name.encode() * 400))
    urls = [{"url": f"{scripted.origin}/{name}"} for name in ("broken", "a", "b", "c")]
    found = await limited(all_bytes=1000, at_once=1).collect(urls)

    assert [bool(media.path) for media in found] == [False, True, True, False]
    assert len(kept(folder)) == 2


async def test_more_files_than_can_be_meant(
    scripted: ScriptedServer, limited: Callable[..., Collector]
) -> None:
    """What is left out is said."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers=AS_PNG))
    urls = [f"{scripted.origin}/a.png?{number}" for number in range(5)]
    found = await limited(files=2).collect([{"url": url} for url in urls])

    assert [media.problem for media in found] == ["", "", "it is one of more than 2 files"]


@pytest.mark.parametrize("size", [(60_000, 60_000), (5, 5)])
async def test_a_picture_with_too_many_pixels(
    size: tuple[int, int], scripted: ScriptedServer, limited: Callable[..., Collector]
) -> None:
    """A small file that unfolds to a huge picture is kept and never unfolded."""
    header = struct.pack(">II", *size) + bytes([8, 2, 0, 0, 0])
    bomb = PNG[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + PNG[33:]
    scripted.on("GET", "/a.png", answer(body=bomb, headers=AS_PNG))
    (media,) = await limited(pixels=20).collect({"url": scripted.origin + "/a.png"})

    assert "too many" in media.problem
    assert media.path
    assert "not shown" in media._repr_mimebundle_()["text/plain"]


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_link_that_is_gone(status: int, scripted: ScriptedServer, collector: Collector) -> None:
    """An expired link is told as one, with the request to ask the service about."""
    scripted.on("GET", "/x", answer({}, status))
    (media,) = await collector.collect({"url": scripted.origin + "/x"}, "r-17")

    assert media.problem == f"the link has expired or is private (HTTP {status}); the request id is r-17"
    assert scripted.count("GET") == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_a_host_that_fails_for_a_while(
    status: int, scripted: ScriptedServer, collector: Collector
) -> None:
    """Passing trouble of who keeps the files is borne, as long as they ask for."""
    busy = answer({}, status, headers={"retry-after": "0.3", "x-fal-request-id": "r"})
    scripted.on("GET", "/a.png", busy, answer(body=PNG, headers=AS_PNG))
    (media,) = await collector.collect(scripted.origin + "/a.png")
    first, second = scripted.requests("GET")

    assert media.problem == ""
    assert second.at - first.at >= 0.3


async def test_a_disk_that_fails_is_told_once(
    scripted: ScriptedServer, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is not tried again and again."""

    def full(*_arguments: Any) -> None:
        raise MediaError("cannot write to files: No space left on device")

    scripted.on("GET", "/a.png", answer(body=PNG, headers=AS_PNG))
    monkeypatch.setattr(Incoming, "write", full)
    (media,) = await collector.collect(scripted.origin + "/a.png")

    assert "No space left" in media.problem
    assert scripted.count("GET") == 1


PUBLIC = Hosts.of_fal({})


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data", "http://[fe80::1]/x"])
async def test_not_even_a_service_of_this_network_has_us_ask_for_a_machine_s_own_secrets(
    url: str, service: FalService, folder: Path
) -> None:
    """A service on a private address may keep its files on another one, but none of them at a cloud's metadata."""
    private = Hosts.of_origin("http://10.0.0.1")
    (media,) = await Collector(service.transport, FileStore(folder), private).collect({"url": url})

    assert "inside this network" in media.problem


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/x",
        "http://localhost:{port}/x",
        "http://[::1]:{port}/x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x",
        "http://[::ffff:127.0.0.1]:{port}/x",
        "http://0.0.0.0:{port}/x",
    ],
)
async def test_a_public_service_cannot_have_us_read_this_network(
    url: str, scripted: ScriptedServer, service: FalService, folder: Path
) -> None:
    """An output of a service on the web names no file behind our own door."""
    collector = Collector(service.transport, FileStore(folder), PUBLIC)
    (media,) = await collector.collect({"url": url.format(port=scripted.port)})

    assert "inside this network" in media.problem
    assert scripted.connections == 0


async def test_nor_by_moving_a_file_there(
    scripted: ScriptedServer, service: FalService, folder: Path
) -> None:
    """A redirect is looked at like the address itself: each step, up to five."""
    scripted.on("GET", "/a", answer({}, 302, headers={"location": "http://10.0.0.1/x"}))
    for number in range(7):
        scripted.on("GET", f"/r{number}", answer({}, 307, headers={"location": f"r{number - 1}"}))
    scripted.on("GET", "/r0", answer(body=b"here"))
    hosts = Hosts("https://a.b", "https://a.b", "https://a.b", scripted.origin)
    collector = Collector(service.transport, FileStore(folder), hosts)
    moved, near, far = await collector.collect(
        [{"url": f"{scripted.origin}/{name}"} for name in ("a", "r5", "r6")]
    )

    assert "inside this network" in moved.problem
    assert near.path
    assert near.path.read_bytes() == b"here"
    assert "more than 5 redirects" in far.problem


async def test_files_inside_the_answer_do_not_pile_up(collector: Collector) -> None:
    """Pictures of a long stream of data URIs are not held in memory as well as on the disk."""
    for number in range(3):
        uri = "data:image/png;base64," + base64.b64encode(png((number + 1, 1))).decode()
        await collector.collect({"url": uri})

    assert collector._known == {}


async def test_a_copy_that_was_deleted_is_fetched_again(
    scripted: ScriptedServer, collector: Collector
) -> None:
    """Who clears the folder and runs on finds the file there again."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers=AS_PNG))
    (media,) = await collector.collect(scripted.origin + "/a.png")
    assert media.path
    media.path.unlink()
    (again,) = await collector.collect(scripted.origin + "/a.png")

    assert again.path == media.path
    assert again.bytes == PNG


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/evil.png", "..\\evil.png", "a/../../evil.png", "\0.png"]
)
async def test_no_name_leads_out_of_the_folder(
    name: str, scripted: ScriptedServer, collector: Collector, folder: Path, tmp_path: Path
) -> None:
    """Whatever the service calls a file, it is kept in the folder under a name of ours."""
    scripted.on("GET", "/a", answer(body=PNG, headers=AS_PNG))
    (media,) = await collector.collect({"url": scripted.origin + "/a", "file_name": name})

    assert media.path is not None
    assert folder in media.path.parents
    assert kept(tmp_path) == [media.path]
    assert media.path.stem == media.sha256


async def test_a_folder_that_cannot_be_written(scripted: ScriptedServer, service: FalService) -> None:
    """Without a place to keep them the output still arrives, and each file says why it has no copy."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers=AS_PNG))
    (media,) = await Collector(service.transport, FileStore(Path("/dev/null/files"))).collect(
        scripted.origin + "/a.png"
    )

    assert "cannot write to /dev/null/files" in media.problem


async def test_whatever_else_goes_wrong(
    scripted: ScriptedServer, collector: Collector, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even an error nobody thought of costs one file, not the result that was paid for."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers=AS_PNG))

    def fail(*_arguments: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(outputs, "_kept", fail)
    (media,) = await collector.collect(scripted.origin + "/a.png")

    assert media.problem == "MemoryError"
    assert kept(folder) == []


async def test_many_files_at_once(scripted: ScriptedServer, collector: Collector) -> None:
    """A few at a time, each is fetched."""
    for number in range(30):
        scripted.on("GET", f"/{number}.png", answer(body=png((number + 1, 2)), headers=AS_PNG))
    found = await collector.collect([f"{scripted.origin}/{number}.png" for number in range(30)])

    assert [media.width for media in found] == list(range(1, 31))


async def test_giving_up_leaves_no_half_file(
    scripted: ScriptedServer, collector: Collector, folder: Path
) -> None:
    """A download that is stopped leaves nothing behind."""
    scripted.on("GET", "/a.png", stream(PNG[:9], then="hold", kind="image/png"))
    fetching = asyncio.create_task(collector.collect(scripted.origin + "/a.png"))
    await asyncio.to_thread(scripted.until, lambda: kept(folder))
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching

    assert kept(folder) == []
