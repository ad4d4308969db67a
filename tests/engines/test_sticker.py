from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageDraw

from nbkit.engines.sticker import cut_sticker, make_sticker
from nbkit.errors import EngineError, MissingWeights

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Photograph = Callable[[str], Image.Image]

BLUE = (30, 60, 200, 255)


def disc(diameter: int, mode: str = "RGBA") -> Image.Image:
    """A blue disc that touches all four borders of its picture."""
    large = Image.new(mode, (4 * diameter, 4 * diameter))
    ImageDraw.Draw(large).ellipse((0, 0, 4 * diameter - 1, 4 * diameter - 1), fill=BLUE)
    return large.resize((diameter, diameter), Image.Resampling.BOX)


def blue_centre(sticker: Image.Image) -> tuple[float, float]:
    """Column and row of the middle of what is blue."""
    pixels = np.asarray(sticker).astype(int)
    rows, columns = np.nonzero((pixels[..., 2] > pixels[..., 0] + 100) & (pixels[..., 3] == 255))
    return float(columns.mean()), float(rows.mean())


def distances(sticker: Image.Image) -> NDArray[np.float64]:
    """How far each pixel is from the middle of the disc."""
    column, row = blue_centre(sticker)
    rows, columns = np.mgrid[: sticker.height, : sticker.width]
    distance: NDArray[np.float64] = np.hypot(columns - column, rows - row)
    return distance


def test_the_outline_is_white_and_as_wide_as_asked() -> None:
    """Around a disc of radius 100 an outline of 5 % is a ring of pure white, 10 pixels wide."""
    sticker = make_sticker(disc(200), outline=0.05)

    pixels, away = np.asarray(sticker), distances(sticker)
    ring = pixels[(away > 102) & (away < 108)]
    assert (ring == 255).all()
    assert (pixels[away < 98] == BLUE).all()
    assert (pixels[away > 112][:, 3] < 128).all()


def test_the_shadow_is_soft_and_not_cut_off() -> None:
    """The shadow is black, fades out before the border, and the picture ends where it does."""
    sticker = make_sticker(disc(200))

    pixels = np.asarray(sticker)
    opacity = pixels[..., 3]
    borders = [opacity[0], opacity[-1], opacity[:, 0], opacity[:, -1]]
    assert all(0 < border.max() <= 3 for border in borders)
    shadow = pixels[(opacity > 2) & (distances(sticker) > 100 + 6 + 2)]
    assert len(shadow) > 200
    assert shadow[:, :3].max() <= 2
    faint = opacity[:, sticker.width // 2] < 128
    assert faint[-20:].sum() > faint[:20].sum() + 3  # it falls downwards


def test_it_keeps_clear_of_the_border_of_the_cut_out() -> None:
    """A subject that fills its picture to the border gets its outline all around."""
    sticker = make_sticker(Image.new("RGBA", (80, 50), BLUE), outline=0.1)

    assert sticker.width > 80 + 2 * 8
    assert sticker.height > 50 + 2 * 8
    across = np.asarray(sticker)[sticker.height // 2]
    assert (across[:, :3].min(axis=1) == 255).sum() >= 14


def test_the_empty_surroundings_are_cropped() -> None:
    """A small subject in a large picture makes a small sticker, the same as without its surroundings."""
    wide = Image.new("RGBA", (500, 400))
    wide.paste(disc(60), (300, 100))

    assert make_sticker(wide) == make_sticker(disc(60))


def test_notches_do_not_make_the_outline_ragged() -> None:
    """A gap little wider than the outline takes is bridged, instead of leaving a slit in the paper."""
    bars = Image.new("RGBA", (200, 100), BLUE)
    bars.paste((0, 0, 0, 0), (88, 0, 112, 100))

    alpha = np.asarray(make_sticker(bars, outline=0.05).getchannel("A"))[20:90]

    solid = alpha >= 200
    crossings = np.abs(np.diff(solid.astype(int), axis=1)).sum(axis=1)
    assert set(crossings.tolist()) <= {0, 2}


def test_faint_remains_do_not_reach_beyond_the_paper() -> None:
    """A smear that matting left beside the subject is not seen outside of the outline."""
    cutout = Image.new("RGBA", (400, 100), (255, 0, 0, 40))
    for left in (0, 300):
        cutout.paste(disc(100), (left, 0))

    sticker = make_sticker(cutout)

    assert np.asarray(sticker)[sticker.height // 2, sticker.width // 2].tolist() == [0, 0, 0, 0]


def test_the_longest_side_is_what_was_asked() -> None:
    """A sticker of size 128 measures 128 pixels, for a chat that takes no larger ones."""
    assert max(make_sticker(Image.new("RGBA", (300, 100), BLUE), size=128).size) == 128


def test_the_outline_can_be_a_hairline() -> None:
    """With the thinnest outline the cut-out is hardly larger than it was."""
    sticker = make_sticker(Image.new("RGBA", (40, 30), BLUE), outline=0.005)

    assert (np.asarray(sticker)[5:25, 5:35] == BLUE).all()
    assert sticker.width <= 44


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"outline": 0}, "outline"),
        ({"outline": 0.5}, "outline"),
        ({"size": 0}, "size"),
        ({"size": 99999}, "size"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, int], field: str) -> None:
    """An outline or a size that makes no sense is refused by its name."""
    with pytest.raises(EngineError) as caught:
        make_sticker(disc(20), **options)
    assert caught.value.field == field


def test_an_empty_cut_out_is_refused() -> None:
    """Nothing cannot be made a sticker of."""
    with pytest.raises(EngineError, match="transparent"):
        make_sticker(Image.new("RGBA", (20, 20)))


@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    outline=st.floats(0.005, 0.2),
    mode=st.sampled_from(["RGBA", "RGB", "L", "LA", "P"]),
)
def test_any_picture_can_be_a_sticker(width: int, height: int, outline: float, mode: str) -> None:
    """Any size and mode makes a sticker with its own colours in the middle."""
    sticker = make_sticker(Image.new("RGBA", (width, height), "black").convert(mode), outline=outline)

    assert sticker.mode == "RGBA"
    assert sticker.width >= width
    assert sticker.height >= height


def test_a_photograph_becomes_a_sticker(photograph: Photograph) -> None:
    """From a photograph of an espresso comes the cup with a white edge, and no table."""
    sticker = cut_sticker(photograph("coffee"), size=256)

    pixels = np.asarray(sticker)
    assert max(sticker.size) == 256
    assert pixels[..., 3].mean() > 150
    assert pixels[0, 0, 3] < 10
    white = (pixels == 255).all(axis=-1)
    assert white.sum() > 1500


@pytest.mark.usefixtures("empty_cache")
def test_without_weights_it_says_how_to_get_them(photograph: Photograph) -> None:
    """A sticker of a photograph needs the weights that remove its background."""
    with pytest.raises(MissingWeights, match="nbkit models pull"):
        cut_sticker(photograph("chelsea"))
