from __future__ import annotations

import enum
import io
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel, ConfigDict

from nbkit.endpoints import output
from nbkit.endpoints.output import BadResult, output_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.endpoints.conftest import Request


@dataclass
class Pair:
    """A picture with its name."""

    picture: Image.Image
    name: str


class Scene(BaseModel):
    """The same as a model."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    picture: Image.Image
    number: int = 3


class Word(enum.Enum):
    """A word."""

    YES = "yes"


def square(colour: str = "red") -> Image.Image:
    """A small picture."""
    return Image.new("RGB", (5, 5), colour)


def test_a_picture_is_an_image(job: Request) -> None:
    """Kept as it is, under the endpoint's name, and described as fal does."""
    file = output_of(square(), job, "draw")["image"]

    assert (file["file_name"], file["content_type"], file["width"], file["height"]) == (
        "draw.png",
        "image/png",
        5,
        5,
    )
    assert job.picture(file).getpixel((0, 0)) == (255, 0, 0)


def test_pictures_are_images(job: Request) -> None:
    """In their order, of a list or a tuple."""
    files = output_of((square("red"), square("blue")), job, "draw")["images"]

    assert [job.picture(it).getpixel((0, 0)) for it in files] == [(255, 0, 0), (0, 0, 255)]


def test_files_are_kept_as_they_are(job: Request, tmp_path: Path) -> None:
    """The file's own name and bytes; what becomes of it afterwards does not matter."""
    path = tmp_path / "song.mp3"
    path.write_bytes(b"la la")
    one = output_of(path, job, "sing")["file"]
    several = output_of([path, path], job, "sing")["files"]
    path.unlink()

    assert (one["file_name"], one["content_type"], one["file_size"]) == ("song.mp3", "audio/mpeg", 5)
    assert [job.content(it) for it in (one, *several)] == [b"la la"] * 3


def test_files_may_stand_anywhere(job: Request, tmp_path: Path) -> None:
    """In dicts, lists, dataclasses and models, however deep."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"a")
    found = output_of(
        {"pair": Pair(square(), "p"), "scenes": [Scene(picture=square())], "path": path, "word": Word.YES},
        job,
        "x",
    )

    assert found["pair"]["name"] == "p"
    assert job.picture(found["pair"]["picture"]).size == (5, 5)
    assert found["scenes"][0]["number"] == 3
    assert job.picture(found["scenes"][0]["picture"]).size == (5, 5)
    assert job.content(found["path"]) == b"a"
    assert found["word"] == "yes"


@pytest.mark.parametrize(
    ("result", "gives"),
    [
        ("text", "text"),
        (3, 3),
        (True, True),
        ([1, "a", None], [1, "a", None]),
        ([], []),
        (np.int64(4), 4),
        (np.float32(0.5), 0.5),
    ],
)
def test_a_plain_value_is_the_output(job: Request, result: Any, gives: Any) -> None:
    """What has no name of its own stands under `output`."""
    assert output_of(result, job, "x") == {"output": gives}


def test_records_keep_their_own_names(job: Request) -> None:
    """A dataclass or a model at the top is the output itself."""
    assert set(output_of(Pair(square(), "p"), job, "x")) == {"picture", "name"}
    assert output_of(Scene(picture=square()), job, "x")["number"] == 3


def circle() -> Any:
    """A list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


def deep() -> Any:
    """A list in a list, and so on."""
    made: Any = 1
    for _ in range(5000):
        made = [made]
    return made


def closed() -> Image.Image:
    """A picture whose file is closed."""
    target = io.BytesIO()
    square().save(target, "PNG")
    picture = Image.open(target)
    picture.close()
    return picture


class Raw:
    """Nothing that anybody knows."""


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (None, "gave nothing"),
        (Raw(), "is of the type .*Raw, which is no JSON"),
        (math.nan, "is nan, which JSON has not"),
        ({"a": [1, -math.inf]}, r"whose 'a\.1' is -inf"),
        (circle(), "is inside of itself"),
        (deep(), "nested more than 60 deep"),
        (b"bytes", r"is of the type bytes, which is no JSON\n  → write it to a file and return its Path"),
        (io.BytesIO(b"x"), "return its Path"),
        ({"a": {1: 2}}, "whose 'a' has the name 1, which is no text"),
        ("\ud800", "holds half of a character at 0"),
        ({"\udfff": 1}, "holds half of a character"),
        (10**5000, "is a number of 16610 bits"),
        (np.zeros(3), r"array\.tolist\(\)"),
        ({1, 2}, "is of the type set"),
        (closed(), "is a picture .* that cannot be written"),
        (Image.new("RGB", (0, 5)), r"is a picture \(RGB, 0×5\) that cannot be written"),
        (Image.new("F", (5, 5)), r"is a picture \(F, 5×5\) that cannot be written .*convert"),
        (Image.new("HSV", (5, 5)), "cannot be written"),
        (lambda: 1, "is of the type function"),
        (Pair, "is of the type type"),
    ],
    ids=lambda it: it if isinstance(it, str) and it.isascii() else "",
)
def test_junk_is_told_as_what_it_is(job: Request, result: Any, says: str) -> None:
    """One sentence: what came, where it stands, and what to return instead."""
    with pytest.raises(BadResult) as caught:
        output_of(result, job, "x")

    assert caught.value.hint
    caught.match(f"(?s){says}")


def test_a_path_that_leads_nowhere_is_told(job: Request, tmp_path: Path) -> None:
    """A file that is not there, and a folder."""
    with pytest.raises(BadResult, match="which cannot be read: No such file"):
        output_of({"a": tmp_path / "none"}, job, "x")
    with pytest.raises(BadResult, match="which cannot be read: Is a directory"):
        output_of(tmp_path, job, "x")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadResult, match="is a named pipe"):
        output_of(tmp_path / "pipe", job, "x")
    with pytest.raises(BadResult, match="which cannot be read: It is a device"):
        output_of({"a": tmp_path / os.devnull}, job, "x")
    with pytest.raises(BadResult, match="which cannot be read: embedded null byte"):
        output_of({"a": tmp_path / "a\0b"}, job, "x")


def test_too_much_is_told(job: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output is no place for large data."""
    monkeypatch.setattr(output, "MOST_BYTES", 1000)
    with pytest.raises(BadResult, match="write large data to a file"):
        output_of("x" * 2000, job, "x")
