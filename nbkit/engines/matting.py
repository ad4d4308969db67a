"""Removing the background: the network u2netp finds the subject, the picture's own edges make its outline sharp."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from nbkit.engines import pictures, runtime, weights
from nbkit.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import onnxruntime
    from numpy.typing import NDArray
    from PIL import Image

    Floats = NDArray[np.float32]

NETWORK = "u2netp"
SIDE = 320  # pixels: the network was trained on squares of this size
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of its training pictures
FAINT, CLEAR = 0.1, 0.5  # coverage from which a pixel belongs to a piece, and from which there is a subject
LEAST_SHARE = 0.05  # a piece smaller than this share of the largest is a speck
PURE = 0.05  # coverage so near to none, or to all, that a pixel counts as one thing alone
BAND = 256  # rows
REACH = 4  # pixels of the network's square: how far off the network may draw an outline
EDGE_TOLERANCE = 1e-3  # variance of colours (0 to 1) below which the picture has no edge to follow
SMOKE = 0.15  # coverage that is too little to be seen as anything but smoke, and what is missing to solid


def remove_background(image: Image.Image) -> Image.Image:
    """Cut the subject out of a picture.

    Args:
        image: A picture of any mode. What is transparent in it stays transparent.

    Returns:
        A picture in mode RGBA of the same size. At the outline the colours are the subject's alone, so that it can
        be laid on any ground.

    Raises:
        MissingWeights: The weights of u2netp are not on this machine.
        EngineError: Nothing stands out as a subject (`field` is "image"), or the weights are damaged.
    """
    import numpy as np
    from PIL import Image, ImageChops

    session = _load(weights.path(NETWORK))
    picture = pictures.eight_bit(image).convert("RGBA")
    opacity = picture.getchannel("A")
    # The network has to see what a viewer sees, not what is hidden under transparent pixels.
    seen = Image.composite(picture, Image.new("RGBA", picture.size, "white"), opacity).convert("RGB")
    coverage = _without_specks(_coverage(session, seen))
    if coverage.max() < CLEAR:
        raise EngineError("nothing in this picture stands out as its subject", field="image")
    alpha = _along_edges(coverage, seen)
    cutout = _without_spill(seen, alpha)
    cutout.putalpha(ImageChops.multiply(Image.fromarray((alpha * 255).round().astype(np.uint8)), opacity))
    return cutout


@functools.lru_cache(maxsize=1)
def _load(_place: Path) -> onnxruntime.InferenceSession:
    """Keep the network per process; the place is an argument because another cache may hold no weights."""
    return runtime.session(weights.read(NETWORK))


def _coverage(session: onnxruntime.InferenceSession, picture: Image.Image) -> Floats:
    """Ask the network how much of each pixel is subject: values from 0 to 1, shape (320, 320)."""
    import numpy as np

    values = np.asarray(_square(picture), np.float32)
    values = (values / max(values.max(), 1) - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
    (given,) = session.get_inputs()
    finest = session.get_outputs()[0]
    (answer,) = session.run([finest.name], {given.name: values.transpose(2, 0, 1)[None]})
    coverage: Floats = answer[0, 0]
    return coverage


def _square(picture: Image.Image) -> Image.Image:
    """Bring a picture to the shape that the network takes."""
    from PIL import Image

    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _without_specks(coverage: Floats) -> Floats:
    """Blank out the pieces that are small beside the largest one."""
    import numpy as np

    labels = _pieces(coverage > FAINT)
    areas = np.bincount(labels.ravel(), coverage.ravel())
    areas[0] = 0
    return np.where((areas >= LEAST_SHARE * areas.max())[labels] & (labels > 0), coverage, 0)


def _pieces(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number the connected pieces of a mask; pixels that touch at a corner are connected, and 0 is no piece.

    Every pixel starts with its own number, and takes the largest around it until nothing changes. Looking up the
    number of the pixel that gave the number makes big leaps, so that this takes tens of rounds, not hundreds.
    """
    import numpy as np

    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        framed = np.pad(numbers, 1)
        rows = np.maximum(np.maximum(framed[:-2], framed[1:-1]), framed[2:])
        largest = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]) * mask
        largest = np.append(0, largest)[largest]
        if np.array_equal(largest, numbers):
            return numbers
        numbers = largest


def _along_edges(coverage: Floats, picture: Image.Image) -> Floats:
    """Enlarge the coverage to the picture's size so that its soft edges follow the picture's sharp ones.

    A guided filter (He, Sun and Tang 2010; the fast one of He and Sun 2015): around each pixel the coverage is taken
    as a linear function of red, green and blue. The functions are found at the size of the coverage, and applied to
    the pixels of the picture.
    """
    import numpy as np
    from PIL import Image

    colours = np.asarray(_square(picture), np.float32) / np.float32(255)
    colour_mean, coverage_mean = _box_mean(colours), _box_mean(coverage)
    products = _box_mean(colours[..., None] * colours[..., None, :])
    variance = products - colour_mean[..., None] * colour_mean[..., None, :]
    covariance = _box_mean(colours * coverage[..., None]) - colour_mean * coverage_mean[..., None]
    slopes = np.linalg.solve(variance + EDGE_TOLERANCE * np.eye(3), covariance[..., None])[..., 0]
    level = coverage_mean - (slopes * colour_mean).sum(axis=-1)

    followed = np.zeros((picture.height, picture.width), np.float32)
    factors = (*picture.split(), Image.new("L", picture.size, 255))
    for plane, factor in zip((*np.moveaxis(slopes, -1, 0), level), factors, strict=True):
        smooth = Image.fromarray(_box_mean(plane)).resize(picture.size, Image.Resampling.BILINEAR)
        followed += np.asarray(smooth) * (np.asarray(factor) / np.float32(255))
    return ((followed - SMOKE) / (1 - 2 * SMOKE)).clip(0, 1)


def _box_mean(values: NDArray[np.floating]) -> Floats:
    """Average over a square around each place of the first two axes; at the border the last value repeats."""
    import numpy as np

    side = 2 * REACH + 1
    averages = values
    for axis in (0, 1):
        pad = [(0, 0)] * values.ndim
        pad[axis] = (REACH + 1, REACH)
        sums = np.cumsum(np.pad(averages, pad, mode="edge"), axis=axis, dtype=np.float64)
        averages = (
            sums.take(range(side, sums.shape[axis]), axis) - sums.take(range(values.shape[axis]), axis)
        ) / side
    return averages.astype(np.float32)


def _without_spill(picture: Image.Image, alpha: Floats) -> Image.Image:
    """Take the background's colours out of the outline.

    A pixel there is alpha · subject + (1 - alpha) · background. Both are guessed from the nearest pixels that are
    one thing alone, and the subject is corrected by what is left over.
    """
    import numpy as np
    from PIL import Image

    def mask(of: NDArray[np.bool_]) -> Image.Image:
        return Image.fromarray(of.astype(np.uint8) * 255)

    subject = pictures.spread_colours(picture, mask(alpha > 1 - PURE))
    background = pictures.spread_colours(picture, mask(alpha < PURE))
    for top in range(0, picture.height, BAND):  # so that a large photograph does not take a gigabyte
        box = (0, top, picture.width, min(top + BAND, picture.height))
        inside, outside, seen = (np.asarray(p.crop(box), np.float32) for p in (subject, background, picture))
        share = alpha[box[1] : box[3], :, None]
        corrected = inside + share * (seen - share * inside - (1 - share) * outside)
        subject.paste(Image.fromarray(corrected.round().clip(0, 255).astype(np.uint8)), box)
    return subject
