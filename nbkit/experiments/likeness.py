"""Whether two files are the same: to the byte, or to the eye."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.display.preview import upright
from nbkit.errors import MediaError
from nbkit.experiments.metrics import perceptual_hash, similarity

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

BYTES, EYE, DIFFERENT = VERDICTS = ("identical bytes", "identical to the eye", "different")
# Measured on four photographs: JPEG at quality 95 keeps 0.987 or more in the mean and 0.96 or more in the worst part. A
# change of 12 × 12 pixels leaves a mean of 0.999, so that the mean alone would miss it, and 0.94 or less in its part.
_LEAST_MEAN = 0.98
_LEAST_PART = 0.95
_PART = 32  # pixels a side
_SMALLEST = 11  # pixels a side, below which the similarity is not defined


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two files are.

    Attributes:
        verdict: `identical bytes`, `identical to the eye` or `different`.
        similarity: The structural similarity of two pictures, NaN where it was not computed.
        worst_part: The least of it, over 32 × 32 pixels.
        distance: How many of 64 bits of their perceptual hashes differ.
        problem: Why they could not be compared by their pixels.
    """

    verdict: str
    similarity: float = math.nan
    worst_part: float = math.nan
    distance: float = math.nan
    problem: str = ""


def likeness(first: Path | None, second: Path | None, hashes: tuple[str, str]) -> Likeness:
    """Compare two files.

    Two pictures are identical to the eye where every pixel is the same, or where their perceptual hashes are, their
    structural similarity is 0.98 or more, and 0.95 or more in each part of 32 × 32 pixels.

    Args:
        first: A file, None where it is not on this machine.
        second: Another one.
        hashes: Their SHA-256.
    """
    if hashes[0] and hashes[0] == hashes[1]:
        return Likeness(BYTES, 1.0, 1.0, 0.0)
    if first is None or second is None:
        return Likeness(DIFFERENT, problem="other bytes; a file is gone, so its pixels cannot be compared")
    try:
        return _seen(upright(first), upright(second))
    except MediaError as error:
        return Likeness(DIFFERENT, problem=f"other bytes; {error.args[0]}")


def _seen(first: Image, second: Image) -> Likeness:
    import numpy as np
    from scipy.ndimage import uniform_filter

    if first.size != second.size:
        sizes = " and ".join(f"{it.width} × {it.height}" for it in (first, second))
        return Likeness(DIFFERENT, problem=f"of other sizes: {sizes}")
    if np.array_equal(np.asarray(first), np.asarray(second)):
        return Likeness(EYE, 1.0, 1.0, 0.0)
    distance = float((perceptual_hash(first) ^ perceptual_hash(second)).bit_count())
    if min(first.size) < _SMALLEST:
        return Likeness(DIFFERENT, distance=distance, problem="too small to be compared but pixel by pixel")
    mean, places = similarity(first, second)
    part = float(uniform_filter(places, _PART).min())
    is_same = not distance and mean >= _LEAST_MEAN and part >= _LEAST_PART
    return Likeness(EYE if is_same else DIFFERENT, mean, part, distance)
