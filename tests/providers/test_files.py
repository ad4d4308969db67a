from __future__ import annotations

import base64
import gzip
import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from nbkit.errors import InputError, MediaError
from nbkit.model.media import Media
from nbkit.providers import files
from nbkit.providers.files import Upload, as_upload, data_uri
from nbkit.providers.pixels import to_picture


def upload(value: Any, **options: Any) -> Upload:
    """What a value is as a file."""
    found = as_upload(value, **options)
    assert found is not None
    return found


def content(file: Upload) -> bytes:
    """All bytes of a file."""
    return file.source if isinstance(file.source, bytes) else file.source.read_bytes()


def pixels(value: Any) -> list[Any]:
    """What a picture in memory is once it is a file."""
    return np.asarray(Image.open(io.BytesIO(content(upload(value))))).tolist()  # type: ignore[no-any-return]


def test_floats_are_pictures_from_0_to_1() -> None:
    """What models and matplotlib give, floats from 0 to 1, is not cut down to black."""
    assert pixels(np.array([[0.0, 0.5, 1.0]])) == [[0, 128, 255]]
    assert pixels(np.array([[0.0, 0.5, 1.0]], np.float16)) == [[0, 128, 255]]
    assert pixels(np.array([[-1e-7, 1 + 1e-7]], np.float32)) == [[0, 255]]


def test_masks_are_pictures() -> None:
    """True is white."""
    assert pixels(np.array([[True, False]])) == [[255, 0]]
    assert pixels(np.array([[[True], [False]]])) == [[255, 0]]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_channels_come_last(channels: int, mode: str) -> None:
    """Rows, columns, and then 1 to 4 channels."""
    array = np.arange(6 * channels, dtype=np.uint8).reshape(2, 3, channels)

    assert to_picture(array).mode == mode
    assert pixels(array[::-1]) == (array[::-1, :, 0] if channels == 1 else array[::-1]).tolist()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((3, 64, 64), np.uint8), r"3×64×64 is not a picture: put the channels last"),
        (np.zeros((2, 64, 64, 3), np.uint8), r"2×64×64×3 .* give one of several pictures, as array\[0\]"),
        (np.zeros((0, 64, 3), np.uint8), "it is empty"),
        (np.zeros(5, np.uint8), "rows and columns"),
        (np.uint8(5), "no axes"),
        (np.full((2, 2), 255.0), "from 0 to 1; these are from 255 to 255"),
        (np.full((2, 2), np.nan), "from 0 to 1; these are from nan to nan"),
        (np.full((2, 2), -0.5), "from -0.5 to -0.5"),
        (np.zeros((2, 2), np.int64), "array of int64 .* uint8 from 0 to 255"),
        (np.zeros((2, 2), np.uint16), "array of uint16"),
        (np.zeros((2, 2), complex), "array of complex128"),
    ],
)
def test_arrays_that_are_no_pictures_say_why(array: Any, reason: str) -> None:
    """A wrong shape, type or range is told, with the way to mend it."""
    with pytest.raises(MediaError, match=reason):
        as_upload(array)


@given(arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, max_dims=5, max_side=5)))
def test_any_array_is_a_picture_or_an_error_of_ours(array: Any) -> None:
    """No array does anything else."""
    try:
        file = as_upload(array)
    except MediaError:
        return
    assert file is not None
    assert file.content_type == "image/png"


@pytest.mark.parametrize("mode", ["La", "RGBa", "RGBA", "LA"])
def test_transparency_stays(mode: str) -> None:
    """A cutout of any mode is still one."""
    picture = Image.new("RGBA", (2, 2), (9, 9, 9, 0)).convert("LA" if mode == "La" else "RGBA")
    sent = Image.open(io.BytesIO(content(upload(picture.convert(mode)))))

    assert sent.convert("RGBA").getpixel((0, 0)) == (*sent.convert("RGBA").getpixel((0, 0))[:3], 0)  # type: ignore[index]


def test_whole_numbers_are_grey_where_they_fit() -> None:
    """A PIL image of 32-bit numbers is sent where they are bytes, and refused where they would be cut."""
    grey = Image.new("I", (2, 1), 200)
    assert pixels(grey) == [[200, 200]]
    with pytest.raises(MediaError, match="values from 60000 to 60000"):
        as_upload(Image.new("I", (2, 1), 60000))
    with pytest.raises(MediaError, match="empty"):
        as_upload(Image.new("RGB", (0, 1)))


@pytest.mark.parametrize("at", [0, 3, 10])
def test_an_open_file_is_sent_whole_and_stands_where_it_stood(at: int, tmp_path: Path) -> None:
    """Wherever a file was read to, all of it is sent, and whoever reads on finds it as it was."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789")
    with path.open("rb") as disk, io.BytesIO(b"0123456789") as memory:
        for file in (disk, memory):
            file.seek(at)
            assert content(upload(file)) == b"0123456789"
            assert file.tell() == at
        assert (upload(disk).source, upload(disk).file_name) == (path, "a.txt")


def test_what_was_written_is_sent(tmp_path: Path) -> None:
    """A file that is still being written is sent with all that was written to it."""
    path = tmp_path / "a.bin"
    with path.open("w+b") as file:
        file.write(b"written")
        assert content(upload(file)) == b"written"
    with tempfile.NamedTemporaryFile() as named, tempfile.TemporaryFile() as nameless:
        for file in (named, nameless):  # type: ignore[assignment]
            file.write(b"temporary")
            assert content(upload(file)) == b"temporary"


def test_a_file_that_reads_otherwise_than_it_lies(tmp_path: Path) -> None:
    """What a compressed file reads as is sent, not the compressed bytes."""
    packed = tmp_path / "a.txt.gz"
    with gzip.open(packed, "wb") as file:
        file.write(b"plain")
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("in.txt", "inside")
    with gzip.open(packed) as plain, zipfile.ZipFile(archive) as reader, reader.open("in.txt") as inside:
        assert content(upload(plain)) == b"plain"
        assert content(upload(inside)) == b"inside"


def test_a_name_that_means_another_file_now(tmp_path: Path) -> None:
    """A file that was replaced under its name after it was opened is sent as it was opened."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with path.open("rb") as opened:
        path.unlink()
        path.write_text("new")
        assert content(upload(opened)) == b"old"


def test_a_large_stream_is_kept_on_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What cannot be read twice is copied to the disk, not into memory, and the copy goes when it is not needed."""
    monkeypatch.setattr(files, "_LARGEST_IN_MEMORY", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Stream(io.RawIOBase):
        left = 5000

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            count = min(self.left, len(buffer))
            buffer[:count] = b"x" * count
            self.left -= count
            return count

    file = upload(Stream())
    path = file.source
    assert isinstance(path, Path)
    assert path.read_bytes() == b"x" * 5000
    del file
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["", "png", "image/png\r\nx-evil: 1", "image/", "a/b c", "image/pñg"])
def test_a_type_that_is_none(kind: str) -> None:
    """What is passed as a type cannot become another header field."""
    with pytest.raises(InputError, match="content_type"):
        as_upload(b"x", content_type=kind)


def test_types_and_names_are_kept_or_guessed(tmp_path: Path) -> None:
    """What is given wins, then the name, then the content; a name is always text."""
    picture = io.BytesIO()
    Image.new("RGB", (2, 2)).save(picture, format="WEBP")
    plain = tmp_path / "noname"
    plain.write_bytes(picture.getvalue())
    media = Media("https://a/x", content_type="image/webp", file_name="m.webp", path=plain)

    assert upload(plain).content_type == "image/webp"
    assert (upload(media).content_type, upload(media).file_name) == ("image/webp", "m.webp")
    assert upload(media, content_type="a/b", file_name="n").content_type == "a/b"
    assert upload(b"x", content_type="text/plain; charset=utf-8").content_type == "text/plain; charset=utf-8"
    assert upload(b"x", file_name="a\udcff.txt") == Upload(b"x", "text/plain", "a?.txt")


def test_data_uris(tmp_path: Path) -> None:
    """A small file can be an address by itself."""
    path = tmp_path / "a.txt"
    path.write_text("hello")

    assert data_uri(path) == "data:text/plain;base64,aGVsbG8="
    assert data_uri(b"hello", content_type="a/b") == "data:a/b;base64,aGVsbG8="
    kind, _, body = data_uri(Image.new("RGB", (2, 2))).partition(",")
    assert kind == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(body))).size == (2, 2)
    with pytest.raises(InputError, match="is not a file"):
        data_uri("a.txt")
    with pytest.raises(MediaError, match=r"client\.upload"):
        data_uri(b"x" * (files.LARGEST_DATA_URI + 1))


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_a_file(data: bytes) -> None:
    """Whatever is in them, bytes are sent as they are."""
    assert content(upload(data)) == content(upload(io.BytesIO(data))) == data


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """A file of somebody else says so."""
    path = tmp_path / "a"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(MediaError, match=r"[Pp]ermission"):
        upload(path).look()
