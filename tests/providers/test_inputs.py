from __future__ import annotations

import datetime as dt
import decimal
import io
import math
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from nbkit.errors import ConnectionFailed, InputError, MediaError, ServiceError
from nbkit.model.media import Media
from nbkit.model.result import Result
from nbkit.providers.files import Upload, as_upload
from nbkit.providers.inputs import Draft
from nbkit.providers.uploads import Uploader
from tests.scripted_server import answer, reset

if TYPE_CHECKING:
    from nbkit.providers.fal import FalService
    from tests.scripted_server import ScriptedServer

INITIATE = "/rest/storage/upload/initiate"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


@pytest.fixture
def uploads(scripted: ScriptedServer, service: FalService) -> Uploader:
    """Where files go: the scripted storage takes all that come."""
    place = {"upload_url": "/put/1?sig=abc", "file_url": "https://files/1"}
    scripted.on("POST", INITIATE, answer(place))
    scripted.on("PUT", "/put/1", answer({}))
    return Uploader(service)


def nowhere(_url: str) -> bool:
    """Say that the service can read no address by itself."""
    return False


async def sent(payload: dict[str, Any], uploader: Uploader) -> dict[str, Any]:
    """What is sent for an input."""
    return await Draft.of(payload).sent(uploader, nowhere)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small picture on disk."""
    path = tmp_path / "cat.png"
    Image.new("RGB", (4, 3), "red").save(path)
    return path


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON))
def test_json_stays_as_it_is(payload: dict[str, Any]) -> None:
    """What is JSON already is sent as it is."""
    assert Draft.of(payload).data == payload


def test_an_input_is_taken_when_it_is_given() -> None:
    """What is changed after a call, as a loop over seeds does, does not change what was asked for."""
    payload = {"seed": 1, "sizes": [1, {"w": 2}], "pair": (1, 2)}
    draft = Draft.of(payload)
    payload["seed"] = 2
    payload["sizes"][1]["w"] = 3  # type: ignore[index]

    assert draft.data == {"seed": 1, "sizes": [1, {"w": 2}], "pair": [1, 2]}


def test_numbers_of_numpy_are_numbers() -> None:
    """Scalars and rows of numbers come as plain JSON."""
    payload = {
        "a": np.float32(0.5),
        "b": np.int64(7),
        "c": np.arange(3),
        "d": np.array([1])[0] == 1,
        "e": np.array(2),
    }

    assert Draft.of(payload).data == {"a": 0.5, "b": 7, "c": [0, 1, 2], "d": True, "e": 2}


def test_mappings_are_objects() -> None:
    """Any mapping will do, at any depth."""
    assert Draft.of({"a": MappingProxyType({"b": 1})}).data == {"a": {"b": 1}}
    assert Draft.of(MappingProxyType({"a": 1})).data == {"a": 1}


def test_half_a_character_is_replaced() -> None:
    """Text that no file could hold is sent as near as can be, names too."""
    assert Draft.of({"a\ud83d": "x\udc00y"}).data == {"a?": "x?y"}


CIRCLE: list[Any] = []
CIRCLE.extend([CIRCLE, CIRCLE])


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        ({"a": {"b": [1, math.nan]}}, "a.b.1"),
        ({"a": -math.inf}, "a"),
        ({"a": np.array([1.0, math.nan])}, "a.1"),
        ({"a": np.float64("nan")}, "a"),
        ({"a": {1: 2}}, "a"),
        ({1: 2}, ""),
        ({"a": {None: 2}}, "a"),
        ({"when": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, "when"),
        ({"a": [decimal.Decimal(1)]}, "a.0"),
        ({"a": {1, 2}}, "a"),
        ({"a": object()}, "a"),
        ({"a": print}, "a"),
        ({"a": 1j}, "a"),
        ({"a": np.datetime64("2026-01-01")}, "a"),
        ({"a": Path}, "a"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_place(payload: dict[Any, Any], place: str) -> None:
    """The message names where in the input the trouble is, before anything is sent."""
    with pytest.raises(InputError) as caught:
        Draft.of(payload)

    assert caught.value.field == place
    assert str(caught.value).startswith(place or "input")


@pytest.mark.parametrize("payload", [CIRCLE, {"a": CIRCLE}])
def test_an_input_that_holds_itself(payload: Any) -> None:
    """An endless input is refused at once."""
    with pytest.raises(InputError, match="nested too deep"):
        Draft.of({"x": payload})


@pytest.mark.parametrize("payload", [None, [], "prompt", 7, [("a", 1)]])
def test_an_input_is_a_dict(payload: Any) -> None:
    """Anything else is refused with its kind."""
    with pytest.raises(InputError, match=type(payload).__name__):
        Draft.of(payload)


async def test_files_anywhere_are_uploaded_once(
    uploads: Uploader, scripted: ScriptedServer, picture: Path
) -> None:
    """Paths, bytes, open files, pictures and media of any kind become addresses; the same bytes travel once."""
    data = picture.read_bytes()
    with picture.open("rb") as opened:
        payload = {
            "image_url": picture,
            "deep": [{"mask": data}, (bytearray(data), memoryview(data))],
            "again": opened,
            "and_again": opened,
            "memory": io.BytesIO(data),
            "media": Media("http://127.0.0.1:9/x", path=picture, content_type="image/png"),
            "result": Result(
                {}, media=(Media("http://127.0.0.1:9/x", path=picture, content_type="image/png"),)
            ),
            "mask_url": str(picture),
            "prompt": str(picture),
        }
        got = await sent(payload, uploads)

    url = "https://files/1"
    assert got == {
        **dict.fromkeys(payload, url),
        "deep": [{"mask": url}, [url, url]],
        "prompt": str(picture),
    }
    assert scripted.count("PUT") == scripted.count("POST") == 1
    assert scripted.requests("PUT")[0].body == data


async def test_pictures_in_memory_are_uploaded(uploads: Uploader, scripted: ScriptedServer) -> None:
    """PIL images of every mode and arrays of pixels arrive as PNG."""
    pixels = np.zeros((4, 3, 3), np.uint8)
    pictures = [
        Image.new(mode, (4, 3)) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I")
    ]
    await sent({"images": [*pictures, pixels, pixels[..., 0], pixels[..., 0] > 1]}, uploads)

    for request in scripted.requests("PUT"):
        assert Image.open(io.BytesIO(request.body)).format == "PNG"
        assert request.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Path("/no/such/file.png"), "there is no file /no/such/file.png"),
        (Path("x" * 5000), "too long"),
        (Path(__file__).parent, "is a folder"),
        (io.StringIO("text"), "opened for bytes"),
        (np.full((4, 3), 7.0), "array of float64 is a picture where its values are from 0 to 1"),
        (np.zeros((4, 3, 7), np.uint8), "array of shape 4×3×7 is not a picture"),
        (Image.new("F", (4, 3)), "no fixed black and white"),
        (np.array([["a"]], object), "is not a picture"),
        (Media("", path=None), "not a value that can be sent"),
        (Result({}), "no picture"),
    ],
)
async def test_files_that_are_none(
    value: Any, reason: str, uploads: Uploader, scripted: ScriptedServer
) -> None:
    """A file that cannot be read is told by its place in the input, and nothing was sent."""
    with pytest.raises(InputError, match=reason) as caught:
        await sent({"a": [value]}, uploads)

    assert caught.value.field == "a.0"
    assert scripted.received == []


def test_a_slip_in_a_files_name_is_told() -> None:
    """What reads like a picture's file, and is none, is refused here and not sent to a service that is paid."""
    with pytest.raises(InputError, match=r"image_url: there is no file 'no-such-file\.png'") as caught:
        Draft.of({"image_url": "no-such-file.png"})

    assert caught.value.field == "image_url"
    assert Draft.of({"prompt": "no-such-file.png"}).data == {"prompt": "no-such-file.png"}


async def test_a_closed_file(uploads: Uploader, picture: Path) -> None:
    """A file that was closed before the call says so."""
    with picture.open("rb") as opened:
        pass
    with pytest.raises(InputError, match="closed file"):
        await sent({"a": opened}, uploads)


async def test_a_broken_picture_is_not_sent(uploads: Uploader, picture: Path) -> None:
    """A picture that Pillow cannot finish reading is told by its place."""
    picture.write_bytes(picture.read_bytes()[:45])
    with Image.open(picture) as broken, pytest.raises(InputError, match=r"a: .*truncated"):
        await sent({"a": broken}, uploads)


@pytest.mark.parametrize(
    "text",
    [
        "https://a/b.png",
        "http://a",
        "data:image/png;base64,AA",
        "somebody/model",
        "",
        "\0",
        "x" * 5000,
        "~nobody/x",
    ],
)
async def test_text_where_an_address_belongs(text: str, uploads: Uploader, scripted: ScriptedServer) -> None:
    """Addresses, data URIs and what is no file stay text."""
    assert await sent({"image_url": text, "image_urls": [text]}, uploads) == {
        "image_url": text,
        "image_urls": [text],
    }
    assert scripted.received == []


async def test_media_of_the_service_is_not_sent_again(
    uploads: Uploader, scripted: ScriptedServer, picture: Path
) -> None:
    """A picture that the service can read where it is goes by its address, a result's too."""
    media = Media("https://a/b.png", path=picture, content_type="image/png")
    got = await Draft.of({"a": media, "b": Result({}, media=(media,))}).sent(uploads, lambda _url: True)

    assert got == {"a": "https://a/b.png", "b": "https://a/b.png"}
    assert scripted.received == []


async def test_the_key_goes_to_the_service_and_not_to_the_signed_address(
    uploads: Uploader, scripted: ScriptedServer, picture: Path
) -> None:
    """Who keeps the files does not see the key."""
    await sent({"a": picture}, uploads)

    assert scripted.requests("POST")[0].headers["authorization"] == "Key SECRET-xyz"
    assert scripted.requests("POST")[0].json == {"content_type": "image/png", "file_name": "cat.png"}
    assert "authorization" not in scripted.requests("PUT")[0].headers
    assert scripted.requests("PUT")[0].headers["content-length"] == str(picture.stat().st_size)


async def test_an_upload_survives_trouble_on_the_way(
    uploads: Uploader, scripted: ScriptedServer, picture: Path
) -> None:
    """Uploading costs nothing, so it is tried again, from the start of the file."""
    scripted.on("POST", INITIATE, reset, answer({"upload_url": "/put/1", "file_url": "https://files/1"}))
    scripted.on("PUT", "/put/1", reset, answer({}, 503), answer({}))

    assert await sent({"a": picture}, uploads) == {"a": "https://files/1"}
    assert scripted.requests("PUT")[-1].body == picture.read_bytes()


async def test_a_service_that_takes_no_files(
    uploads: Uploader, scripted: ScriptedServer, picture: Path
) -> None:
    """A refusal is told with the file's name, and the next try is a new one."""
    scripted.on("PUT", "/put/1", answer({"detail": "too large"}, 413), answer({}))
    with pytest.raises(ServiceError, match=r"uploading cat.png: too large \(HTTP 413\)"):
        await sent({"a": picture}, uploads)
    assert await sent({"a": picture}, uploads) == {"a": "https://files/1"}


@pytest.mark.parametrize("place", [{}, [], {"upload_url": "http://[x", "file_url": "y"}])
async def test_a_service_that_gives_no_place(
    place: Any, uploads: Uploader, scripted: ScriptedServer, picture: Path
) -> None:
    """An answer without an address is an error of ours."""
    scripted.on("POST", INITIATE, answer(place))
    with pytest.raises(MediaError):
        await sent({"a": picture}, uploads)


async def test_a_place_that_is_no_web_address(
    uploads: Uploader, scripted: ScriptedServer, picture: Path
) -> None:
    """A service cannot have a file written elsewhere than to the web."""
    scripted.on("POST", INITIATE, answer({"upload_url": "file:///tmp/x", "file_url": "y"}))
    with pytest.raises(ConnectionFailed):
        await sent({"a": picture}, uploads)


def test_kinds_are_told_by_content_or_name(picture: Path) -> None:
    """The type of a file is given, or guessed from its name or its first bytes."""
    data = picture.read_bytes()

    assert as_upload(data) == Upload(data, "image/png", "file")
    assert as_upload(b"text") == Upload(b"text", "application/octet-stream", "file")
    assert as_upload(picture, content_type="x/y", file_name="n") == Upload(picture, "x/y", "n")
    assert as_upload("text") is None
    assert as_upload(7) is None


def test_a_reference_of_a_workflow_is_no_path() -> None:
    """In a field of addresses it stands for what a step will give, also where its last word looks like a type."""
    given = {"workflow": {"cut": {"input": {"image_url": "$convert.png"}}}}

    assert Draft.of(given).data == given
