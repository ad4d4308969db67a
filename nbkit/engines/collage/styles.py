"""Styles: how a finished picture looks, as a watercolour, a pencil sketch, pixel art and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    Plane = npt.NDArray[np.float32]

_PIXELS_ACROSS = 96
_PALETTE = 40
_DAUBS_ACROSS = 320
_STROKES_ACROSS = 512


def apply_styles(image: Image, styles: list[str], seed: int) -> Image:
    """Render an RGB picture in every style named, one after the other; names without a rendering change nothing."""
    for style in styles:
        if style in _RENDERINGS:
            image = _RENDERINGS[style](image, seed)
    return image


def _monochrome(image: Image, _seed: int) -> Image:
    from PIL import ImageOps

    return ImageOps.autocontrast(image.convert("L"), cutoff=0.5).convert("RGB")


def _sepia(image: Image, _seed: int) -> Image:
    from PIL import Image as Pictures, ImageOps

    toned = ImageOps.colorize(image.convert("L"), black="#3a2614", mid="#b08a5a", white="#fbf0d9")
    return _vignette(Pictures.blend(image, toned, 0.82), (70, 45, 20), 0.35)


def _pastel(image: Image, _seed: int) -> Image:
    from PIL import Image as Pictures, ImageEnhance

    return Pictures.blend(
        ImageEnhance.Color(image).enhance(0.85), Pictures.new("RGB", image.size, "#fff3f3"), 0.3
    )


def _neon(image: Image, _seed: int) -> Image:
    from PIL import Image as Pictures, ImageChops, ImageEnhance, ImageFilter, ImageOps

    light = image.convert("L")
    duotone = ImageOps.colorize(light, black="#12062e", mid="#c2268f", white="#5ff3ff", midpoint=118)
    toned = Pictures.blend(ImageEnhance.Color(image).enhance(1.6), duotone, 0.5)
    bloom = toned.filter(ImageFilter.GaussianBlur(min(image.size) * 0.02))
    return ImageChops.screen(toned, ImageEnhance.Brightness(bloom).enhance(0.4))


def _pixel(image: Image, _seed: int) -> Image:
    from PIL import Image as Pictures

    scale = _PIXELS_ACROSS / min(image.size)
    if scale >= 1:
        return image
    small = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Pictures.Resampling.BOX
    )
    flat = small.quantize(_PALETTE, Pictures.Quantize.MEDIANCUT, dither=Pictures.Dither.NONE).convert("RGB")
    return flat.resize(image.size, Pictures.Resampling.NEAREST)


def _sketch(image: Image, _seed: int) -> Image:
    from PIL import Image as Pictures, ImageChops, ImageFilter, ImageOps

    grey = image.convert("L")
    blurred = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(max(1.5, min(image.size) * 0.012)))
    lines = ImageChops.add(grey, blurred)  # what differs from its surroundings becomes a stroke
    shade = grey.point([round(188 + level * 0.263) for level in range(256)])
    drawn = ImageChops.multiply(lines, shade).point(
        [round(255 * (level / 255) ** 1.5) for level in range(256)]
    )
    paper = ImageOps.colorize(drawn, black="#33312f", white="#fbf8f1")
    return Pictures.blend(paper, image, 0.06)


def _watercolour(image: Image, seed: int) -> Image:
    import numpy as np
    from PIL import Image as Pictures, ImageEnhance, ImageFilter

    side = min(image.size)
    washed = _displaced(image, seed, strength=side * 0.006, patches=9)
    washed = _daubed(washed).filter(ImageFilter.GaussianBlur(side * 0.0016))
    washed = ImageEnhance.Color(washed).enhance(0.9)
    cloudy = _clouds(image.size, seed, patches=7)
    paper = np.asarray([252, 249, 242], np.float32)
    pixels = np.asarray(washed, np.float32)
    pixels = pixels + (paper - pixels) * (0.10 + 0.30 * cloudy[..., None])
    border = _border(image.size, seed)
    pixels = pixels + (paper - pixels) * border[..., None]
    return Pictures.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8), "RGB")


def _oil(image: Image, seed: int) -> Image:
    from PIL import ImageEnhance

    side = min(image.size)
    swirled = _displaced(image, seed, strength=side * 0.012, patches=14)
    return ImageEnhance.Color(_strokes(_daubed(swirled), seed)).enhance(1.25)


def _print(image: Image, _seed: int) -> Image:
    from PIL import Image as Pictures, ImageFilter

    flat = image.filter(ImageFilter.MedianFilter(3)).quantize(
        14, Pictures.Quantize.MEDIANCUT, dither=Pictures.Dither.NONE
    )
    paper = Pictures.new("RGB", image.size, "#f0dfbf")
    return Pictures.blend(flat.convert("RGB"), paper, 0.2)


def _dark(image: Image, _seed: int) -> Image:
    return _vignette(image, (8, 4, 18), 0.75)


def _vignette(image: Image, colour: tuple[int, int, int], strength: float) -> Image:
    import numpy as np
    from PIL import Image as Pictures

    across = np.linspace(-1, 1, image.width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, image.height, dtype=np.float32)[:, None]
    mask = np.clip((across**2 + down**2) / 2, 0, 1) ** 1.3 * 255 * strength
    return Pictures.composite(
        Pictures.new("RGB", image.size, colour), image, Pictures.fromarray(mask.astype(np.uint8), "L")
    )


def _clouds(size: tuple[int, int], seed: int, *, patches: int) -> Plane:
    """Return smooth chance from 0 to 1, about `patches` light and dark spots across."""
    import numpy as np
    from PIL import Image as Pictures

    random = np.random.Generator(np.random.PCG64(seed))
    coarse = random.random((patches + 3, patches + 3)).astype(np.float32)
    smooth = Pictures.fromarray(coarse, "F").resize(size, Pictures.Resampling.BICUBIC)
    return np.clip(np.asarray(smooth, np.float32), 0, 1)


def _border(size: tuple[int, int], seed: int) -> Plane:
    """Return how much paper shows: 1 outside a ragged frame, 0 inside."""
    import numpy as np

    width, height = size
    across = np.minimum(np.arange(width), np.arange(width)[::-1])[None, :].astype(np.float32)
    down = np.minimum(np.arange(height), np.arange(height)[::-1])[:, None].astype(np.float32)
    inside = np.minimum(across, down) / min(size)
    ragged = 0.012 + 0.03 * _clouds(size, seed + 1, patches=16)
    return np.clip((ragged - inside) / 0.012 + 0.5, 0, 1)


def _displaced(image: Image, seed: int, *, strength: float, patches: int) -> Image:
    """Move pixels along a smooth field, so that straight edges tremble as a brush does."""
    import numpy as np
    from PIL import Image as Pictures

    pixels = np.asarray(image)
    grid = np.indices(pixels.shape[:2], np.float32)
    columns = grid[1] + (_clouds(image.size, seed + 2, patches=patches) - 0.5) * 2 * strength
    rows = grid[0] + (_clouds(image.size, seed + 3, patches=patches) - 0.5) * 2 * strength
    where = (
        np.clip(rows + 0.5, 0, image.height - 1).astype(np.intp),
        np.clip(columns + 0.5, 0, image.width - 1).astype(np.intp),
    )
    return Pictures.fromarray(pixels[where], "RGB")


def _daubed(image: Image) -> Image:
    """Gather colours into daubs. A brush is coarse, so a smaller copy is enough, which keeps large pictures quick."""
    from PIL import Image as Pictures, ImageFilter

    daubs = _reduced(image.size, _DAUBS_ACROSS)
    small = image.resize(daubs, Pictures.Resampling.BOX) if daubs != image.size else image
    return small.filter(ImageFilter.ModeFilter(5)).resize(image.size, Pictures.Resampling.BICUBIC)


def _strokes(image: Image, seed: int) -> Image:
    """Smear light and dark bristle lines along a swirling field."""
    import numpy as np
    from PIL import Image as Pictures

    width, height = _reduced(image.size, _STROKES_ACROSS)
    side = min(width, height)
    angle = _clouds((width, height), seed + 4, patches=5) * 4 * np.pi
    random = np.random.Generator(np.random.PCG64(seed + 5))
    grain = random.random((max(1, height * 160 // side), max(1, width * 160 // side))).astype(np.float32)
    bristles = np.asarray(
        Pictures.fromarray(grain, "F").resize((width, height), Pictures.Resampling.BILINEAR)
    )
    rows, columns = np.indices(bristles.shape, np.float32)
    total = np.zeros_like(bristles)
    steps = np.linspace(-0.022, 0.022, 9) * side
    for step in steps:
        down = np.clip(rows + step * np.sin(angle), 0, height - 1).astype(np.intp)
        right = np.clip(columns + step * np.cos(angle), 0, width - 1).astype(np.intp)
        total += bristles[down, right]
    relief = Pictures.fromarray(total / len(steps) - 0.5, "F").resize(image.size, Pictures.Resampling.BICUBIC)
    lit = np.asarray(image, np.float32) + np.asarray(relief, np.float32)[..., None] * 90
    return Pictures.fromarray(np.clip(lit, 0, 255).astype(np.uint8), "RGB")


def _reduced(size: tuple[int, int], across: int) -> tuple[int, int]:
    """Return a size of the same shape whose shorter side is at most `across`."""
    scale = min(1.0, across / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


_RENDERINGS: dict[str, Callable[[Image, int], Image]] = {
    "monochrome": _monochrome,
    "sepia": _sepia,
    "pastel": _pastel,
    "neon": _neon,
    "pixel": _pixel,
    "sketch": _sketch,
    "watercolour": _watercolour,
    "oil": _oil,
    "print": _print,
    "dark": _dark,
}
