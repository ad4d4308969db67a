from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageDraw

from nbkit.engines.matting import _pieces, remove_background
from nbkit.errors import EngineError, MissingWeights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Photograph = Callable[[str], Image.Image]

RED = (220, 60, 40)


def field(width: int, height: int) -> Image.Image:
    """A ground with a texture of greens, as grass has from afar."""
    y, x = np.mgrid[:height, :width]
    texture = 120 + 40 * np.sin(x / 9) * np.cos(y / 7)
    return Image.fromarray((texture[..., None] * (0.6, 1, 0.7)).astype(np.uint8))


def disc(width: int, height: int, radius: int) -> Image.Image:
    """A mask of a disc in the middle, with a soft edge."""
    large = Image.new("L", (4 * width, 4 * height))
    ImageDraw.Draw(large).circle((2 * width, 2 * height), 4 * radius, fill=255)
    return large.resize((width, height), Image.Resampling.BOX)


def alpha_of(cutout: Image.Image) -> NDArray[np.uint8]:
    """Opacity, 0 to 255."""
    return np.asarray(cutout.getchannel("A"))


@pytest.mark.parametrize(("width", "height"), [(300, 200), (600, 400), (900, 1200)])
def test_an_easy_subject_is_cut_out_along_its_edge(width: int, height: int) -> None:
    """A red disc on a green ground is found whole, with its edge where it is, at any size."""
    truth = disc(width, height, min(width, height) // 4)
    picture = field(width, height)
    picture.paste(RED, mask=truth)

    cutout = remove_background(picture)

    assert cutout.mode == "RGBA"
    assert cutout.size == (width, height)
    found, expected = alpha_of(cutout) >= 128, np.asarray(truth) >= 128
    assert (found & expected).sum() / (found | expected).sum() > 0.97
    # No smoke around it, and no holes in it.
    assert np.mean(alpha_of(cutout)[np.asarray(truth) == 0]) < 1
    assert np.mean(alpha_of(cutout)[np.asarray(truth) == 255]) > 253


def test_the_outline_has_the_colours_of_the_subject() -> None:
    """At its outline the red disc is red and not partly green, so that it looks right on any ground."""
    truth = disc(600, 400, 110)
    picture = field(600, 400)
    picture.paste(RED, mask=truth)

    cutout = np.asarray(remove_background(picture)).astype(int)

    outline = (cutout[..., 3] > 60) & (cutout[..., 3] < 240)
    assert outline.any()
    assert np.median(np.abs(cutout[outline][:, :3] - RED), axis=0).max() <= 10


def test_a_far_away_speck_is_dropped() -> None:
    """A small thing far from the subject is not part of it."""
    picture = field(600, 400)
    picture.paste(RED, mask=disc(600, 400, 110))
    ImageDraw.Draw(picture).ellipse((550, 20, 572, 42), fill=(250, 250, 60))

    cutout = alpha_of(remove_background(picture))

    assert cutout[200, 300] == 255
    assert cutout[:80, 520:].max() == 0


def test_two_subjects_are_both_kept() -> None:
    """Two things of like size are both subjects, even when they do not touch."""
    picture = field(600, 400)
    for left in (70, 350):
        ImageDraw.Draw(picture).ellipse((left, 110, left + 180, 290), fill=RED)

    cutout = alpha_of(remove_background(picture))

    assert cutout[200, 160] > 250
    assert cutout[200, 440] > 250


def test_a_photograph_keeps_its_subject_and_loses_its_ground(photograph: Photograph) -> None:
    """Of a photograph of an espresso on a table the cup stays and the table goes."""
    cutout = alpha_of(remove_background(photograph("coffee")))

    assert cutout[80:350, 150:350].mean() > 250
    assert cutout[:, :50].max() == 0
    assert cutout[:, 550:].max() == 0
    assert ((cutout > 0) & (cutout < 64)).sum() < 0.03 * (cutout >= 128).sum()  # no smoke around it


def test_what_is_transparent_stays_transparent() -> None:
    """The cut-out is nowhere more opaque than the picture was, whatever colours lie there."""
    picture = field(600, 400)
    picture.paste(RED, mask=disc(600, 400, 110))
    opacity = Image.new("L", picture.size, 255)
    opacity.paste(128, (0, 0, 300, 400))
    opacity.paste(0, (0, 0, 600, 200))
    picture.putalpha(opacity)

    cutout = alpha_of(remove_background(picture))

    assert cutout[:200].max() == 0
    assert cutout[240, 260] == 128
    assert cutout[240, 340] == 255


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK", "1"])
def test_any_mode_can_be_cut_out(mode: str) -> None:
    """The subject is found in grey, palette and CMYK pictures too."""
    picture = Image.new("RGB", (400, 300), "white")
    picture.paste("black", mask=disc(400, 300, 80))

    cutout = remove_background(picture.convert(mode))

    assert cutout.mode == "RGBA"
    assert alpha_of(cutout)[150, 200] > 250
    assert alpha_of(cutout)[10, 10] == 0


@pytest.mark.parametrize("colour", ["black", "grey", "white"])
def test_a_picture_of_nothing_says_so(colour: str) -> None:
    """When nothing stands out the answer is a sentence, not an empty picture."""
    with pytest.raises(EngineError, match="nothing") as caught:
        remove_background(Image.new("RGB", (200, 100), colour))
    assert caught.value.field == "image"


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (700, 3)])
def test_odd_shapes_do_not_crash(size: tuple[int, int]) -> None:
    """Even a line of pixels is answered: with a cut-out of its size or with a sentence."""
    picture = Image.new("RGB", size, "white")
    picture.paste(RED, (0, 0, max(1, size[0] // 2), max(1, size[1] // 2)))

    try:
        assert remove_background(picture).size == size
    except EngineError as error:
        assert "stands out" in str(error)  # noqa: PT017 - either answer is good


@pytest.mark.usefixtures("empty_cache")
def test_without_weights_it_says_how_to_get_them() -> None:
    """Without its weights there is no cut-out, but the command that pulls them."""
    with pytest.raises(MissingWeights, match="nbkit models pull"):
        remove_background(Image.new("RGB", (20, 20)))


def test_damaged_weights_are_an_error(empty_cache: Path) -> None:
    """Weights that went bad are reported as such."""
    place = empty_cache / "models" / "u2netp.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"bad")

    with pytest.raises(EngineError, match="damaged"):
        remove_background(Image.new("RGB", (20, 20)))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.randoms(use_true_random=False))
def test_pieces_are_those_a_pencil_would_find(height: int, width: int, random: object) -> None:
    """Two pixels belong to one piece exactly when a path leads from one to the other."""
    seed = random.getrandbits(32)  # type: ignore[attr-defined]
    mask = np.random.default_rng(seed).random((height, width)) < 0.5

    numbers = _pieces(mask)

    assert ((numbers > 0) == mask).all()
    expected = _flooded(mask)
    pairs = set(zip(numbers[mask].tolist(), expected[mask].tolist(), strict=True))
    assert len(pairs) == len({number for number, _ in pairs}) == len({number for _, number in pairs})


def _flooded(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    numbers = np.zeros(mask.shape, np.intp)
    for start in zip(*np.nonzero(mask), strict=True):
        if numbers[start]:
            continue
        reached = [start]
        while reached:
            y, x = reached.pop()
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x] and not numbers[y, x]:
                numbers[y, x] = start[0] * mask.shape[1] + start[1] + 1
                reached += [(y + down, x + across) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    return numbers
