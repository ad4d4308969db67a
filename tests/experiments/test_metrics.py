from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFilter, ImageOps
from skimage.metrics import structural_similarity

from nbkit.experiments.metrics import (
    PerceptualDistance,
    StructuralSimilarity,
    brightness,
    colourfulness,
    contrast,
    megapixels,
    on_white,
    sharpness,
)

ASTRONAUT = Image.fromarray(skimage.data.astronaut())
COFFEE = Image.fromarray(skimage.data.coffee())


def test_plain_pictures_have_known_numbers() -> None:
    """White is bright, grey is colourless, half black and half white is the most contrast there is."""
    halves = Image.new("L", (64, 64), 0)
    halves.paste(255, (0, 0, 32, 64))

    assert brightness(Image.new("RGB", (8, 8), "white")) == pytest.approx(1)
    assert brightness(Image.new("RGB", (8, 8), (128, 128, 128))) == pytest.approx(128 / 255, abs=1e-5)
    assert contrast(halves) == pytest.approx(0.5, abs=1e-5)
    assert colourfulness(Image.new("RGB", (8, 8), (90, 90, 90))) == pytest.approx(0, abs=1e-6)
    assert sharpness(Image.new("RGB", (8, 8), "red")) == pytest.approx(0, abs=1e-9)
    assert megapixels(Image.new("L", (2000, 500))) == 1


def test_colourfulness_is_the_measure_of_the_paper() -> None:
    """For half red and half green the formula can be worked out by hand."""
    picture = Image.new("RGB", (2, 1))
    picture.putpixel((0, 0), (255, 0, 0))
    picture.putpixel((1, 0), (0, 255, 0))
    # Red minus green is 1 and -1: mean 0, deviation 1. The mean of both minus blue is one half in each pixel.
    assert colourfulness(picture) == pytest.approx(1 + 0.3 * 0.5)


def test_blur_takes_sharpness_away() -> None:
    """The softer a picture, the less sharp it measures."""
    soft = [sharpness(ASTRONAUT.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 3)]

    assert soft == sorted(soft, reverse=True)
    assert soft[0] > 10 * soft[-1]


def test_the_perceptual_distance_sees_what_people_see() -> None:
    """A smaller copy and a compressed one are alike, another picture is not."""
    distance = PerceptualDistance(ASTRONAUT)

    assert distance(ASTRONAUT) == 0
    assert distance(ASTRONAUT.resize((200, 200))) <= 4
    assert distance(ASTRONAUT.quantize(32).convert("RGB")) <= 6
    assert distance(COFFEE) >= 20
    assert distance(ImageOps.mirror(ASTRONAUT)) >= 20


def test_structural_similarity_is_the_published_measure() -> None:
    """A picture equals itself, and a worse copy measures as the library does on the same luma."""
    noisy = Image.fromarray(
        np.clip(
            skimage.data.astronaut() + np.random.default_rng(1).normal(0, 25, (512, 512, 3)), 0, 255
        ).astype(np.uint8)
    )
    first, second = (np.asarray(it, dtype=float) / 255 @ (0.299, 0.587, 0.114) for it in (ASTRONAUT, noisy))
    expected = structural_similarity(
        first, second, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )

    assert StructuralSimilarity(ASTRONAUT)(ASTRONAUT) == pytest.approx(1)
    assert StructuralSimilarity(ASTRONAUT)(noisy) == pytest.approx(expected, abs=1e-4)
    assert StructuralSimilarity(ASTRONAUT)(ASTRONAUT.resize((300, 300))) > 0.8


def test_what_is_transparent_counts_as_white() -> None:
    """A sticker is measured as it looks on paper."""
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))

    assert brightness(clear) == pytest.approx(1)
    assert on_white(clear).getpixel((0, 0)) == (255, 255, 255)
