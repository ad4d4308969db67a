from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from nbkit.errors import MediaError
from nbkit.model.media import Media, find_media

if TYPE_CHECKING:
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("url"), inner),
)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small picture on disk."""
    path = tmp_path / "kept.png"
    Image.new("RGB", (4, 3), "red").save(path)
    return path


def test_files_are_found_wherever_they_stand() -> None:
    """Objects with an address, addresses that end like a file, and data URIs are files."""
    found = list(
        find_media(
            {
                "images": [
                    {"url": "https://v3.fal.media/a", "content_type": "image/png", "width": 4, "height": 3}
                ],
                "video": {"url": "https://v3.fal.media/b.mp4", "file_size": 7},
                "mask_url": "https://v3.fal.media/c.webp?sig=1",
                "inline": "data:image/jpeg;base64,AAAA",
                "seed": 7,
                "prompt": "see https://fal.ai/x.png for more",
            }
        )
    )

    assert [(it.place, it.content_type) for it in found] == [
        ("images.0", "image/png"),
        ("video", "video/mp4"),
        ("mask_url", "image/webp"),
        ("inline", "image/jpeg"),
    ]
    assert (found[0].width, found[0].height, found[1].size) == (4, 3, 7)


def test_the_same_address_is_one_file() -> None:
    """A picture that is named twice is fetched once."""
    assert len(list(find_media([{"url": "https://a/x.png"}, "https://a/x.png"]))) == 1


@pytest.mark.parametrize("text", ["data: one, two", "data:", "data is, well", "database:x,y"])
def test_prose_is_no_file(text: str) -> None:
    """A model that writes about data has not given a file."""
    assert not list(find_media({"text": text}))


@pytest.mark.parametrize("url", ["http://[broken", "https://a:99999999/x.png", "//", "/", "http://"])
def test_broken_addresses_do_no_harm(url: str) -> None:
    """An address that is none does not lose the rest of the result."""
    for media in find_media([{"url": url}, {"url": "https://a/b.png"}]):
        assert media.name


@given(JSON)
def test_any_output_can_be_searched(output: Any) -> None:
    """No output makes the search fail, and no name leads out of a folder."""
    for media in find_media(output):
        assert "/" not in media.name
        assert media.name not in (".", "..")


def test_a_long_string_is_searched_in_no_time() -> None:
    """A hostile text cannot keep the search busy."""
    began = time.perf_counter()
    list(find_media(["http://a" + ".png?" * 100_000 + " "] * 3))

    assert time.perf_counter() - began < 1


def test_deep_outputs_are_searched_to_a_limit() -> None:
    """An output nested a thousand deep is read without breaking."""
    output: Any = {"url": "https://a/x.png"}
    for _ in range(900):
        output = [output]

    assert list(find_media(output)) == []


@given(st.text(), st.text())
def test_names_are_safe_to_write(file_name: str, tail: str) -> None:
    """Whatever a service calls a file, the name stays in its folder and fits into it."""
    name = Media(f"https://a/{tail}", file_name=file_name).name

    assert name
    assert not set(name) & set('/\\\0:*?"<>|\n')
    assert not name.startswith(".")
    assert len(name.encode()) <= 120


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..", "/etc/passwd", "C:\\x", "图" * 300 + ".png", "a\x00b"]
)
def test_saving_stays_in_the_folder(name: str, picture: Path, tmp_path: Path) -> None:
    """A file saved into a folder lands in that folder, whatever the service called it."""
    folder = tmp_path / "out"
    folder.mkdir()
    saved = Media("https://a/b", file_name=name, path=picture).save(folder)

    assert saved.parent == folder
    assert [saved] == list(folder.iterdir())


def test_a_kept_file_can_be_used(picture: Path, tmp_path: Path) -> None:
    """Bytes, pixels and a copy are at hand."""
    media = Media("https://a/b.png", path=picture)

    assert media.bytes == picture.read_bytes()
    assert media.pil().size == (4, 3)
    assert media.save(tmp_path / "copy.png").read_bytes() == picture.read_bytes()


@pytest.mark.parametrize("use", [lambda it: it.bytes, lambda it: it.pil(), lambda it: it.save("x")])
def test_a_file_that_is_not_here_says_why(use: Any, tmp_path: Path) -> None:
    """Without a copy the reason is told, and where it was."""
    with pytest.raises(MediaError, match="HTTP 404") as caught:
        use(Media("https://a/b.png", problem="HTTP 404"))
    assert "https://a/b.png" in caught.value.hint
    with pytest.raises(MediaError, match="its copy is gone"):
        use(Media("https://a/b.png", path=tmp_path / "deleted.png"))


def test_a_broken_picture_says_so(picture: Path) -> None:
    """A picture that cannot be decoded is an error of ours."""
    picture.write_bytes(picture.read_bytes()[:45])
    with pytest.raises(MediaError, match="not a picture that can be read"):
        Media("https://a/b.png", path=picture).pil()
