from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skimage.data
from PIL import Image

from nbkit.experiments.likeness import likeness

if TYPE_CHECKING:
    from pathlib import Path

COFFEE = Image.fromarray(skimage.data.coffee())


def verdict(folder: Path, first: Image.Image, second: Image.Image) -> str:
    """What is said of two pictures that are saved as PNG."""
    for name, image in (("a", first), ("b", second)):
        image.save(folder / f"{name}.png")
    return likeness(folder / "a.png", folder / "b.png", ("one", "other")).verdict


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """The picture after it was a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def test_what_no_eye_sees_is_the_same(tmp_path: Path) -> None:
    """Equal pixels in another file, the last bit of a pixel, and a JPEG of high quality are identical to the eye."""
    pixels = np.asarray(COFFEE).astype(int)
    noise = np.clip(pixels + np.random.default_rng(0).integers(-1, 2, pixels.shape), 0, 255).astype("uint8")

    assert verdict(tmp_path, COFFEE, COFFEE) == "identical to the eye"
    assert verdict(tmp_path, COFFEE, Image.fromarray(noise)) == "identical to the eye"
    assert verdict(tmp_path, COFFEE, jpeg(COFFEE, 95)) == "identical to the eye"


def test_a_small_thing_is_a_difference(tmp_path: Path) -> None:
    """A spot of 12 pixels, a shift by one pixel, a strong JPEG and another size are different."""
    spot = COFFEE.copy()
    spot.paste((90, 60, 50), (200, 120, 212, 132))
    shifted = Image.fromarray(np.roll(np.asarray(COFFEE), 1, axis=1))

    for other in (spot, shifted, jpeg(COFFEE, 60), COFFEE.resize((300, 200)), COFFEE.rotate(90)):
        assert verdict(tmp_path, COFFEE, other) == "different"
    tiny = Image.new("RGB", (4, 4))
    assert verdict(tmp_path, tiny, tiny) == "identical to the eye"
    assert verdict(tmp_path, tiny, Image.new("RGB", (4, 4), (1, 0, 0))) == "different"


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_seen_is_judged_by_its_bytes(tmp_path: Path) -> None:
    """Equal hashes are enough; files that are gone, or no pictures, are different where their bytes are."""
    assert likeness(None, None, ("a", "a")).verdict == "identical bytes"
    gone = likeness(None, None, ("a", "b"))
    assert (gone.verdict, math.isnan(gone.similarity)) == ("different", True)
    assert "a file is gone" in gone.problem
    (tmp_path / "a.mp3").write_bytes(b"ID3")
    assert "no" in likeness(tmp_path / "a.mp3", tmp_path / "a.mp3", ("a", "b")).problem
