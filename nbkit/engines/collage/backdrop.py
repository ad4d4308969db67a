"""Places without ground: outer space, the open sky, and a plain background for one subject."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

from nbkit.engines.collage.canvas import mix, rgb
from nbkit.engines.collage.recolour import COLOURS
from nbkit.engines.collage.setting import Setting
from nbkit.engines.collage.sky import WHITE, cloud, stars

if TYPE_CHECKING:
    from nbkit.engines.collage.canvas import Canvas, Colour
    from nbkit.engines.collage.sky import Air

_PLAIN = ("#f7d9c4", "#cfe6dc", "#d4e4f7", "#f9e8b8", "#e6dcf3", "#f9d5d9", "#d9eccb")


def space(canvas: Canvas, _air: Air, _season: str) -> Setting:
    """Stars, nebulae and a planet or two."""
    canvas.gradient([(0, rgb("#0b0b2b")), (0.55, rgb("#1a1547")), (1, rgb("#2b1a55"))])
    for code in ("#6d3fb0", "#2f5fc4", "#c2478f", "#2d8fb5"):
        x, y = canvas.chance(0, canvas.width), canvas.chance(0, canvas.height)
        for _ in range(3):
            shift = canvas.unit * 0.18
            canvas.glow(
                x + canvas.chance(-shift, shift),
                y + canvas.chance(-shift, shift),
                canvas.unit * canvas.chance(0.3, 0.5),
                rgb(code),
                strength=0.2,
            )
    stars(canvas, 1.0, density=1.5)
    side = 1 if canvas.chance(0, 1) < 0.5 else -1  # noqa: PLR2004 - a coin
    x, y = canvas.width * (0.5 + side * 0.36), canvas.height * canvas.chance(0.12, 0.2)
    _planet(canvas, x, y, canvas.unit * 0.075, ("#e9b872", "#c98a52", "#f2d3a0"))
    _planet(
        canvas,
        canvas.width * (0.5 - side * 0.40),
        canvas.height * 0.86,
        canvas.unit * 0.05,
        ("#6fb7c9", "#4a8fae", "#a5dbe2"),
    )
    return Setting(horizon=1.0, ground=(0.85, 0.9), air=(0.2, 0.8), is_weightless=True, casts_shadow=False)


def open_sky(canvas: Canvas, air: Air, _season: str) -> Setting:
    """Nothing but sky, with a sea of clouds below."""
    top = mix(air.haze, WHITE, 0.15 if air.is_dark else 0.8)
    for level, size in ((0.86, 0.1), (0.94, 0.13), (1.02, 0.15)):
        x = -canvas.unit * 0.1
        while x < canvas.width + canvas.unit * 0.2:
            cloud(
                canvas,
                x,
                canvas.height * level,
                canvas.unit * size * canvas.chance(0.8, 1.1),
                top,
                shade=mix(top, air.stops[0][1], 0.25),
                opacity=0.95,
            )
            x += canvas.unit * size * 2.2
    return Setting(horizon=1.0, ground=(0.84, 0.9), air=(0.24, 0.66), is_weightless=True, casts_shadow=False)


def plain(canvas: Canvas, tint: str, *, is_dark: bool) -> Setting:
    """A calm wall and floor with a soft disc of light behind the subject."""
    base = (
        mix(COLOURS[tint], WHITE, 0.45)
        if tint in COLOURS
        else rgb(_PLAIN[int(canvas.chance(0, len(_PLAIN)))])
    )
    if is_dark:
        base = mix(base, rgb("#262a4a"), 0.72)
    hue, lightness, saturation = colorsys.rgb_to_hls(*base)
    floor: Colour = colorsys.hls_to_rgb((hue + 0.03) % 1, lightness * 0.9, saturation * 0.85)
    canvas.gradient([(0, mix(base, WHITE, 0.12)), (1, base)])
    radius = canvas.unit * 0.43
    x, y = canvas.width / 2, canvas.height * 0.48
    canvas.ellipses([(x, y, radius, radius)], mix(base, WHITE, 0.3))
    canvas.glow(x, y, radius * 1.5, mix(base, WHITE, 0.75), strength=0.55)
    for level in (0.62, 0.68, 0.74, 0.8):  # a studio floor that rises into the wall without an edge
        canvas.fill_below(canvas.wave(level, 0.004, bends=0.5), floor, floor, opacity=0.16)
    _confetti(canvas, base)
    return Setting(horizon=0.78, ground=(0.7, 0.92), air=(0.48, 0.5), is_plain=True)


def waves(canvas: Canvas, tint: str) -> Setting:
    """Bands of one colour, from light to deep, with a pale disc: a picture of nothing but a colour."""
    base = COLOURS[tint]
    canvas.gradient([(0, mix(base, WHITE, 0.82)), (1, mix(base, WHITE, 0.6))])
    radius = canvas.unit * canvas.chance(0.13, 0.2)
    x, y = canvas.width * canvas.chance(0.25, 0.75), canvas.height * canvas.chance(0.2, 0.34)
    canvas.glow(x, y, radius * 2.4, WHITE, strength=0.6)
    canvas.ellipses([(x, y, radius, radius)], mix(base, WHITE, 0.92))
    hue, lightness, saturation = colorsys.rgb_to_hls(*base)
    for index in range(7):
        share = index / 6
        turned = colorsys.hls_to_rgb(
            (hue + 0.05 * (share - 0.5)) % 1, lightness * (1 - 0.45 * share), saturation
        )
        band = mix(turned, WHITE, 0.62 * (1 - share))
        line = canvas.wave(0.4 + 0.09 * index, 0.06, bends=canvas.chance(0.5, 1.1), roughness=0.25)
        canvas.fill_below(line, band, mix(band, turned, 0.4))
    return Setting(horizon=1.0)


def _confetti(canvas: Canvas, base: Colour) -> None:
    """Strew a few soft dots in the corners, away from the subject."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*base)
    for _ in range(14):
        x, y = canvas.chance(0.03, 0.97), canvas.chance(0.04, 0.72)
        if ((x - 0.5) / 0.46) ** 2 + ((y - 0.48) / 0.46) ** 2 < 1:
            continue
        dot = colorsys.hls_to_rgb(
            (hue + canvas.chance(-0.12, 0.12)) % 1, min(0.95, lightness * 1.06), min(1.0, saturation * 1.1)
        )
        size = canvas.unit * canvas.chance(0.008, 0.022)
        canvas.ellipses([(x * canvas.width, y * canvas.height, size, size)], dot, opacity=0.75)


def _planet(canvas: Canvas, x: float, y: float, radius: float, codes: tuple[str, str, str]) -> None:
    main, dark, light = (rgb(code) for code in codes)
    canvas.glow(x, y, radius * 2, light, strength=0.3)
    canvas.ellipses([(x, y, radius, radius)], main)
    canvas.ellipses([(x, y + radius * 0.3, radius * 0.94, radius * 0.16)], dark, opacity=0.6)
    canvas.ellipses([(x, y - radius * 0.2, radius * 0.96, radius * 0.1)], light, opacity=0.6)
    canvas.glow(x - radius * 0.4, y - radius * 0.4, radius * 0.8, WHITE, strength=0.3)
