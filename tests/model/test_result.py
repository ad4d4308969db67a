from __future__ import annotations

import pytest

from nbkit.model.media import Media
from nbkit.model.result import Result
from nbkit.model.table import table

IMAGE = Media("https://a/x.png", content_type="image/png")
TEXT = Media("https://a/x.txt", content_type="text/plain")


def test_a_result_is_used_like_its_output() -> None:
    """The output's own names work on the result."""
    result = Result({"seed": 7, "timings": {"inference": 1.5}}, metrics={"inference_time": 2})

    assert result["seed"] == 7
    assert "seed" in result
    assert list(result) == ["seed", "timings"]
    assert len(result) == 2
    assert (result.seed, result.timings) == (7, {"inference": 1.5})


@pytest.mark.parametrize("data", [[1, 2], "text", {"seed": "7"}, None])
def test_outputs_of_any_shape(data: object) -> None:
    """An output without a seed has none, whatever it is."""
    result = Result(data, metrics={"inference_time": 2})

    assert result.seed is None
    assert result.timings == {"inference_time": 2}


def test_the_pictures_are_the_pictures() -> None:
    """Among the files, `images` are those that are pictures, and `image` is the first."""
    result = Result({}, media=(TEXT, IMAGE))

    assert result.images == (IMAGE,)
    assert result.image is IMAGE
    with pytest.raises(IndexError):
        _ = Result({}, media=(TEXT,)).image


def test_it_reads_well_in_a_terminal() -> None:
    """A list of results, or of their files, is a few words each: no output JSON, and nothing that steers a terminal."""
    picture = Media(
        "https://x/a.png", "image/png", "a\x1b[2J.png", size=9, width=4, height=2, problem="it \x9bis gone"
    )
    result = Result({"seed": 7, "text": "long " * 1000}, "acme/x", media=(picture,), seconds=1.25)

    assert repr(result) == "<Result of acme/x: 1 file, seed 7, 1.2 s>"
    assert repr(Result({}, "acme/x", stand_in="local/y")) == "<Result of acme/x (stand-in: local/y): 0.0 s>"
    assert repr(picture) == "<Media a_2J.png: image/png, 4 × 2, 9 bytes, it is gone>"
    assert repr(Media("https://x/a.png")) == "<Media a.png: not on this machine>"


def test_a_table_prints_as_a_table() -> None:
    """In a script `print(nbkit.table(…))` shows the rows."""
    lines = str(table(Result({"seed": 7}, "acme/x", input={"prompt": "a cat"}, seconds=1.0))).splitlines()

    assert lines[0].split() == ["endpoint", "prompt", "size", "seed", "seconds", "file"]
    assert lines[1].split() == ["acme/x", "a", "cat", "7", "1.0"]


@pytest.mark.parametrize(("told", "tokens"), [(12, 12), (None, None), ("12", None)])
def test_tokens_are_what_the_service_counted(told: object, tokens: int | None) -> None:
    """A workflow's tokens are known where the service tells them."""
    assert Result({}, metrics={"total_tokens": told}).tokens == tokens


def test_its_pictures_show_themselves_together() -> None:
    """`result.images` as the last value of a cell is the pictures side by side, and lines in a terminal."""
    second = Media("https://x/b.png", "image/png", problem="it is gone")
    images = Result({}, "acme/x", media=(IMAGE, TEXT, second)).images
    shown = images._repr_mimebundle_()

    assert [it.url for it in images] == [IMAGE.url, second.url]
    assert "b.png" in shown["text/html"]
    assert len(shown["text/plain"].splitlines()) == 2
