"""Upscaling by 1 to 4: the network SPAN, tile by tile, or Lanczos where its weights are missing."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nbkit.engines import pictures, runtime, weights
from nbkit.engines.span import span_model
from nbkit.errors import EngineError, MissingWeights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import onnxruntime
    from PIL import Image

    Box = tuple[int, int, int, int]

Method = Literal["span-x2", "span-x4", "lanczos"]

NETWORKS: dict[int, Method] = {2: "span-x2", 4: "span-x4"}
LARGEST_FACTOR = max(NETWORKS)
LARGEST_OUTPUT = 64_000_000  # pixels
TILE = 128  # pixels; larger ones are hardly faster and need more memory
PADDING = 12  # pixels; the network looks further, but that changes its answer by a grey level at most
TRUSTED, REFUSED = 6, 18  # grey levels by which the network may contradict the picture


@dataclass(frozen=True)
class Upscaled:
    """An upscaled picture and how it was made.

    Attributes:
        image: The picture, in mode L, LA, RGB or RGBA.
        method: The network that drew it, or "lanczos" for plain interpolation.
    """

    image: Image.Image
    method: Method


def upscale(
    image: Image.Image,
    factor: float,
    *,
    on_progress: Callable[[float], None] | None = None,
    on_tile: Callable[[Image.Image, Box], None] | None = None,
) -> Upscaled:
    """Enlarge a picture.

    There is a network for factor 2 and one for factor 4: the next larger one draws, and Lanczos brings that
    to size. Where the network contradicts the picture (strong noise, hard-edged text) Lanczos shows through.
    Transparency is enlarged apart from the colours, bicubically. Factor 1 changes nothing.

    Args:
        image: A picture of any mode.
        factor: From 1 to 4.
        on_progress: Called with the share that is done, up to 1. What it raises stops the work.
        on_tile: Called with each new piece of the colours, in mode RGB, and its box (left, upper, right,
            lower) in the enlarged picture, to show it as it grows. Not called when the method is "lanczos".

    Returns:
        A picture of exactly round(width · factor) by round(height · factor) pixels.

    Raises:
        EngineError: The factor is not from 1 to 4, or the picture would be too large (`field` is
            "upscale_factor"); or the weights are damaged.
    """
    from PIL import Image

    picture = pictures.eight_bit(image)
    drawn = _drawn_factor(picture.size, factor)
    size = (round(picture.width * factor), round(picture.height * factor))
    report = on_progress or (lambda _share: None)
    network = _network(drawn)
    if network is None:
        larger = _resized(picture, size)
        report(1.0)
        return Upscaled(larger, "lanczos")

    has_alpha = picture.mode in {"LA", "RGBA"}
    colours = pictures.opaque_colours(picture) if has_alpha else picture.convert("RGB")
    larger = _enlarged(network, colours, size, report, on_tile).convert(picture.mode)
    if has_alpha:
        # The network would draw hard steps into a soft edge, and Lanczos faint rings around it.
        larger.putalpha(picture.getchannel("A").resize(size, Image.Resampling.BICUBIC))
    return Upscaled(larger, NETWORKS[drawn])


def _drawn_factor(size: tuple[int, int], factor: float) -> int:
    """Choose the factor by which a network draws, 1 for none; refuse what cannot be done."""
    if not 1 <= factor <= LARGEST_FACTOR:
        raise EngineError(
            f"the factor is {factor:g}; it may be from 1 to {LARGEST_FACTOR}", field="upscale_factor"
        )
    drawn = next(known for known in (1, *NETWORKS) if factor <= known)
    width, height = size[0] * drawn, size[1] * drawn
    if width * height > LARGEST_OUTPUT:
        raise EngineError(
            f"{size[0]} x {size[1]} pixels by {factor:g} means drawing {width} x {height} pixels; "
            f"the most is {LARGEST_OUTPUT / 1e6:.0f} megapixels",
            field="upscale_factor",
            hint="take a smaller factor or a smaller picture",
        )
    return drawn


def _network(factor: int) -> _Network | None:
    """Load the network of a factor, or nothing where it is not needed or its weights are not here."""
    if factor == 1:
        return None
    try:
        return _load(factor, weights.path(NETWORKS[factor]))
    except MissingWeights:
        return None


@functools.lru_cache(maxsize=len(NETWORKS))
def _load(factor: int, _place: Path) -> _Network:
    """Keep a network per process; the place is an argument because another cache may hold no weights."""
    return _Network(factor, runtime.session(span_model(weights.read(NETWORKS[factor]), factor)))


@dataclass(frozen=True)
class _Network:
    factor: int
    session: onnxruntime.InferenceSession

    def enlarge(self, picture: Image.Image, box: Box) -> Image.Image:
        """Enlarge one box of an RGB picture, which is seen together with its surroundings."""
        left, upper, right, lower = box
        seen = (
            max(left - PADDING, 0),
            max(upper - PADDING, 0),
            min(right + PADDING, picture.width),
            min(lower + PADDING, picture.height),
        )
        larger = self._draw(picture.crop(seen))
        inner = (left - seen[0], upper - seen[1], right - seen[0], lower - seen[1])
        return larger.crop(_scaled(inner, self.factor))

    def _draw(self, picture: Image.Image) -> Image.Image:
        """Let the network draw, and mix in Lanczos where it went astray.

        On strong noise and hard-edged text the network can give values far outside of any picture. There its
        drawing, made small again, is not what it was given, and that is how such places are found.
        """
        import numpy as np
        from PIL import Image, ImageChops, ImageFilter

        values = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255
        (drawn,) = self.session.run(None, {"picture": values})
        drawing = Image.fromarray((drawn[0] * 255).round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
        small_again = drawing.resize(picture.size, Image.Resampling.BICUBIC)
        red, green, blue = ImageChops.difference(small_again, picture).split()
        contradiction = ImageChops.lighter(ImageChops.lighter(red, green), blue)
        contradiction = contradiction.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.BoxBlur(1))
        trust = contradiction.point([_trust(level) for level in range(256)])
        if trust.getextrema() == (255, 255):
            return drawing
        return Image.composite(
            drawing, _resized(picture, drawing.size), trust.resize(drawing.size, Image.Resampling.BILINEAR)
        )


def _trust(contradiction: int) -> int:
    return round(255 * min(max((REFUSED - contradiction) / (REFUSED - TRUSTED), 0), 1))


def _enlarged(
    network: _Network,
    layer: Image.Image,
    size: tuple[int, int],
    report: Callable[[float], None],
    on_tile: Callable[[Image.Image, Box], None] | None,
) -> Image.Image:
    """Enlarge an RGB picture tile by tile, and bring it to `size`."""
    from PIL import Image

    canvas = Image.new("RGB", (layer.width * network.factor, layer.height * network.factor))
    boxes = _boxes(layer.size)
    for done, box in enumerate(boxes, start=1):
        piece = network.enlarge(layer, box)
        canvas.paste(piece, _scaled(box, network.factor))
        if on_tile:
            place = _scaled(box, size[0] / layer.width, size[1] / layer.height)
            on_tile(_resized(piece, (place[2] - place[0], place[3] - place[1])), place)
        report(done / len(boxes))
    return _resized(canvas, size)


def _boxes(size: tuple[int, int]) -> list[Box]:
    """Cut a picture into tiles, row by row."""
    width, height = size
    return [
        (left, upper, min(left + TILE, width), min(upper + TILE, height))
        for upper in range(0, height, TILE)
        for left in range(0, width, TILE)
    ]


def _scaled(box: Box, across: float, down: float | None = None) -> Box:
    down = across if down is None else down
    return (round(box[0] * across), round(box[1] * down), round(box[2] * across), round(box[3] * down))


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    from PIL import Image

    return picture.resize(size, Image.Resampling.LANCZOS)
