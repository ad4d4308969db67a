"""Files that go to the workflow apps and come from them."""

from __future__ import annotations

import io
import time
import uuid
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, strategies as st
from PIL import Image, ImageDraw

from nbkit.wire.dify.file_answers import SIGNED_SECONDS, TOOL_FILE, FileFacts, opens, signed_path
from tests.server.dify.conftest import ERAS
from tests.server.dify.test_dify_runs import events, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.dify.conftest import Caller

NAMELESS = {
    "content": b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n'
    b"Content-Type: image/png\r\n\r\nx\r\n--b--\r\n",
    "headers": {"content-type": "multipart/form-data; boundary=b"},
}
each_era = pytest.mark.parametrize("era", ERAS)


def picture() -> bytes:
    """A red ball on a white ground, as a PNG."""
    drawn = Image.new("RGB", (96, 96), "white")
    ImageDraw.Draw(drawn).ellipse((20, 20, 76, 76), fill="red")
    content = io.BytesIO()
    drawn.save(content, "PNG")
    return content.getvalue()


def upload(
    caller: Caller, name: str = "ball.png", content: bytes = b"", kind: str = "image/png"
) -> httpx.Response:
    """Upload a file, the ball by default."""
    files = {"file": (name, content or picture(), kind)}
    return caller.http.post("/files/upload", files=files, data={"user": "u1"})


def local(upload_id: str, **more: Any) -> dict[str, Any]:
    """An uploaded picture, as an input names it."""
    return {"type": "image", "transfer_method": "local_file", "upload_file_id": upload_id, **more}


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a picture on another server."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = picture()
            self.send_response(200 if "ball" in self.path else 404)
            self.send_header("content-type", "image/png")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/ball"
        server.shutdown()


def test_a_sticker_is_made_in_steps_whose_pictures_can_be_seen(stickers: dict[str, Caller]) -> None:
    """Each working step tells its own picture; the end gives one file object, as large as was asked for."""
    caller = stickers["1.13"]
    file_id = upload(caller).json()["id"]
    told = events(caller.run({"picture": local(file_id), "scale": 1.5}, "streaming").content)
    made = {it["data"]["node_id"]: it["data"] for it in told if it["event"] == "node_finished"}
    assert list(made) == ["start", "cut_out", "outline", "enlarge", "choose", "end"]
    sizes = [
        Image.open(io.BytesIO(httpx.get(made[node]["files"][0]["url"]).content)).size
        for node in ("cut_out", "outline", "enlarge")
    ]
    assert sizes[2] == tuple(round(side * 1.5) for side in sizes[1])
    sent = made["start"]["inputs"]["picture"]
    assert (sent["transfer_method"], sent["related_id"]) == ("local_file", file_id)
    assert httpx.get(sent["url"]).content == picture()
    sticker = told[-1]["data"]["outputs"]["sticker"]
    assert sticker["related_id"] == made["enlarge"]["files"][0]["related_id"]
    assert sticker["dify_model_identity"] == "__dify__file__"


def test_a_step_that_fails_and_is_caught_makes_the_run_a_partial_success(
    stickers: dict[str, Caller], elsewhere: str
) -> None:
    """Enlarging ninefold is refused; the sticker comes as it was, and the run says `partial-succeeded`."""
    remote = {"type": "image", "transfer_method": "remote_url", "url": elsewhere}
    told = events(stickers["1.13"].run({"picture": remote, "scale": 9}, "streaming").content)
    end = told[-1]["data"]
    assert (end["status"], end["exceptions_count"], end["error"]) == ("partial-succeeded", 1, None)
    failed = next(
        it["data"] for it in told if it["event"] == "node_finished" and it["data"]["node_id"] == "enlarge"
    )
    assert failed["status"] == "exception"
    assert set(failed["outputs"]) == {"error_message", "error_type"}
    assert failed["execution_metadata"] == {"error_strategy": "fail-branch"}
    assert end["outputs"]["sticker"]["filename"] == "sticker.png"
    echo = told[0]["data"]["inputs"]["picture"]
    assert (echo["url"], echo["remote_url"], echo["related_id"]) == (elsewhere, elsewhere, None)


def test_an_early_server_takes_the_picture_beside_the_inputs(stickers: dict[str, Caller]) -> None:
    """0.6 has no file variables: the picture is the first of `files`; without one the run fails."""
    caller = stickers["0.6"]
    file_id = upload(caller).json()["id"]
    data = caller.run({"scale": 1}, files=[local(file_id)]).json()["data"]
    assert (data["status"], data["outputs"]["sticker"]["__variant"]) == ("succeeded", "FileVar")
    assert caller.run({"scale": 1}).json()["data"]["status"] == "failed"
    too_large = events(caller.run({"scale": 9}, "streaming", files=[local(file_id)]).content)
    assert words(too_large)[-3:] == ["node_finished enlarge", "workflow_finished", "tts_message_end"]
    assert too_large[-2]["data"]["error"].startswith("Node Enlarge run failed: ")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("a string", "picture in input form must be a file"),
        ([{}], "picture in input form must be a file"),
        ({}, "No matching enum found for value 'None'"),
        ({"transfer_method": ["x"]}, "No matching enum found"),
        ({"transfer_method": "carrier_pigeon"}, "No matching enum found for value 'carrier_pigeon'"),
        (local("nope"), "Invalid upload file id format"),
        (local(""), "Invalid upload file id"),
        (local(str(uuid.uuid4())), "Invalid upload file"),
        ({"type": "image", "transfer_method": "remote_url"}, "Invalid file url"),
        ({"type": "image", "transfer_method": "remote_url", "url": "file:///etc/passwd"}, "Invalid file url"),
        (
            {"type": "image", "transfer_method": "remote_url", "url": "http://127.0.0.1:9/x"},
            "Failed to download",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_before_the_run(
    file: Any, message: str, stickers: dict[str, Caller]
) -> None:
    """Each gets a 400 in Dify's words, in place of a run that must fail."""
    answer = stickers["1.13"].run({"picture": file}, "streaming")
    assert answer.status_code == 400
    assert message in answer.json()["message"]


def test_the_type_that_is_told_has_to_be_that_of_the_file(
    stickers: dict[str, Caller], elsewhere: str
) -> None:
    """Another type, none, or a text where a picture belongs is refused; so is a page that is not there."""
    caller = stickers["1.13"]
    picture_id = upload(caller).json()["id"]
    text_id = upload(caller, "note.txt", b"note", "text/plain").json()["id"]
    wrong = [
        local(picture_id, type="document"),
        local(picture_id, type=None),
        local(text_id, type="document"),
        {"type": "image", "transfer_method": "remote_url", "url": elsewhere.replace("ball", "none")},
    ]
    assert [caller.run({"picture": file}).status_code for file in wrong] == [400] * 4


@each_era
def test_an_upload_is_told_as_it_came(era: str, stickers: dict[str, Caller]) -> None:
    """The name keeps its letters, the type is the sender's word; the address that late servers tell opens."""
    answer = upload(stickers[era], "café 猫.PNG")
    told = answer.json()
    assert (answer.status_code, told["name"], told["extension"]) == (201, "café 猫.PNG", "png")
    assert (told["size"], told["mime_type"]) == (len(picture()), "image/png")
    assert len(told) == (14 if era == "1.13" else 7)
    if era == "1.13":
        assert httpx.get(told["source_url"]).content == picture()


@each_era
@pytest.mark.parametrize(
    ("request_parts", "codes"),
    [
        ({"data": {"user": "u1"}}, ("no_file_uploaded", "bad_request_key_error")),
        ({"json": {}}, ("no_file_uploaded", "bad_request_key_error")),
        ({"files": {"image": ("a.png", b"x")}}, ("no_file_uploaded", "bad_request_key_error")),
        ({"files": {"file": ("a.png", b"x"), "file2": ("a.png", b"x")}}, ("too_many_files",) * 2),
        (
            NAMELESS,
            ("filename_not_exists_error", "unsupported_file_type"),
        ),
        ({"files": {"file": ("a.exe", b"x", "x/y")}}, ("", "unsupported_file_type")),
        ({"files": {"file": ("../x.png", b"x", "image/png")}}, ("invalid_param", "")),
        ({"files": {"file": ("a.png", bytes(10 * 2**20 + 1), "image/png")}}, ("file_too_large",) * 2),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, ("bad_request",) * 2),
        (
            {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            ("bad_request",) * 2,
        ),
    ],
    ids=["none", "json", "other", "two", "nameless", "program", "path", "large", "boundless", "broken"],
)
def test_an_upload_that_is_none_is_refused_with_dify_s_code(
    era: str, request_parts: dict[str, Any], codes: tuple[str, str], stickers: dict[str, Caller]
) -> None:
    """No code means that this server takes it."""
    answer = stickers[era].http.post("/files/upload", **request_parts)
    expected = codes[0 if era == "1.13" else 1]
    assert (answer.json()["code"] if expected else answer.status_code) == (expected or 201)


@each_era
def test_only_a_signed_address_opens_a_file(era: str, stickers: dict[str, Caller]) -> None:
    """Without a signature, with another, or for another file there is a refusal; HEAD and attachments are the era's."""
    caller = stickers[era]
    file_id = upload(caller).json()["id"]
    outputs = caller.run(
        {"picture": local(file_id), "scale": 1}, files=[] if era == "1.13" else [local(file_id)]
    ).json()["data"]["outputs"]
    url = outputs["sticker"]["url"]
    bare, _, query = url.partition("?")
    assert httpx.get(bare).status_code == 400
    assert httpx.get(f"{bare}?{query[:-4]}AAA=").json()["message"] == "Invalid request."
    assert httpx.get(url.replace(outputs["sticker"]["related_id"], file_id)).status_code == 403
    stale = query.replace("timestamp=", "timestamp=1")
    assert httpx.get(f"{bare}?{stale}").status_code == 403
    head, whole = httpx.head(url), httpx.get(url, headers={"range": "bytes=0-7"})
    assert (head.status_code, whole.status_code, head.content) == (200, 200, b"")
    assert ("content-length" in whole.headers) == (era == "1.13")
    saved = httpx.get(f"{url}&as_attachment=true").headers.get("content-disposition")
    assert saved == ("attachment; filename*=UTF-8''upscaled.png" if era == "1.13" else None)


def test_an_uploaded_page_is_never_shown_as_one(stickers: dict[str, Caller]) -> None:
    """A page is given as an attachment, in a sandbox, whatever its ending says."""
    told = upload(stickers["1.13"], "page.png", b"<script>alert(1)</script>", "text/html").json()
    got = httpx.get(told["source_url"])
    assert got.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in got.headers["content-security-policy"]


def test_the_preview_of_an_upload_is_for_chats_only(stickers: dict[str, Caller]) -> None:
    """A workflow app's file is not found there."""
    caller = stickers["1.13"]
    file_id = upload(caller).json()["id"]
    answer = caller.http.get(f"/files/{file_id}/preview")
    assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")


FILE = FileFacts(
    id=str(uuid.uuid4()), method=TOOL_FILE, kind="image", name="a.png", content_type="image/png", size=1
)


def query_of(path: str) -> dict[str, str]:
    """The query of a path, as a server reads it."""
    return dict(httpx.QueryParams(path.partition("?")[2]))


def test_an_address_opens_for_three_hundred_seconds_the_last_included() -> None:
    """One second more is too many; another secret never opens it."""
    now = int(time.time())
    query = query_of(signed_path(FILE, b"secret", now, "n" * 32))
    check = partial(opens, query, FILE.id)
    assert check(b"secret", now + SIGNED_SECONDS)
    assert not check(b"secret", now + SIGNED_SECONDS + 1)
    assert not check(b"other", now)


@given(st.dictionaries(st.sampled_from(["timestamp", "nonce", "sign"]), st.text()))
def test_a_made_up_query_opens_nothing(query: dict[str, str]) -> None:
    """Whatever stands in it."""
    assert not opens(query, FILE.id, b"secret", 0)
