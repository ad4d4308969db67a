"""The sky: light of the day, sun, moon, stars, clouds, and what falls from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.engines.collage.canvas import Colour, mix, rgb, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from nbkit.engines.collage.canvas import Canvas

WHITE: Colour = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Air:
    """The light that everything in a picture shares.

    Attributes:
        stops: The sky from top to horizon.
        ambient: What it does to the colour of a lit surface.
        haze: What far things fade into.
        is_dark: Stars are out.
    """

    stops: tuple[tuple[float, Colour], ...]
    ambient: Colour
    haze: Colour
    is_dark: bool = False

    def lit(self, code: str, *, far: float = 0.0) -> Colour:
        """Return a surface's colour in this light, faded by distance (0 near, 1 at the horizon)."""
        return mix(times(rgb(code), self.ambient), self.haze, far)


def _air(codes: str, ambient: Colour, *, is_dark: bool = False) -> Air:
    colours = [rgb(code) for code in codes.split()]
    stops = tuple((index / (len(colours) - 1), colour) for index, colour in enumerate(colours))
    return Air(stops, ambient, colours[-1], is_dark)


AIRS = {
    "day": _air("#6db7ec #a5d5f3 #dcf0f5", (1.0, 1.0, 1.0)),
    "sunrise": _air("#7fa8d9 #f5c6b8 #ffe3b0", (1.02, 0.93, 0.88)),
    "sunset": _air("#4d4a86 #c56b8a #f79a6b #ffd28a", (0.98, 0.80, 0.76)),
    "night": _air("#0d1538 #1d2a5c #3d4c86", (0.42, 0.48, 0.72), is_dark=True),
    "overcast": _air("#9fb1bf #bfccd4 #dde4e6", (0.86, 0.89, 0.92)),
    "storm": _air("#3a4557 #59667a #8d99a5", (0.62, 0.67, 0.76)),
    "spooky": _air("#1c1630 #45305c #a3586a", (0.52, 0.46, 0.62), is_dark=True),
    "pastel": _air("#c9d8f5 #e6d6f2 #ffe4e1", (1.0, 0.97, 0.98)),
    "autumn": _air("#8fb7d6 #cfdcd8 #f8e6c4", (1.0, 0.96, 0.90)),
    "winter": _air("#8fbbe0 #bcd7ec #eaf3f8", (0.95, 0.98, 1.02)),
}


def choose_air(light: str, weather: list[str], styles: list[str]) -> Air:
    """Decide the light of a picture from what its prompt says about time, weather and mood."""
    if "storm" in weather:
        return AIRS["storm"]
    if "dark" in styles:
        return AIRS["spooky"]
    if light and light != "day":
        return AIRS[light]
    if {"aurora", "stars", "moon"} & set(weather) or "neon" in styles:
        return AIRS["night"]
    for condition, air in (
        ("rain", "overcast"),
        ("fog", "overcast"),
        ("snow", "winter"),
        ("autumn", "autumn"),
    ):
        if condition in weather:
            return AIRS[air]
    return AIRS["pastel" if "pastel" in styles else "day"]


def paint_sky(canvas: Canvas, air: Air, weather: list[str], *, horizon: float, light: str = "") -> None:
    """Paint the sky down to the horizon (a share of the height), with its sun or moon, stars and clouds."""
    canvas.gradient(air.stops, bottom=min(1.0, horizon + 0.02))
    if horizon < 1:
        canvas.gradient([(0, air.haze), (1, air.haze)], top=horizon)
    if "aurora" in weather:
        _aurora(canvas, horizon)
    if air.is_dark:
        stars(canvas, horizon * 0.9, density=1.6 if "stars" in weather else 1.0)
        moon(canvas, horizon, is_crescent=canvas.chance(0, 1) < 0.6)  # noqa: PLR2004 - more often than not
    elif "storm" not in weather and air is not AIRS["overcast"]:
        _sun(canvas, air, horizon, is_low=light in {"sunrise", "sunset"})
    if "rainbow" in weather:
        _rainbow(canvas, horizon)
    _clouds(canvas, air, weather, horizon)
    if "storm" in weather:
        _lightning(canvas, horizon)


def stars(canvas: Canvas, bottom: float, *, density: float = 1.0) -> None:
    """Strew stars over the canvas down to a share of its height, larger ones with a small glow."""
    area = canvas.width * canvas.height * bottom / canvas.unit**2
    for _ in range(min(160, round(70 * density * area))):
        x, y = canvas.chance(0, canvas.width), canvas.chance(0, canvas.height * bottom)
        size = canvas.unit * 0.0011 * (1 + 2.2 * canvas.chance(0, 1) ** 4) + 0.35
        canvas.glow(x, y, size * 5, rgb("#cfd8ff"), strength=0.28)
        canvas.glow(x, y, size * 1.7, rgb("#fffbe8"), strength=canvas.chance(0.6, 1))


def moon(canvas: Canvas, horizon: float, *, is_crescent: bool) -> None:
    """Hang a moon with its halo in one of the upper corners."""
    radius = canvas.unit * canvas.chance(0.055, 0.07)
    x = canvas.width * (canvas.chance(0.12, 0.24) if canvas.chance(0, 1) < 0.5 else canvas.chance(0.76, 0.88))  # noqa: PLR2004 - a coin
    y = max(radius * 1.6, canvas.height * horizon * canvas.chance(0.2, 0.3))
    canvas.glow(x, y, radius * 6, rgb("#b9c4ff"), strength=0.4)
    if not is_crescent:
        canvas.ellipses([(x, y, radius, radius)], rgb("#fdf3cf"))
        for dx, dy, size in ((-0.35, -0.25, 0.24), (0.3, 0.2, 0.3), (-0.1, 0.5, 0.16), (0.35, -0.45, 0.13)):
            canvas.ellipses(
                [(x + dx * radius, y + dy * radius, size * radius, size * radius)], rgb("#e9dcae")
            )
        return
    outer = [
        (x + radius * math.cos(a / 40 * math.pi), y + radius * math.sin(a / 40 * math.pi))
        for a in range(20, 61)
    ]
    inner = [
        (x + 0.45 * radius * math.cos(a / 40 * math.pi), y + radius * math.sin(a / 40 * math.pi))
        for a in range(60, 19, -1)
    ]
    canvas.polygon(outer + inner, rgb("#fdf0c0"))


def _sun(canvas: Canvas, air: Air, horizon: float, *, is_low: bool) -> None:
    radius = canvas.unit * (0.085 if is_low else 0.06)
    x = canvas.width * (canvas.chance(0.3, 0.7) if is_low else canvas.chance(0.12, 0.88))
    y = canvas.height * horizon * (canvas.chance(0.72, 0.8) if is_low else canvas.chance(0.2, 0.3))
    canvas.glow(x, y, radius * (7 if is_low else 5), mix(rgb("#fff2bf"), air.haze, 0.2), strength=0.75)
    canvas.ellipses([(x, y, radius, radius)], rgb("#ffe27a" if is_low else "#fff0a8"))
    canvas.ellipses(
        [(x, y, radius * 0.82, radius * 0.82)], rgb("#fff0b8" if is_low else "#fff7cf"), opacity=0.7
    )


def _clouds(canvas: Canvas, air: Air, weather: list[str], horizon: float) -> None:
    is_heavy = bool({"clouds", "rain", "storm", "snow", "fog"} & set(weather))
    number = 7 if is_heavy else round(canvas.chance(2, 4.4))
    if "sun" in weather and not is_heavy:
        number = 2
    number = max(1, round(number * min(2.0, (canvas.width / canvas.height) ** 0.5)))
    colour = mix(air.haze, WHITE, 0.15 if air.is_dark else 0.75)
    if "storm" in weather or "rain" in weather:
        colour = mix(air.haze, rgb("#6f7c8a"), 0.35)
    for index in range(number):
        x = canvas.width * (index + canvas.chance(0.1, 0.9)) / number
        y = canvas.height * horizon * canvas.chance(0.08, 0.6)
        size = canvas.unit * canvas.chance(0.05, 0.085) * (1.4 if is_heavy else 1.0)
        cloud(
            canvas,
            x,
            y,
            size,
            colour,
            shade=mix(colour, air.stops[0][1], 0.22),
            opacity=0.45 if air.is_dark else 0.92,
        )


def cloud(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, *, shade: Colour, opacity: float
) -> None:
    """Paint a heaped cloud with a flat foot and a shaded underside, about five `size` wide."""
    puffs = []
    for step in range(-2, 3):
        high = size * (1.0 - 0.22 * abs(step)) * canvas.chance(0.8, 1.1)
        puffs.append((x + step * size * 0.85, y - high * 0.45, size * 0.95, high))
    foot = y + size * 0.28

    def draw(dy: float) -> Callable[..., None]:
        def paint(pen: object, at: Callable[[float, float], tuple[float, float]]) -> None:
            for cx, cy, wide, high in puffs:
                pen.ellipse([*at(cx - wide, cy - high + dy), *at(cx + wide, cy + high + dy)], fill=255)  # type: ignore[attr-defined]
            pen.rectangle([*at(x - 9 * size, foot), *at(x + 9 * size, foot + 9 * size)], fill=0)  # type: ignore[attr-defined]

        return paint

    box = (x - 3.2 * size, y - 2 * size, x + 3.2 * size, foot + size)
    canvas.shape(box, draw(0), shade, opacity=opacity)
    canvas.shape(box, draw(-size * 0.22), colour, opacity=opacity, blur=size * 0.05)


def _rainbow(canvas: Canvas, horizon: float) -> None:
    bands = ("#e8584f", "#f5954a", "#f9d85e", "#7cc576", "#5aa9e6", "#8a6fc8")
    x, y = canvas.width * canvas.chance(0.4, 0.6), canvas.height * (horizon + 0.05)
    outer = min(canvas.width * 0.46, canvas.height * horizon * 0.95)
    thick = outer * 0.045
    for index, code in enumerate(bands):
        radius = outer - index * thick

        def draw(
            pen: object, at: Callable[[float, float], tuple[float, float]], radius: float = radius
        ) -> None:
            pen.ellipse([*at(x - radius, y - radius), *at(x + radius, y + radius)], fill=255)  # type: ignore[attr-defined]
            inner = radius - thick
            pen.ellipse([*at(x - inner, y - inner), *at(x + inner, y + inner)], fill=0)  # type: ignore[attr-defined]

        canvas.shape((x - radius, y - radius, x + radius, y), draw, rgb(code), opacity=0.6, blur=thick * 0.15)


def _aurora(canvas: Canvas, horizon: float) -> None:
    for code, level in (("#5df2b0", 0.34), ("#4fd6d0", 0.48), ("#9a7bf0", 0.22)):
        x, step = 0.0, canvas.unit * 0.05
        phase = canvas.chance(0, 6)
        while x < canvas.width + step:
            y = canvas.height * horizon * (level + 0.1 * math.sin(x / canvas.unit * 5 + phase))
            canvas.glow(x, y, canvas.unit * 0.17, rgb(code), strength=0.16)
            x += step


def _lightning(canvas: Canvas, horizon: float) -> None:
    x, y = canvas.width * canvas.chance(0.2, 0.8), canvas.height * 0.06
    step = canvas.height * horizon * 0.19
    left: list[tuple[float, float]] = []
    right: list[tuple[float, float]] = []
    for index in range(5):
        width = canvas.unit * 0.008 * (5 - index) / 4
        left.append((x - width, y))
        right.insert(0, (x + width, y))
        x += canvas.unit * canvas.chance(0.03, 0.06) * (1 if index % 2 else -1)
        y += step
    canvas.glow(x, y / 2, canvas.unit * 0.4, rgb("#dfe6ff"), strength=0.35)
    canvas.polygon(left + right, rgb("#fff6c8"))


def precipitation(image: Image, canvas: Canvas, weather: list[str]) -> Image:
    """Let rain or snow fall over a finished picture."""
    from PIL import Image as Pictures, ImageDraw

    if not {"rain", "storm", "snow"} & set(weather):
        return image
    fine = 2
    layer = Pictures.new("L", (canvas.width * fine, canvas.height * fine))
    pen = ImageDraw.Draw(layer)
    unit = canvas.unit * fine
    area = min(3.0, canvas.width * canvas.height / canvas.unit**2)
    for _ in range(round(110 * area)):
        x, y = canvas.chance(0, layer.width), canvas.chance(-0.05, 1) * layer.height
        depth = canvas.chance(0.35, 1)
        if "snow" in weather:
            radius = unit * 0.0065 * depth
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=round(235 * depth))
        else:
            length = unit * 0.05 * depth
            pen.line(
                (x, y, x - length * 0.22, y + length), round(170 * depth), max(1, round(unit * 0.003 * depth))
            )
    mask = layer.reduce(fine)
    return Pictures.composite(Pictures.new("RGB", image.size, (240, 246, 252)), image, mask)
