from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageCms, ImageSequence, PngImagePlugin

from nbkit.metadata import picture
from nbkit.metadata.edit import copy

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = json.dumps({"nbkit": 1, "endpoint": "a/b", "input": {"prompt": "猫 & <b> \ufffe 🐈 ]]> \x07"}})
PARAMETERS = "猫 a cat\nSteps: 4, Seed: 7, Model: a/b"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def drawn(mode: str = "RGB", size: tuple[int, int] = (40, 31), seed: int = 0) -> Image.Image:
    """A picture with something in it."""
    noise = Image.effect_noise(size, 60 + seed)
    if mode == "RGBA":
        return Image.merge("RGBA", (noise, noise, noise.rotate(90), noise))
    return Image.merge("RGB", (noise, noise.rotate(180), noise)).convert(mode)


def encoded(form: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """A picture file."""
    buffer = io.BytesIO()
    (image or drawn()).save(buffer, form, **options)
    return buffer.getvalue()


def exif() -> bytes:
    """EXIF of a camera, which holds the way up."""
    made = Image.Exif()
    made[0x0112] = 6
    made[0x010F] = "Camera"
    return made.tobytes()


def text_chunks() -> PngImagePlugin.PngInfo:
    """Texts of another program, packed too."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    info.add_itxt("Title", "題", zip=True)
    info.add_text("Comment", "packed", zip=True)
    return info


FILM = [drawn(seed=number * 9) for number in range(3)]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PICTURES: dict[str, bytes] = {
    "png": encoded("PNG"),
    "png-palette": encoded("PNG", drawn("P")),
    "png-sixteen-bits": encoded("PNG", Image.new("I;16", (9, 5), 40_000)),
    "png-with-everything": encoded(
        "PNG", drawn("RGBA"), pnginfo=text_chunks(), icc_profile=PROFILE, exif=exif(), dpi=(72, 72)
    ),
    "apng": encoded("PNG", FILM[0], save_all=True, append_images=FILM[1:], duration=90),
    "jpeg": encoded("JPEG"),
    "jpeg-grey": encoded("JPEG", drawn("L")),
    "jpeg-progressive": encoded("JPEG", progressive=True, quality=95),
    "jpeg-with-everything": encoded("JPEG", exif=exif(), icc_profile=PROFILE * 300, comment="of somebody"),
    "jpeg-cmyk": encoded("JPEG", drawn("CMYK")),
    "webp": encoded("WEBP"),
    "webp-odd": encoded("WEBP", drawn(size=(1, 1))),
    "webp-lossless": encoded("WEBP", lossless=True),
    "webp-lossless-see-through": encoded("WEBP", drawn("RGBA"), lossless=True),
    "webp-see-through": encoded("WEBP", drawn("RGBA")),
    "webp-with-everything": encoded("WEBP", drawn("RGBA"), exif=exif(), icc_profile=PROFILE),
    "webp-animated": encoded("WEBP", FILM[0], save_all=True, append_images=FILM[1:], duration=90),
}


def embedded(data: bytes, recipe: str = RECIPE, parameters: str = PARAMETERS) -> bytes | None:
    """The picture file with a recipe in it."""
    changes = picture.edits(io.BytesIO(data), recipe, parameters)
    if changes is None:
        return None
    target = io.BytesIO()
    copy(io.BytesIO(data), target, changes)
    return target.getvalue()


def frames(data: bytes) -> list[tuple[str, tuple[int, int], bytes, Any]]:
    """Every pixel of every frame, with how long each is shown."""
    with Image.open(io.BytesIO(data)) as image:
        return [
            (frame.mode, frame.size, frame.tobytes(), frame.info.get("duration"))
            for frame in ImageSequence.Iterator(image)
        ]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_takes_its_recipe_and_stays_as_it_is(name: str) -> None:
    """Every kind of picture opens as before, pixel for pixel, with its profile, its EXIF and its texts."""
    data = PICTURES[name]
    new = embedded(data)
    assert new is not None
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(new)) as after:
        before.load()
        after.load()
        assert frames(new) == frames(data)
        assert after.info.get("icc_profile") == before.info.get("icc_profile")
        assert after.info.get("comment") == before.info.get("comment")
        assert dict(before.getexif()).items() <= dict(after.getexif()).items()
        assert getattr(before, "text", {}).items() <= getattr(after, "text", {}).items()

    assert json.loads(picture.recipe_in(io.BytesIO(new))) == json.loads(RECIPE)


@pytest.mark.parametrize("name", PICTURES)
def test_a_second_recipe_takes_the_place_of_the_first(name: str) -> None:
    """A picture has one recipe, the last that was written."""
    once = embedded(PICTURES[name])
    assert once is not None
    second = RECIPE.replace("a/b", "c/d")
    twice = embedded(once, second)
    assert twice is not None

    assert json.loads(picture.recipe_in(io.BytesIO(twice)))["endpoint"] == "c/d"
    assert b"a/b" not in twice.replace(b"Model: a/b", b"")
    assert len(twice) == len(once)
    assert frames(twice) == frames(once)


@pytest.mark.parametrize("name", ["png", "png-palette", "apng"])
def test_other_tools_read_the_parameters_of_a_png(name: str) -> None:
    """The text `parameters` stands where tools for generated pictures look for it."""
    for parameters in (PARAMETERS, "a cat\nSteps: 4"):
        new = embedded(PICTURES[name], parameters=parameters)
        assert new is not None
        with Image.open(io.BytesIO(new)) as image:
            image.load()
            assert image.info["parameters"] == parameters
            assert json.loads(image.info["nbkit"]) == json.loads(RECIPE)


@pytest.mark.parametrize("name", ["jpeg", "jpeg-progressive", "webp", "webp-lossless", "webp-animated"])
def test_other_tools_read_the_parameters_of_jpeg_and_webp(name: str) -> None:
    """There it is EXIF's comment, and the recipe is in XMP, which Pillow reads as well."""
    new = embedded(PICTURES[name])
    assert new is not None
    with Image.open(io.BytesIO(new)) as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
        packet = image.info["xmp"]

    assert comment.startswith(b"UNICODE\0")
    assert comment[8:].decode("utf-16-be") == PARAMETERS
    assert b"<nbkit:recipe>" in packet


def test_texts_of_others_are_not_replaced() -> None:
    """A service that writes `parameters` or EXIF itself keeps the word."""
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "its own")
    new = embedded(encoded("PNG", pnginfo=info))
    assert new is not None
    with Image.open(io.BytesIO(new)) as image:
        image.load()
        assert image.info["parameters"] == "its own"


@pytest.mark.parametrize(
    "data",
    [
        encoded("JPEG", xmp=b"<x:xmpmeta/>"),
        encoded("WEBP", xmp=b"<x:xmpmeta/>"),
        PICTURES["jpeg"][:2] + b"\xff\xeb\x00\x06jumb" + PICTURES["jpeg"][2:],
        PICTURES["png"][:-12]
        + b"\0\0\0\0caBX"
        + struct.pack(">I", zlib.crc32(b"caBX"))
        + PICTURES["png"][-12:],
        PICTURES["png"][:-12],
        PICTURES["png"][:60],
        PICTURES["jpeg"][:90],
        PICTURES["webp"][:90],
        PICTURES["webp"] + b"behind the end",
        encoded("GIF"),
        b"",
        b"<svg/>",
    ],
)
def test_what_is_in_doubt_is_left_alone(data: bytes) -> None:
    """Foreign XMP, signed, cut off and unknown files are not changed."""
    assert embedded(data) is None


def test_a_recipe_that_is_too_long_stays_outside() -> None:
    """A segment of a JPEG holds 64 KiB, and readers of PNG stop at a megabyte."""
    long = json.dumps({"nbkit": 1, "endpoint": "a/b", "input": {"prompt": "x" * 70_000}})

    assert embedded(PICTURES["jpeg"], long) is None
    assert embedded(PICTURES["png"], long) is not None
    assert embedded(PICTURES["png"], long.replace("xx", "x" * 40)) is None


@given(
    st.sampled_from(sorted(PICTURES)),
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=4)), max_size=6),
    st.none() | st.integers(0, 600),
)
@settings(max_examples=300)
def test_no_file_is_made_worse(name: str, changes: list[tuple[int, bytes]], cut: int | None) -> None:
    """Whatever is broken in a file, reading and writing end, and what could be opened still shows the same."""
    broken = bytearray(PICTURES[name])
    for at, put in changes:
        broken[at : at + len(put)] = put
    data = bytes(broken[:cut])
    assert list(picture.notes(io.BytesIO(data))) is not None
    new = embedded(data)
    if new is None:
        return
    assert json.loads(picture.recipe_in(io.BytesIO(new))) == json.loads(RECIPE)
    try:
        before = frames(data)
    except Exception:  # noqa: BLE001 - Pillow fails in any way at a broken file
        return
    assert frames(new) == before


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x20\0\0\0WEBP"]),
)
def test_any_bytes_can_be_looked_at(tail: bytes, head: bytes) -> None:
    """Files made to break a reader do not."""
    file = io.BytesIO(head + tail)
    assert all(isinstance(text, str) for _, text in picture.notes(file))
    assert isinstance(picture.recipe_in(file), str)
    picture.edits(file, RECIPE, PARAMETERS)


def test_a_text_that_unpacks_to_gigabytes_is_read_to_a_limit() -> None:
    """A small file cannot fill the memory."""
    data = b"Comment\0\0" + zlib.compress(bytes(50_000_000))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    png = PICTURES["png"]
    (found,) = picture.notes(io.BytesIO(png[:33] + chunk + png[33:]))

    assert found[0] == "Comment"
    assert len(found[1]) < 5_000_000


PAGE = """<body>{pictures}<script>
const pixels = (image) => {{
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL();
}};
window.onload = () => {{
  const all = [...document.images];
  const said = all.filter((_, at) => at % 2 === 0).map((image, at) =>
    image.naturalWidth && pixels(image) === pixels(all[at * 2 + 1]) ? "same" : `${{image.alt}} differs`);
  document.body.textContent = said.join(" ");
}};
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_shows_every_one_of_them(tmp_path: Path) -> None:
    """Chromium decodes the pictures with their recipes as it does those without, to the same pixels."""
    names = [name for name in PICTURES if name != "png-sixteen-bits"]
    tags = []
    for name in names:
        for data in (PICTURES[name], embedded(PICTURES[name])):
            kind = name.partition("-")[0].replace("apng", "png")
            tags.append(
                f'<img alt="{name}" src="data:image/{kind};base64,{b64encode(data or b"").decode()}">'
            )
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(pictures="".join(tags)))
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom")
    done = subprocess.run(
        [str(CHROMIUM), *options, page.as_uri()], capture_output=True, check=True, timeout=100
    )

    assert f"<body>{' '.join(['same'] * len(names))}</body>" in done.stdout.decode()
