"""Open land: meadow, flowers, forest, mountains, desert, snow, volcanic land, and the surface of a moon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbkit.engines.collage.canvas import mix, rgb
from nbkit.engines.collage.setting import Setting
from nbkit.engines.collage.sky import stars

if TYPE_CHECKING:
    from nbkit.engines.collage.canvas import Array, Canvas
    from nbkit.engines.collage.sky import Air

_FLOWERS = ("#f26d6d", "#f7c948", "#ffffff", "#c99bdf", "#f79ac0")
_GREENS = ("#8fc98a", "#74b95f", "#5aa64b")


def meadow(canvas: Canvas, air: Air, season: str) -> Setting:
    """Rolling hills with a few trees far off."""
    greens = _season_greens(season)
    canvas.fill_below(
        canvas.wave(0.56, 0.05, bends=1.2), air.lit(greens[0], far=0.55), air.lit(greens[0], far=0.3)
    )
    far = canvas.wave(0.61, 0.035, bends=1.0)
    _tree_line(canvas, air, far, season, number=7, size=0.035, far=0.38)
    canvas.fill_below(far, air.lit(greens[1], far=0.32), air.lit(greens[1], far=0.1))
    canvas.fill_below(canvas.wave(0.69, 0.025, bends=0.7), air.lit(greens[1]), air.lit(greens[2]))
    _tufts(canvas, air, greens[2], top=0.74)
    return Setting(horizon=0.6, ground=(0.73, 0.93))


def flowers(canvas: Canvas, air: Air, season: str) -> Setting:
    """Paint a meadow in bloom."""
    setting = meadow(canvas, air, season)
    area = min(4.0, canvas.width / canvas.height)
    spots = sorted(canvas.chance(0.71, 0.99) for _ in range(round(70 * max(area, 0.4))))
    for share in spots:
        size = canvas.unit * (0.004 + 0.014 * (share - 0.7) / 0.3)
        x, y = canvas.chance(0, canvas.width), share * canvas.height
        petal = air.lit(_FLOWERS[int(canvas.chance(0, len(_FLOWERS)))])
        petals = [
            (
                x + size * math.cos(turn * 1.2566),
                y + size * 0.8 * math.sin(turn * 1.2566),
                size * 0.7,
                size * 0.6,
            )
            for turn in range(5)
        ]
        canvas.ellipses(petals, petal)
        canvas.ellipses([(x, y, size * 0.5, size * 0.45)], air.lit("#f9c846"))
    return setting


def forest(canvas: Canvas, air: Air, season: str) -> Setting:
    """Three rows of trees, the farthest lost in haze, around a clearing."""
    greens = _season_greens(season)
    for level, size, far, number in ((0.57, 0.24, 0.72, 15), (0.61, 0.3, 0.48, 11), (0.66, 0.4, 0.2, 8)):
        line = canvas.wave(level, 0.012)
        _tree_line(canvas, air, line, season, number=number, size=size, far=far, is_dense=True)
        canvas.fill_below(line, air.lit(greens[2], far=far), air.lit(greens[2], far=far * 0.6))
    canvas.fill_below(canvas.wave(0.70, 0.02, bends=0.8), air.lit(greens[1]), air.lit(greens[2]))
    _tufts(canvas, air, greens[2], top=0.76)
    return Setting(horizon=0.64, ground=(0.76, 0.93), air=(0.16, 0.45))


def mountains(canvas: Canvas, air: Air, season: str) -> Setting:
    """Two ranges, the farther with snow on its summits, behind green foothills."""
    distant_range(canvas, air, level=0.62)
    greens = _season_greens(season)
    foothill = canvas.wave(0.64, 0.03, bends=1.3)
    _tree_line(canvas, air, foothill, "pine", number=16, size=0.05, far=0.35)
    canvas.fill_below(foothill, air.lit(greens[1], far=0.35), air.lit(greens[1], far=0.1))
    canvas.fill_below(canvas.wave(0.71, 0.02, bends=0.8), air.lit(greens[1]), air.lit(greens[2]))
    _tufts(canvas, air, greens[2], top=0.76)
    return Setting(horizon=0.64, ground=(0.75, 0.93), air=(0.13, 0.36))


def distant_range(canvas: Canvas, air: Air, *, level: float) -> None:
    """Two rows of summits above a level (share of the height)."""
    for rise, code, far, count in ((0.40, "#7d93b5", 0.5, 2.2), (0.24, "#5f7a9c", 0.28, 3.4)):
        line = canvas.peaks(level, rise, count=count)
        canvas.fill_below(line, air.lit(code, far=far), air.lit(code, far=min(1.0, far + 0.3)))
        if rise > 0.3:  # noqa: PLR2004 - the higher range
            canvas.snow_caps(line, air.lit("#ffffff", far=0.1), depth=0.085)


def desert(canvas: Canvas, air: Air, _season: str) -> Setting:
    """Dunes, each with a lit and a shaded side."""
    for level, swing, code, far in (
        (0.58, 0.03, "#e2b878", 0.5),
        (0.63, 0.05, "#e8bd77", 0.25),
        (0.71, 0.035, "#efc983", 0.0),
    ):
        line = canvas.wave(level, swing, bends=0.9, roughness=0.2)
        canvas.fill_below(line, air.lit(code, far=far), air.lit("#d9a35f", far=far * 0.6))
    ridge = canvas.wave(0.78, 0.03, bends=0.6, roughness=0.1)
    canvas.fill_below(ridge, air.lit("#f3d08d"), air.lit("#e0ac66"))
    return Setting(horizon=0.62, ground=(0.75, 0.93))


def snow(canvas: Canvas, air: Air, _season: str) -> Setting:
    """Snow hills with firs."""
    distant_range(canvas, air, level=0.6)
    far = canvas.wave(0.62, 0.03)
    _tree_line(canvas, air, far, "snowy", number=12, size=0.07, far=0.35)
    canvas.fill_below(far, air.lit("#e6eff7", far=0.2), air.lit("#d5e3f0", far=0.1))
    canvas.fill_below(canvas.wave(0.71, 0.025, bends=0.8), air.lit("#f7fbff"), air.lit("#d3e2f1"))
    return Setting(horizon=0.62, ground=(0.74, 0.93))


def volcanic(canvas: Canvas, air: Air, _season: str) -> Setting:
    """Dark rock with rivers of lava."""
    line = canvas.peaks(0.66, 0.26, count=2.2)
    canvas.fill_below(line, air.lit("#5a4048", far=0.3), air.lit("#3d2c33"))
    for level in (0.68, 0.76):
        flow = canvas.wave(level, 0.015)
        canvas.fill_below(flow, rgb("#ffb347"), rgb("#f0562d"))
        canvas.fill_below(flow + canvas.height * 0.025, air.lit("#5a4450"), air.lit("#3a2a33"))
    return Setting(horizon=0.64, ground=(0.78, 0.93))


def moonscape(canvas: Canvas, _air: Air, _season: str) -> Setting:
    """Grey dust with craters under a black sky, and a planet."""
    canvas.gradient([(0, rgb("#0b0d22")), (1, rgb("#232850"))])
    stars(canvas, 0.62, density=1.6)
    x, y, radius = canvas.width * canvas.chance(0.18, 0.82), canvas.height * 0.2, canvas.unit * 0.1
    canvas.glow(x, y, radius * 2.2, rgb("#7fb4ff"), strength=0.4)
    canvas.ellipses([(x, y, radius, radius)], rgb("#4f93d8"))
    canvas.ellipses([(x - radius * 0.3, y - radius * 0.25, radius * 0.42, radius * 0.3)], rgb("#79c088"))
    canvas.ellipses([(x + radius * 0.35, y + radius * 0.3, radius * 0.36, radius * 0.26)], rgb("#79c088"))
    canvas.fill_below(canvas.wave(0.6, 0.03), rgb("#8d8fa6"), rgb("#7a7c95"))
    canvas.fill_below(canvas.wave(0.68, 0.02, bends=0.8), rgb("#b4b5c6"), rgb("#8f91a8"))
    for _ in range(9):
        share = canvas.chance(0.72, 0.97)
        wide = canvas.unit * canvas.chance(0.02, 0.07) * (0.4 + 1.6 * (share - 0.7) / 0.3)
        cx, cy = canvas.chance(0, canvas.width), share * canvas.height
        canvas.ellipses([(cx, cy, wide, wide * 0.3)], rgb("#85879e"))
        canvas.ellipses([(cx, cy + wide * 0.05, wide * 0.86, wide * 0.22)], rgb("#9a9cb2"))
    return Setting(horizon=0.64, ground=(0.76, 0.93), air=(0.16, 0.45))


def _season_greens(season: str) -> tuple[str, str, str]:
    if season == "autumn":
        return "#d9b36a", "#d3a04e", "#b98039"
    if season == "snow":
        return "#e6eff7", "#eef5fb", "#d3e2f1"
    return _GREENS


def _tree_line(
    canvas: Canvas,
    air: Air,
    line: Array,
    season: str,
    *,
    number: int,
    size: float,
    far: float,
    is_dense: bool = False,
) -> None:
    """Stand trees on a line; `size` is their height as a share of the shorter side."""
    number = max(3, round(number * canvas.width / canvas.unit))
    for index in range(number):
        x = canvas.width * (index + canvas.chance(0.1, 0.9)) / number
        if not is_dense and canvas.chance(0, 1) < 0.35:  # noqa: PLR2004 - gaps between groups of trees
            continue
        y = float(line[min(canvas.width - 1, int(x))]) + canvas.unit * 0.01
        tall = canvas.unit * size * canvas.chance(0.75, 1.15)
        if season in {"pine", "snowy", "snow"} or (season != "autumn" and canvas.chance(0, 1) < 0.5):  # noqa: PLR2004 - a coin
            _fir(canvas, air, x, y, tall, far=far, is_snowy=season in {"snowy", "snow"})
        else:
            _round_tree(canvas, air, x, y, tall, far=far, is_autumn=season == "autumn")


def _fir(canvas: Canvas, air: Air, x: float, y: float, tall: float, *, far: float, is_snowy: bool) -> None:
    dark = air.lit("#3f7d5c", far=far)
    canvas.polygon(
        [(x - tall * 0.03, y), (x + tall * 0.03, y), (x, y - tall * 0.4)], air.lit("#6b4c38", far=far)
    )
    for step in range(3):
        foot, wide = y - tall * (0.12 + 0.25 * step), tall * (0.26 - 0.06 * step)
        tip = foot - tall * 0.42
        canvas.polygon([(x - wide, foot), (x + wide, foot), (x, tip)], mix(dark, air.haze, 0.05 * step))
        if is_snowy:
            canvas.polygon(
                [(x - wide * 0.45, foot - tall * 0.23), (x + wide * 0.45, foot - tall * 0.23), (x, tip)],
                air.lit("#ffffff", far=far * 0.5),
            )


def _round_tree(
    canvas: Canvas, air: Air, x: float, y: float, tall: float, *, far: float, is_autumn: bool
) -> None:
    leaves = ("#e08e45", "#d9663f", "#e8b54a") if is_autumn else ("#6cab58", "#5b9d52", "#7cb862")
    colour = air.lit(leaves[int(canvas.chance(0, len(leaves)))], far=far)
    canvas.polygon(
        [
            (x - tall * 0.04, y),
            (x + tall * 0.04, y),
            (x + tall * 0.02, y - tall * 0.6),
            (x - tall * 0.02, y - tall * 0.6),
        ],
        air.lit("#7a5a44", far=far),
    )
    crown = [
        (x - tall * 0.16, y - tall * 0.52, tall * 0.2, tall * 0.19),
        (x + tall * 0.16, y - tall * 0.54, tall * 0.19, tall * 0.18),
        (x, y - tall * 0.72, tall * 0.22, tall * 0.24),
    ]
    canvas.ellipses(crown, colour)
    canvas.ellipses(
        [(x - tall * 0.05, y - tall * 0.78, tall * 0.12, tall * 0.11)],
        mix(colour, air.lit("#ffffff"), 0.18),
        blur=tall * 0.02,
    )


def _tufts(canvas: Canvas, air: Air, code: str, *, top: float) -> None:
    """Scatter small tufts of grass, denser and larger towards the viewer."""
    dark = mix(air.lit(code), air.lit("#2f6b3a"), 0.28)
    for _ in range(round(22 * canvas.width / canvas.unit)):
        share = canvas.chance(top, 0.985)
        x, y = canvas.chance(0, canvas.width), share * canvas.height
        tall = canvas.unit * 0.028 * (0.35 + (share - top) / (1 - top))
        for lean in (-0.5, 0.0, 0.5):
            canvas.polygon(
                [
                    (x + lean * tall * 0.3 - tall * 0.08, y),
                    (x + lean * tall * 0.3 + tall * 0.08, y),
                    (x + lean * tall, y - tall),
                ],
                dark,
                opacity=0.55,
            )
