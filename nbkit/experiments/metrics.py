"""What can be measured of a picture: plain functions from an image to a number.

A function of one's own works the same: it takes a Pillow image in RGB and gives a number, at once or awaited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    from PIL.Image import Image

    Metric = Callable[[Image], float | Awaitable[float]]

_HASH_SIDE = 8
_HASH_DETAIL = 4
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114


def megapixels(image: Image) -> float:
    """Its size in millions of pixels."""
    return image.width * image.height / 1e6


def brightness(image: Image) -> float:
    """Its mean luma (ITU-R BT.601), from 0 for black to 1 for white."""
    return float(_luma(image).mean())


def contrast(image: Image) -> float:
    """The standard deviation of its luma: 0 for a plain area, 0.5 for half black and half white."""
    return float(_luma(image).std())


def sharpness(image: Image) -> float:
    """The variance of the Laplacian of its luma: more for more edges and finer ones (Pech-Pacheco et al. 2000).

    It compares pictures of one size and one subject; noise counts as edges.
    """
    from skimage.filters import laplace

    return float(laplace(_luma(image)).var())


def colourfulness(image: Image) -> float:
    """How colourful it looks: 0 for grey, about 0.2 for moderately, above 0.4 for extremely (Hasler & Süsstrunk 2003).

    The measure of the paper, which counts from 0 to 255, divided by 255.
    """
    import numpy as np

    red, green, blue = np.moveaxis(_pixels(image), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def perceptual_hash(image: Image) -> int:
    """64 bits that stay much the same when a picture is scaled or compressed (pHash: low frequencies of its luma)."""
    import numpy as np
    from PIL import Image as Pillow
    from scipy.fft import dctn

    side = _HASH_SIDE * _HASH_DETAIL
    small = image.convert("L").resize((side, side), Pillow.Resampling.LANCZOS)
    low = dctn(np.asarray(small, dtype=float))[:_HASH_SIDE, :_HASH_SIDE]
    bits = (low > np.median(low)).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


@dataclass(frozen=True, slots=True)
class PerceptualDistance:
    """How many of the 64 bits of the perceptual hash differ from a reference's: 0 for alike, about 32 for unrelated.

    Args:
        reference: The picture to compare with.
    """

    reference: Image

    def __call__(self, image: Image) -> float:
        """How many bits of a picture's hash differ."""
        return float((perceptual_hash(image) ^ perceptual_hash(self.reference)).bit_count())


@dataclass(frozen=True, slots=True)
class StructuralSimilarity:
    """How alike the structures of a picture and a reference are: 1 for the same, 0 for none (Wang et al. 2004).

    A picture of another size is brought to the reference's.

    Args:
        reference: The picture to compare with, at least 7 pixels on each side.
    """

    reference: Image

    def __call__(self, image: Image) -> float:
        """How alike a picture is."""
        return similarity(image, self.reference)[0]


def similarity(image: Image, reference: Image) -> tuple[float, np.ndarray]:
    """The structural similarity of two pictures, and that of every place in them: height × width."""
    from PIL import Image as Pillow
    from skimage.metrics import structural_similarity

    if image.size != reference.size:
        image = image.resize(reference.size, Pillow.Resampling.LANCZOS)
    settings: dict[str, Any] = {
        "data_range": 1.0,
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "full": True,
    }
    mean, places = structural_similarity(_luma(image), _luma(reference), **settings)
    return float(mean), places


def on_white(image: Image) -> Image:
    """A picture in RGB, what is transparent in it laid on white."""
    from PIL import Image as Pillow

    if image.has_transparency_data:
        ground = Pillow.new("RGBA", image.size, "white")
        image = Pillow.alpha_composite(ground, image.convert("RGBA"))
    return image.convert("RGB")


def _pixels(image: Image) -> np.ndarray:
    """Height × width × 3, from 0 to 1."""
    import numpy as np

    return np.asarray(on_white(image), dtype=np.float32) / 255


def _luma(image: Image) -> np.ndarray:
    """Height × width, from 0 to 1."""
    import numpy as np

    return _pixels(image) @ np.array([_RED, _GREEN, _BLUE], dtype=np.float32)
