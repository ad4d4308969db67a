"""Water: beach, open sea, lake, island, and below the surface."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbkit.engines.collage.canvas import mix, rgb
from nbkit.engines.collage.landscape import distant_range
from nbkit.engines.collage.setting import Setting

if TYPE_CHECKING:
    from nbkit.engines.collage.canvas import Canvas
    from nbkit.engines.collage.sky import Air


def beach(canvas: Canvas, air: Air, _season: str) -> Setting:
    """Sea, surf and sand."""
    _water(canvas, air, top=0.52, bottom=0.76)
    shore = canvas.wave(0.70, 0.018, bends=0.7)
    canvas.fill_below(shore - canvas.height * 0.016, air.lit("#ffffff"), air.lit("#ffffff"), opacity=0.85)
    canvas.fill_below(shore, air.lit("#e3c48f"), air.lit("#e3c48f"))
    canvas.fill_below(shore + canvas.height * 0.03, air.lit("#f5dfae"), air.lit("#eccb8c"))
    for _ in range(round(26 * canvas.width / canvas.unit)):
        x, y = canvas.chance(0, canvas.width), canvas.height * canvas.chance(0.8, 0.99)
        size = canvas.unit * canvas.chance(0.002, 0.005)
        canvas.ellipses([(x, y, size * 1.6, size)], air.lit("#c9a66b"), opacity=0.6)
    return Setting(horizon=0.52, ground=(0.78, 0.95), air=(0.15, 0.38), waterline=(0.60, 0.66))


def sea(canvas: Canvas, air: Air, _season: str) -> Setting:
    """Rows of waves up to the horizon."""
    _water(canvas, air, top=0.5, bottom=1.0)
    for index in range(6):
        share = 0.56 + 0.075 * index + 0.004 * index * index
        line = canvas.wave(share, 0.008 + 0.002 * index, bends=3.4 - 0.35 * index, roughness=0.3)
        light = mix(air.lit("#4aa3d6"), air.lit("#1f6aa8"), index / 5)
        canvas.fill_below(line - canvas.height * 0.004, mix(light, air.haze, 0.5), light, opacity=0.55)
        canvas.fill_below(line, light, mix(light, air.lit("#174f86"), 0.35))
    return Setting(
        horizon=0.5, ground=(0.72, 0.88), air=(0.14, 0.36), waterline=(0.66, 0.86), casts_shadow=False
    )


def lake(canvas: Canvas, air: Air, season: str) -> Setting:
    """Still water between a far shore with hills and a near bank."""
    distant_range(canvas, air, level=0.56)
    greens = ("#d9b36a", "#b98039") if season == "autumn" else ("#7fbf77", "#5aa64b")
    canvas.fill_below(canvas.wave(0.53, 0.012), air.lit(greens[0], far=0.35), air.lit(greens[0], far=0.2))
    _water(canvas, air, top=0.57, bottom=0.9)
    canvas.fill_below(canvas.wave(0.8, 0.015, bends=0.7), air.lit(greens[0]), air.lit(greens[1]))
    return Setting(horizon=0.57, ground=(0.85, 0.95), air=(0.14, 0.36), waterline=(0.66, 0.76))


def island(canvas: Canvas, air: Air, _season: str) -> Setting:
    """A hump of sand in the sea."""
    sea(canvas, air, "")
    x, y = canvas.width * 0.5, canvas.height * 0.93
    wide, high = canvas.width * 0.46, canvas.height * 0.2
    canvas.ellipses([(x, y + high * 0.05, wide * 1.05, high * 1.06)], air.lit("#ffffff"), opacity=0.7)
    canvas.ellipses([(x, y, wide, high)], air.lit("#f2d9a4"))
    canvas.ellipses([(x, y + high * 0.3, wide * 0.9, high * 0.8)], air.lit("#e9c98d"), blur=high * 0.15)
    return Setting(horizon=0.5, ground=(0.82, 0.93), air=(0.14, 0.36), waterline=(0.62, 0.68))


def underwater(canvas: Canvas, air: Air, _season: str) -> Setting:
    """Shafts of light, sand, weed, corals and bubbles."""
    night = 0.45 if air.is_dark else 0.0
    deep = rgb("#0b2d57")
    canvas.gradient(
        [
            (0, mix(rgb("#7fdcec"), deep, night)),
            (0.45, mix(rgb("#2d9ccf"), deep, night)),
            (1, mix(rgb("#155a96"), deep, night)),
        ]
    )
    for _ in range(6):
        x = canvas.width * canvas.chance(-0.05, 1.0)
        wide = canvas.unit * canvas.chance(0.04, 0.1)
        lean = canvas.height * canvas.chance(0.15, 0.3)
        points = [
            (x, -2.0),
            (x + wide, -2.0),
            (x + wide * 2.2 + lean, canvas.height * 0.85),
            (x - wide + lean, canvas.height * 0.85),
        ]
        canvas.polygon(points, rgb("#dffaff"), opacity=0.09, blur=canvas.unit * 0.012)
    canvas.fill_below(
        canvas.wave(0.8, 0.04), mix(rgb("#2e7fb0"), deep, night), mix(rgb("#1d5d92"), deep, night)
    )
    _weeds(canvas, 0.9, number=8)
    canvas.fill_below(
        canvas.wave(0.88, 0.02, bends=0.9), mix(rgb("#e6d3a3"), deep, night), mix(rgb("#c2a873"), deep, night)
    )
    _weeds(canvas, 0.95, number=4)
    for _ in range(round(18 * min(2.0, canvas.width / canvas.unit))):
        x, y = canvas.chance(0, canvas.width), canvas.height * canvas.chance(0.05, 0.85)
        radius = canvas.unit * canvas.chance(0.004, 0.014)
        canvas.ellipses([(x, y, radius, radius)], rgb("#e8fbff"), opacity=0.3)
        canvas.ellipses(
            [(x - radius * 0.3, y - radius * 0.3, radius * 0.3, radius * 0.3)], rgb("#ffffff"), opacity=0.6
        )
    return Setting(horizon=0.8, ground=(0.9, 0.96), air=(0.2, 0.68), is_weightless=True, casts_shadow=False)


def _water(canvas: Canvas, air: Air, *, top: float, bottom: float) -> None:
    """Fill with water that mirrors the sky at the horizon, with glints that lengthen towards the viewer."""
    near, far = air.lit("#2f8fc4"), mix(air.lit("#7cc7e4"), air.haze, 0.4)
    canvas.gradient([(0, far), (1, near)], top=top, bottom=1.0)
    for _ in range(round(34 * canvas.width / canvas.unit)):
        share = canvas.chance(0.06, 1)
        y = canvas.height * (top + (bottom - top) * share)
        wide = canvas.unit * (0.012 + 0.05 * share) * canvas.chance(0.6, 1.3)
        high = max(0.6, canvas.unit * 0.0022 * (0.5 + share))
        canvas.ellipses(
            [(canvas.chance(0, canvas.width), y, wide, high)],
            mix(air.haze, (1.0, 1.0, 1.0), 0.45),
            opacity=0.4,
        )


def _weeds(canvas: Canvas, foot: float, *, number: int) -> None:
    number = round(number * min(2.5, canvas.width / canvas.unit))
    for index in range(number):
        # The middle stays free for what the picture is about.
        x = canvas.width * ((index + canvas.chance(0.1, 0.9)) / number)
        is_middle = abs(x / canvas.width - 0.5) < 0.22  # noqa: PLR2004 - see above
        tall = canvas.height * canvas.chance(0.1, 0.26) * (0.5 if is_middle else 1.0)
        colour = mix(rgb("#2f9e7d"), rgb("#1b6f78"), canvas.chance(0, 1))
        if canvas.chance(0, 1) < 0.3:  # noqa: PLR2004 - one in three is a coral
            _coral(canvas, x, canvas.height * foot, tall * 0.45)
            continue
        phase, sway = canvas.chance(0, 6), canvas.unit * 0.018
        middle = [
            (x + sway * math.sin(phase + step * 0.9), canvas.height * foot - tall * step / 9)
            for step in range(10)
        ]
        half = [canvas.unit * 0.012 * (1 - step / 9.2) + 0.3 for step in range(10)]
        left = [(px - wide, py) for (px, py), wide in zip(middle, half, strict=True)]
        right = [(px + wide, py) for (px, py), wide in zip(middle, half, strict=True)]
        canvas.polygon(left + right[::-1], colour)


def _coral(canvas: Canvas, x: float, y: float, tall: float) -> None:
    codes = ("#f2727f", "#f59e6c", "#c77dcf")
    colour = rgb(codes[int(canvas.chance(0, len(codes)))])
    stem = [(x, y - tall * 0.3, tall * 0.12, tall * 0.4)]
    branches = [
        (
            x + side * tall * (0.1 + 0.1 * step) * (1.15 - rise * 0.5),
            y - tall * (rise - 0.35 + 0.1 * step),
            tall * 0.09,
            tall * 0.1,
        )
        for side, rise in ((-1, 0.55), (1, 0.65), (-1, 0.85), (1, 0.95))
        for step in range(4)
    ]
    canvas.ellipses(stem + branches, colour)
