from __future__ import annotations

import pytest

from nbkit.model.media import Media
from nbkit.model.result import Result

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
