"""A canvas in floating point: gradients, soft lights, edges and shapes, without banding and without grain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float]

Colour = tuple[float, float, float]
"""Red, green and blue from 0 to 1, as they are in the file (sRGB)."""

_SUPERSAMPLING = 3
_BAYER = (
    (0, 32, 8, 40, 2, 34, 10, 42),
    (48, 16, 56, 24, 50, 18, 58, 26),
    (12, 44, 4, 36, 14, 46, 6, 38),
    (60, 28, 52, 20, 62, 30, 54, 22),
    (3, 35, 11, 43, 1, 33, 9, 41),
    (51, 19, 59, 27, 49, 17, 57, 25),
    (15, 47, 7, 39, 13, 45, 5, 37),
    (63, 31, 55, 23, 61, 29, 53, 21),
)


def rgb(code: str) -> Colour:
    """Turn "#f4a259" into a colour."""
    red, green, blue = (int(code[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return the colour that lies `share` of the way from one to the other."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def times(colour: Colour, light: Colour) -> Colour:
    """Return a surface of one colour under a light of another."""
    red, green, blue = (a * b for a, b in zip(colour, light, strict=True))
    return red, green, blue


class Canvas:
    """A picture that is being painted.

    Attributes:
        width: In pixels.
        height: In pixels.
        unit: The shorter side in pixels, to measure things that must look alike in every format.
        random: Where all chance comes from; the same seed gives the same picture.
    """

    def __init__(self, width: int, height: int, random: np.random.Generator) -> None:
        import numpy as np

        self.width, self.height = width, height
        self.unit = min(width, height)
        self.random = random
        self._pixels: Array = np.zeros((height, width, 3), np.float32)

    def chance(self, low: float, high: float) -> float:
        """Draw a number between two others."""
        return float(self.random.uniform(low, high))

    def gradient(
        self, stops: Sequence[tuple[float, Colour]], *, top: float = 0.0, bottom: float = 1.0
    ) -> None:
        """Fill a band with colours from top to bottom; positions are shares, of the band in `stops`."""
        import numpy as np

        first, last = round(top * self.height), max(round(bottom * self.height), round(top * self.height) + 1)
        where = np.linspace(0, 1, last - first, dtype=np.float32)
        places = [place for place, _ in stops]
        for channel in range(3):
            band = np.interp(where, places, [colour[channel] for _, colour in stops])
            self._pixels[first:last, :, channel] = band[: self.height - first, None]

    def wave(self, level: float, swing: float, *, bends: float = 2.0, roughness: float = 0.45) -> Array:
        """Draw a wandering line: for each column its height on the canvas, in pixels from the top.

        Args:
            level: Where the line runs, as a share of the height.
            swing: How far it strays, as a share of the height.
            bends: Waves per square of canvas.
            roughness: How much of the next finer wave is in it.
        """
        import numpy as np

        across = np.arange(self.width, dtype=np.float32) / self.height
        line = np.zeros(self.width, np.float32)
        strength, total = 1.0, 0.0
        for octave in range(4):
            phase = self.chance(0, 2 * np.pi)
            stretch = self.chance(0.85, 1.2) * bends * 1.9**octave
            line += strength * np.sin(2 * np.pi * across * stretch + phase).astype(np.float32)
            total += strength
            strength *= roughness
        return (np.float32(level) + np.float32(swing) * line / np.float32(total)) * np.float32(self.height)

    def peaks(self, level: float, rise: float, *, count: float = 5.0) -> Array:
        """Draw a jagged line of summits, as `wave` does."""
        import numpy as np

        wide = self.width / self.height
        number = max(2, round(count * wide)) * 2 + 1
        across = np.linspace(-0.05 * wide, 1.05 * wide, number)
        across[1:-1] += self.random.uniform(-0.25, 0.25, number - 2) * (across[1] - across[0])
        heights = np.where(np.arange(number) % 2 == 1, self.random.uniform(0.6, 1.0, number), 0.0)
        heights[::2] = self.random.uniform(0.0, 0.35, heights[::2].size)
        line = np.interp(np.arange(self.width) / self.height, across, heights)
        crags = np.interp(
            np.arange(self.width) / self.height,
            np.linspace(0, wide, number * 6),
            self.random.uniform(-0.05, 0.05, number * 6),
        )
        return ((level - rise * (line + crags)) * self.height).astype(np.float32)

    def fill_below(self, line: Array, top: Colour, bottom: Colour, *, opacity: float = 1.0) -> None:
        """Paint everything under a line, from one colour at the line's highest point to another at the foot."""
        import numpy as np

        first = int(np.clip(np.floor(line.min()) - 1, 0, self.height))
        if first >= self.height:
            return
        rows = np.arange(first, self.height, dtype=np.float32)[:, None]
        cover = np.clip(rows - line[None, :] + 0.5, 0, 1)[..., None] * np.float32(opacity)
        share = np.linspace(0, 1, self.height - first, dtype=np.float32)[:, None, None]
        colour = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
        region = self._pixels[first:]
        region += (colour - region) * cover

    def snow_caps(self, line: Array, colour: Colour, *, depth: float) -> None:
        """Whiten summits: everything between a line of peaks and a ragged snow line `depth` below the highest."""
        import numpy as np

        highest = float(line.min())
        ragged = highest + depth * self.height * (1 + 0.35 * np.sin(np.arange(self.width) / self.unit * 70))
        rows = np.arange(self.height, dtype=np.float32)[:, None]
        last = int(min(self.height, highest + 2 * depth * self.height)) + 1
        rows = rows[max(0, int(highest) - 1) : last]
        cover = np.clip(rows - line[None, :] + 0.5, 0, 1) * np.clip(ragged[None, :] - rows + 0.5, 0, 1)
        region = self._pixels[max(0, int(highest) - 1) : last]
        region += (np.asarray(colour, np.float32) - region) * cover[..., None].astype(np.float32)

    def glow(self, x: float, y: float, radius: float, colour: Colour, *, strength: float = 1.0) -> None:
        """Lay a soft light around a point (pixels); it fades to nothing at `radius`."""
        import numpy as np

        left, right = max(0, int(x - radius)), min(self.width, int(x + radius) + 1)
        top, bottom = max(0, int(y - radius)), min(self.height, int(y + radius) + 1)
        if left >= right or top >= bottom:
            return
        across = (np.arange(left, right, dtype=np.float32) - np.float32(x)) / np.float32(radius)
        down = (np.arange(top, bottom, dtype=np.float32) - np.float32(y)) / np.float32(radius)
        distance = np.clip(1 - across[None, :] ** 2 - down[:, None] ** 2, 0, 1)
        cover = (distance**2 * np.float32(strength))[..., None]
        region = self._pixels[top:bottom, left:right]
        region += (np.asarray(colour, np.float32) - region) * cover

    def shape(
        self,
        box: tuple[float, float, float, float],
        draw: Callable[[Any, Callable[[float, float], Point]], None],
        colour: Colour,
        *,
        opacity: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        """Paint a smooth-edged shape.

        Args:
            box: Left, top, right, bottom of what the shape needs, in pixels; it may leave the canvas.
            draw: Gets a PIL `ImageDraw` of a mask and a function from canvas pixels to that mask's; fills with 255.
            colour: What the shape is filled with.
            opacity: From 0 to 1.
            blur: Softness of its edge, in pixels.
        """
        import numpy as np
        from PIL import Image, ImageDraw, ImageFilter

        margin = 3 * blur + 1
        left, top = max(0, int(box[0] - margin)), max(0, int(box[1] - margin))
        right, bottom = min(self.width, int(box[2] + margin) + 1), min(self.height, int(box[3] + margin) + 1)
        if left >= right or top >= bottom:
            return
        size = right - left, bottom - top
        mask = Image.new("L", (size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING))
        draw(ImageDraw.Draw(mask), lambda x, y: ((x - left) * _SUPERSAMPLING, (y - top) * _SUPERSAMPLING))
        mask = mask.reduce(_SUPERSAMPLING)
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur))
        cover = np.asarray(mask, np.float32)[..., None] * np.float32(opacity / 255)
        region = self._pixels[top:bottom, left:right]
        region += (np.asarray(colour, np.float32) - region) * cover

    def polygon(
        self, points: Sequence[Point], colour: Colour, *, opacity: float = 1.0, blur: float = 0.0
    ) -> None:
        """Paint a polygon; points in pixels."""
        xs, ys = [x for x, _ in points], [y for _, y in points]
        self.shape(
            (min(xs), min(ys), max(xs), max(ys)),
            lambda pen, at: pen.polygon([at(x, y) for x, y in points], fill=255),
            colour,
            opacity=opacity,
            blur=blur,
        )

    def ellipses(
        self,
        ellipses: Sequence[tuple[float, float, float, float]],
        colour: Colour,
        *,
        opacity: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        """Paint the union of ellipses, each as centre x, centre y, half width and half height in pixels."""

        def draw(pen: Any, at: Callable[[float, float], Point]) -> None:
            for x, y, wide, high in ellipses:
                pen.ellipse([*at(x - wide, y - high), *at(x + wide, y + high)], fill=255)

        box = (
            min(x - wide for x, _, wide, _ in ellipses),
            min(y - high for _, y, _, high in ellipses),
            max(x + wide for x, _, wide, _ in ellipses),
            max(y + high for _, y, _, high in ellipses),
        )
        self.shape(box, draw, colour, opacity=opacity, blur=blur)

    def boxes(
        self, boxes: Sequence[tuple[float, float, float, float]], colour: Colour, *, opacity: float = 1.0
    ) -> None:
        """Paint upright rectangles, each as left, top, width and height in pixels, with exact soft edges."""
        import numpy as np

        for x, y, wide, high in boxes:
            left, top = max(0, int(x)), max(0, int(y))
            right, bottom = min(self.width, int(x + wide) + 1), min(self.height, int(y + high) + 1)
            if left >= right or top >= bottom:
                continue
            columns, rows = np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32)
            across = np.clip(np.minimum(columns + 1, x + wide) - np.maximum(columns, x), 0, 1)
            down = np.clip(np.minimum(rows + 1, y + high) - np.maximum(rows, y), 0, 1)
            cover = (down[:, None] * across[None, :] * np.float32(opacity))[..., None].astype(np.float32)
            region = self._pixels[top:bottom, left:right]
            region += (np.asarray(colour, np.float32) - region) * cover

    def box(self, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
        """Paint one upright rectangle; pixels."""
        self.boxes([(x, y, wide, high)], colour)

    def image(self) -> Image:
        """Return what is painted so far, rounded by an ordered pattern below one level so that nothing bands."""
        import numpy as np
        from PIL import Image

        pattern = (np.asarray(_BAYER, np.float32) + 0.5) / 64
        tiles = -(-self.height // 8), -(-self.width // 8)
        threshold = np.tile(pattern, tiles)[: self.height, : self.width, None]
        return Image.fromarray(np.clip(self._pixels * 255 + threshold, 0, 255).astype(np.uint8), "RGB")
