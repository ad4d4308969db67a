from __future__ import annotations

import base64
import http.server
import io
import json
import struct
import threading
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw

from nbkit.server.endpoints import own_endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

SMALL = {"width": 128, "height": 96}
STAND_INS = {entry.id: entry.stand_in for entry in own_endpoints() if entry.stand_in and entry.model}


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def _data_uri(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _huge_png(width: int, height: int) -> bytes:
    """A PNG that says it is huge, without its pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def ball() -> bytes:
    """A picture with a subject."""
    picture = Image.new("RGB", (160, 120), "lightblue")
    ImageDraw.Draw(picture).ellipse((40, 20, 120, 100), fill="crimson", outline="black", width=4)
    return _png(picture)


@pytest.fixture(scope="module")
def site(ball: bytes) -> Iterator[str]:
    """A web site with a picture, a page, a loop and a flood."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/loop":
                self.send_response(302)
                self.send_header("Location", "/loop")
                self.end_headers()
                return
            if self.path == "/file":
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.end_headers()
                return
            self.send_response({"/ball.png": 200, "/page": 200, "/flood": 200}.get(self.path, 404))
            self.end_headers()
            if self.path == "/flood":
                try:
                    while True:
                        self.wfile.write(bytes(2**20))
                except OSError:
                    return
            self.wfile.write(ball if self.path == "/ball.png" else b"<html>no picture</html>")

        def log_message(self, *_anything: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def _run(http: httpx.Client, server: str, name: str, **given: Any) -> Any:
    answer = http.post(f"{server}/run/{name}", json=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _picture(http: httpx.Client, described: dict[str, Any]) -> Image.Image:
    """Fetch a picture and see to it that it is what the answer says."""
    answer = http.get(described["url"])
    picture = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == described["content_type"]
    assert len(answer.content) == described["file_size"]
    assert picture.size == (described["width"], described["height"])
    picture.load()
    return picture


def test_the_collage_says_what_it_drew(server: str, http: httpx.Client) -> None:
    """Words that it has no sprite for are told, and it says that it is a collage."""
    output = _run(http, server, "local/collage", prompt="a cat and a flurbish", image_size=SMALL, seed=3)
    picture = _picture(http, output["images"][0])

    assert picture.format == "PNG"
    assert output["engine"] == "collage"
    assert "cat" in output["matched"]
    assert "flurbish" in output["unmatched"]


def test_pictures_name_their_sprites_prompt_and_maker(server: str, http: httpx.Client) -> None:
    """The licence of the sprites asks for their name, wherever the picture goes."""
    prompt = "кошка на пляже 猫"
    png = _picture(http, _run(http, server, "local/collage", prompt=prompt, image_size=SMALL)["images"][0])
    jpeg = _picture(
        http, _run(http, server, "fal-ai/fast-sdxl", prompt="a cat ☃", image_size=SMALL)["images"][0]
    )

    assert "OpenMoji" in png.info["Copyright"]
    assert png.info["Description"].startswith("кошка на пляже 猫")
    assert "not generative" in png.info["Software"]
    assert "OpenMoji" in jpeg.getexif()[0x8298]
    assert jpeg.info["comment"].decode() == "a cat ☃"


def test_the_same_seed_gives_the_same_picture(server: str, http: httpx.Client) -> None:
    """And another seed another; a missing one is drawn and told."""

    def draw(**seed: int) -> tuple[int, bytes]:
        output = _run(http, server, "local/collage", prompt="a cat", image_size=SMALL, **seed)
        return output["seed"], _picture(http, output["images"][0]).tobytes()

    assert draw(seed=5) == draw(seed=5)
    assert draw(seed=5)[1] != draw(seed=6)[1]
    assert draw(seed=2**62)[0] == 2**62
    assert draw()[0] != draw()[0]


def test_several_pictures_differ_and_repeat(server: str, http: httpx.Client) -> None:
    """Each has the next seed, so that one of them can be made again alone."""
    both = _run(
        http, server, "fal-ai/fast-sdxl", prompt="a cat", image_size=SMALL, num_images=2, seed=9, format="png"
    )
    second = _run(http, server, "fal-ai/fast-sdxl", prompt="a cat", image_size=SMALL, seed=10, format="png")
    pictures = [_picture(http, image).tobytes() for image in both["images"]]

    assert pictures[0] != pictures[1]
    assert _picture(http, second["images"][0]).tobytes() == pictures[1]
    assert both["has_nsfw_concepts"] == [False, False]


@pytest.mark.parametrize(
    ("size", "pixels"),
    [("square", (512, 512)), ("portrait_16_9", (576, 1024)), ({"width": 80}, (80, 512)), (None, (1024, 768))],
)
def test_sizes_have_names_or_numbers(
    server: str, http: httpx.Client, size: Any, pixels: tuple[int, int]
) -> None:
    """As fal documents them; schnell's default is 4:3."""
    output = _run(http, server, "fal-ai/flux/schnell", prompt="a cat", image_size=size)

    assert _picture(http, output["images"][0]).size == pixels


def test_pictures_can_come_inline(server: str, http: httpx.Client) -> None:
    """`sync_mode` gives data URIs."""
    output = _run(http, server, "fal-ai/fast-sdxl", prompt="a cat", image_size=SMALL, sync_mode=True)
    head, _, body = output["images"][0]["url"].partition(",")

    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(body))).size == (128, 96)


def test_a_picture_can_start_from_another(server: str, http: httpx.Client, ball: bytes) -> None:
    """Image to image keeps the size of the picture given, and the seed."""
    given = {"prompt": "a cat", "image_url": _data_uri(ball), "seed": 42}
    output = _run(http, server, "fal-ai/fast-sdxl/image-to-image", strength=0, format="png", **given)

    assert output["seed"] == 42
    assert _picture(http, output["images"][0]).tobytes() == Image.open(io.BytesIO(ball)).tobytes()


def test_the_upscaler_enlarges(server: str, http: httpx.Client, ball: bytes) -> None:
    """By the factor asked for, with what fal documents in the answer."""
    output = _run(http, server, "fal-ai/flux-vision-upscaler", image_url=_data_uri(ball), upscale_factor=1.5)

    assert _picture(http, output["image"]).size == (240, 180)
    assert set(output) == {"image", "seed", "timings", "caption"}
    assert set(output["image"]) == {"url", "content_type", "file_name", "file_size", "width", "height"}


def test_the_background_goes_and_the_sticker_stands(server: str, http: httpx.Client, ball: bytes) -> None:
    """A cutout is transparent where nothing is; a sticker can be made of it or of the picture."""
    cut = _run(http, server, "fal-ai/imageutils/rembg", image_url=_data_uri(ball), crop_to_bbox=True)["image"]
    cutout = _picture(http, cut)
    sticker = _run(http, server, "local/sticker", image_url=cut["url"])["image"]
    faced = _run(
        http, server, "fal-ai/face-to-sticker", prompt="x", image_url=cut["url"], image_size="square"
    )

    assert cutout.mode == "RGBA"
    assert max(cutout.size) < 130
    assert _picture(http, sticker).width > cutout.width
    assert _picture(http, faced["sticker_image"]).mode == "RGB"
    assert _picture(http, faced["sticker_image_background_removed"]).mode == "RGBA"
    assert faced["images"][0]["width"] == 512


@pytest.mark.parametrize("name", sorted(STAND_INS))
def test_a_stand_in_takes_what_is_documented_and_says_that_it_is_one(
    server: str, http: httpx.Client, ball: bytes, name: str
) -> None:
    """In a header of every answer; its output has the documented keys and no others."""
    entry = next(entry for entry in own_endpoints() if entry.id == name)
    given: dict[str, Any] = {"prompt": "a cat", "image_url": _data_uri(ball)}
    if name == "fal-ai/fast-sdxl":
        given["image_size"] = SMALL
    answer = http.post(f"{server}/run/{name}", json=given)

    assert answer.headers["x-nbkit-stand-in"] == STAND_INS[name]
    assert set(answer.json()) == set(entry.output["properties"])


def test_own_endpoints_are_no_stand_ins(server: str, http: httpx.Client) -> None:
    """`local/…` is what it says it is."""
    answer = http.post(f"{server}/run/local/collage", json={"prompt": "a cat", "image_size": SMALL})

    assert "x-nbkit-stand-in" not in answer.headers


def test_an_input_picture_can_come_from_anywhere(
    server: str, http: httpx.Client, site: str, ball: bytes
) -> None:
    """A data URI, one of the server's own files, the web."""
    own = http.post(f"{server}/cdn/files/upload", content=ball).json()["access_url"]
    moved = own.replace(server, "https://tunnel.example")
    for url in (_data_uri(ball), own, moved, f"{site}/ball.png"):
        output = _run(http, server, "local/upscale", image_url=url, upscale_factor=1)
        assert _picture(http, output["image"]).size == (160, 120)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("file:///etc/passwd", "file_download_error"),
        ("ftp://example.org/x.png", "file_download_error"),
        ("/etc/passwd", "file_download_error"),
        ("nonsense", "file_download_error"),
        ("http://127.0.0.1:1/x.png", "file_download_error"),
        ("http://no.such.host.invalid/x.png", "file_download_error"),
        ("http://[::bad/x.png", "file_download_error"),
        ("{site}/nothing", "file_download_error"),
        ("{site}/loop", "file_download_error"),
        ("{site}/file", "file_download_error"),
        ("{site}/flood", "file_too_large"),
        ("{site}/page", "image_load_error"),
        ("data:image/png;base64,!!!", "image_load_error"),
        ("data:image/png", "image_load_error"),
        ("data:image/svg+xml,<svg/>", "image_load_error"),
        ("data:text/plain,hello", "image_load_error"),
        (_data_uri(_huge_png(20_000, 20_000)), "image_too_large"),
        (_data_uri(_huge_png(100_000, 1)), "image_too_large"),
        (_data_uri(_huge_png(100, 100)), "image_load_error"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_by_its_field(
    server: str, http: httpx.Client, site: str, url: str, kind: str
) -> None:
    """With fal's word for why."""
    url = url.replace("{site}", site)
    answer = http.post(f"{server}/run/local/upscale", json={"image_url": url})
    (entry,) = answer.json()["detail"]

    assert answer.status_code == 422
    assert answer.headers["x-fal-billable-units"] == "0"
    assert (entry["loc"], entry["type"]) == (["body", "image_url"], kind)
    if kind == "image_too_large":
        assert entry["ctx"] == {"max_width": 8192, "max_height": 8192}
    if kind == "file_download_error":
        assert url in entry["msg"]


def test_what_an_engine_refuses_is_a_422_too(server: str, http: httpx.Client) -> None:
    """A picture in which nothing stands out cannot be cut out."""
    blank = _data_uri(_png(Image.new("RGBA", (64, 64))))
    answer = http.post(f"{server}/run/local/sticker", json={"image_url": blank})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "image_url"]


@pytest.mark.parametrize("prompt", ["x" * 20_000, "", "\u0000", "😀" * 5_000, "\ud800"])
def test_any_prompt_up_to_the_limit_is_drawn(server: str, http: httpx.Client, prompt: str) -> None:
    """However strange."""
    body = b'{"prompt": %s, "image_size": {"width": 64, "height": 64}}'
    answer = http.post(f"{server}/run/local/collage", content=body % json.dumps(prompt).encode())

    assert answer.status_code == 200
    assert answer.json()["prompt"] == prompt


def test_a_prompt_beyond_the_limit_is_refused(server: str, http: httpx.Client) -> None:
    """A hundred kilobytes were pasted by mistake."""
    answer = http.post(f"{server}/run/local/collage", json={"prompt": "x" * 100_000})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "string_too_long"
    assert len(answer.content) < 2000


@pytest.mark.parametrize("path", ["/openapi.json", "/api/openapi/queue/openapi.json"])
def test_each_endpoint_describes_itself(server: str, http: httpx.Client, path: str) -> None:
    """The way in which fal's own pages look the schemas up."""
    for model in http.get(f"{server}/api/v1/models").json()["models"]:
        name = model["endpoint_id"]
        document = http.get(f"{server}{path}", params={"endpoint_id": name}).json()
        reference = document["paths"][f"/{name}"]["post"]["requestBody"]["content"]["application/json"][
            "schema"
        ]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        result = next(path for path in document["paths"] if path.endswith("/requests/{request_id}"))
        output = document["paths"][result]["get"]["responses"]["200"]["content"]["application/json"][
            "schema"
        ]["$ref"]

        assert document["openapi"].startswith("3.")
        assert document["info"]["x-fal-metadata"]["endpointId"] == name
        assert schema["properties"]
        assert output.rpartition("/")[2] in document["components"]["schemas"]


@pytest.mark.parametrize(("query", "status"), [("", 400), ("?endpoint_id=fal-ai/nothing", 404)])
def test_a_description_of_nothing_is_refused(
    server: str, http: httpx.Client, query: str, status: int
) -> None:
    """With a sentence."""
    answer = http.get(f"{server}/openapi.json{query}")

    assert answer.status_code == status
    assert "fal-ai/" in answer.json()["detail"] or "local/collage" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/nothing", "/queues/x", "/v2/info", "/cdn"])
def test_an_address_where_nothing_is_says_what_there_is(server: str, http: httpx.Client, path: str) -> None:
    """A mistyped base URL is seen at once."""
    answer = http.get(f"{server}{path}")

    assert answer.status_code == 404
    assert "/queue" in answer.json()["detail"]
    assert answer.headers["x-fal-request-id"]
