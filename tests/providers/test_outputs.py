from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nbkit.history.files import FileStore
from nbkit.providers import outputs
from nbkit.providers.outputs import Collector
from tests.scripted_server import answer, raw, reset, stream

if TYPE_CHECKING:
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


async def test_a_file_without_end(
    scripted: ScriptedServer, collector: Collector, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file larger than any that can be meant is given up, and not tried again."""
    monkeypatch.setattr(outputs, "_LARGEST_FILE", 1000)
    scripted.on("GET", "/a.bin", stream(*[b"x" * 600] * 10, then="hold"))
    (media,) = await collector.collect({"url": scripted.origin + "/a.bin"})

    assert "larger than" in media.problem
    assert (scripted.count("GET"), kept(folder)) == (1, [])


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
