"""Built places: city, street, room, table and stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.engines.collage.canvas import mix, rgb
from nbkit.engines.collage.setting import Setting

if TYPE_CHECKING:
    from nbkit.engines.collage.canvas import Canvas, Colour
    from nbkit.engines.collage.sky import Air

_WALLS = ("#8fa9c4", "#a3b4cd", "#c3a9a0", "#b8b3c7", "#93b3b5", "#d0b08f")
_FACADES = ("#e8a87c", "#e5c07b", "#9cc5a1", "#8fb8d8", "#d98f8f", "#c9a7d8", "#f0d9a8")
_INTERIORS = (("#f3dfc9", "#c89b6f"), ("#d5e6dc", "#c49a74"), ("#dfe3f2", "#b98e6b"), ("#f6d9d2", "#c19c86"))


def city(canvas: Canvas, air: Air, _season: str) -> Setting:
    """Two rows of towers behind a promenade."""
    skyline(canvas, air, foot=0.76, far=0.55, tall=0.34)
    skyline(canvas, air, foot=0.78, far=0.15, tall=0.22)
    canvas.gradient([(0, air.lit("#b9bcc6")), (1, air.lit("#8f93a3"))], top=0.77)
    canvas.gradient([(0, air.lit("#d8d9df")), (1, air.lit("#c9cbd3"))], top=0.77, bottom=0.795)
    return Setting(horizon=0.77, ground=(0.84, 0.95), air=(0.14, 0.38))


def street(canvas: Canvas, air: Air, _season: str) -> Setting:
    """Gabled houses, a pavement and a road."""
    foot = canvas.height * 0.72
    x = -canvas.unit * canvas.chance(0, 0.1)
    while x < canvas.width:
        wide = canvas.unit * canvas.chance(0.16, 0.24)
        tall = min(canvas.height * 0.5, canvas.unit * canvas.chance(0.26, 0.42))
        _house(canvas, air, (x, foot), wide, tall)
        x += wide
    canvas.gradient([(0, air.lit("#d6d0c8")), (1, air.lit("#c2bcb5"))], top=0.72, bottom=0.79)
    canvas.gradient([(0, air.lit("#9a948f")), (1, air.lit("#8f8984"))], top=0.79, bottom=0.8)
    canvas.gradient([(0, air.lit("#767a85")), (1, air.lit("#5f636f"))], top=0.8)
    dash, gap = canvas.unit * 0.09, canvas.unit * 0.07
    x = -canvas.chance(0, dash)
    while x < canvas.width:
        top, bottom, slant = canvas.height * 0.885, canvas.height * 0.897, canvas.unit * 0.006
        canvas.polygon(
            [(x + slant, top), (x + dash + slant, top), (x + dash, bottom), (x, bottom)], air.lit("#f2e8c9")
        )
        x += dash + gap
    return Setting(horizon=0.72, ground=(0.85, 0.95), air=(0.12, 0.34))


def skyline(canvas: Canvas, air: Air, *, foot: float, far: float, tall: float) -> None:
    """Stand a row of towers on a level (share of the height)."""
    base, x = canvas.height * foot, -canvas.unit * canvas.chance(0, 0.08)
    lit_share = 0.55 if air.is_dark else 0.0
    while x < canvas.width:
        wide = canvas.unit * canvas.chance(0.075, 0.14)
        high = canvas.height * tall * canvas.chance(0.5, 1.15)
        wall = air.lit(_WALLS[int(canvas.chance(0, len(_WALLS)))], far=far)
        top = base - high
        canvas.polygon([(x, base), (x, top), (x + wide, top), (x + wide, base)], wall)
        if canvas.chance(0, 1) < 0.35:  # noqa: PLR2004 - some have a set-back storey
            inset = wide * 0.25
            canvas.polygon(
                [
                    (x + inset, top),
                    (x + inset, top - high * 0.1),
                    (x + wide - inset, top - high * 0.1),
                    (x + wide - inset, top),
                ],
                wall,
            )
        _windows(canvas, (x, top, wide, high), mix(wall, air.haze, 0.35), lit_share)
        x += wide + canvas.unit * canvas.chance(-0.01, 0.015)


def room(canvas: Canvas, _air: Air, _season: str) -> Setting:
    """A wall with a skirting board, a window and a wooden floor."""
    wall, wood = _interior(canvas)
    _wall(canvas, wall, foot=0.68)
    _window(canvas, wall, is_dark=_air.is_dark)
    top, bottom = rgb(wood), mix(rgb(wood), rgb("#5b3a24"), 0.3)
    canvas.gradient([(0, mix(top, (1.0, 1.0, 1.0), 0.15)), (1, bottom)], top=0.68)
    for share in (0.725, 0.79, 0.875):
        canvas.gradient([(0, bottom), (1, bottom)], top=share, bottom=share + 0.003)
    canvas.gradient([(0, (0.98, 0.97, 0.95)), (1, (0.90, 0.88, 0.86))], top=0.66, bottom=0.685)
    x, y = canvas.width / 2, canvas.height * 0.87
    rug = rgb(("#d98880", "#7fa8a4", "#8b93c9")[int(canvas.chance(0, 3))])
    wide = min(canvas.width * 0.42, canvas.height * 0.6)
    canvas.ellipses([(x, y, wide, canvas.height * 0.085)], mix(rug, (1.0, 1.0, 1.0), 0.3))
    canvas.ellipses([(x, y, wide * 0.93, canvas.height * 0.073)], rug)
    return Setting(horizon=0.68, ground=(0.82, 0.93), air=(0.18, 0.4))


def table(canvas: Canvas, air: Air, _season: str) -> Setting:
    """A wooden table before a wall."""
    wall, wood = _interior(canvas)
    _wall(canvas, wall, foot=0.7)
    _window(canvas, wall, is_dark=air.is_dark)
    top, bottom = mix(rgb(wood), (1.0, 1.0, 1.0), 0.12), mix(rgb(wood), rgb("#6b4426"), 0.25)
    canvas.gradient([(0, top), (1, bottom)], top=0.66)
    canvas.gradient([(0, mix(top, (1.0, 1.0, 1.0), 0.3)), (1, top)], top=0.66, bottom=0.675)
    for _ in range(round(12 * canvas.width / canvas.unit)):
        x, y = canvas.chance(0, canvas.width), canvas.height * canvas.chance(0.69, 0.99)
        canvas.ellipses(
            [(x, y, canvas.unit * canvas.chance(0.06, 0.18), canvas.unit * 0.0022)], bottom, opacity=0.35
        )
    return Setting(horizon=0.66, ground=(0.78, 0.92), air=(0.16, 0.4))


def stage(canvas: Canvas, _air: Air, _season: str) -> Setting:
    """Curtains, boards and a cone of light."""
    canvas.gradient([(0, rgb("#241632")), (1, rgb("#4b2450"))])
    middle = canvas.width / 2
    wide = min(canvas.width * 0.36, canvas.height * 0.5)
    canvas.polygon(
        [
            (middle - wide * 0.2, -2.0),
            (middle + wide * 0.2, -2.0),
            (middle + wide, canvas.height * 0.85),
            (middle - wide, canvas.height * 0.85),
        ],
        rgb("#fff3c4"),
        opacity=0.3,
        blur=canvas.unit * 0.03,
    )
    canvas.gradient([(0, rgb("#8a5a3c")), (1, rgb("#5d3926"))], top=0.78)
    canvas.ellipses(
        [(middle, canvas.height * 0.88, wide, canvas.height * 0.07)],
        rgb("#ffe9b0"),
        opacity=0.55,
        blur=canvas.unit * 0.012,
    )
    fold = max(6.0, min(canvas.width * 0.15, canvas.unit * 0.2) / 4)
    for step in range(4):
        for side in (0, 1):
            x = step * fold if side == 0 else canvas.width - (step + 1) * fold
            shade = rgb(("#b3263b", "#8f1d33")[step % 2])
            canvas.polygon(
                [(x, 0.0), (x + fold, 0.0), (x + fold, canvas.height * 0.83), (x, canvas.height * 0.83)],
                shade,
            )
    return Setting(horizon=0.78, ground=(0.86, 0.93), air=(0.2, 0.4))


def _interior(canvas: Canvas) -> tuple[str, str]:
    return _INTERIORS[int(canvas.chance(0, len(_INTERIORS)))]


def _wall(canvas: Canvas, code: str, *, foot: float) -> None:
    wall = rgb(code)
    canvas.gradient(
        [(0, mix(wall, rgb("#7a6a6a"), 0.12)), (1, mix(wall, (1.0, 1.0, 1.0), 0.25))], bottom=foot
    )
    stripe = canvas.unit * 0.09
    for index in range(0, int(canvas.width / stripe) + 1, 2):
        left = index * stripe
        canvas.polygon(
            [
                (left, 0.0),
                (left + stripe, 0.0),
                (left + stripe, canvas.height * foot),
                (left, canvas.height * foot),
            ],
            (1.0, 1.0, 1.0),
            opacity=0.07,
        )


def _window(canvas: Canvas, wall: str, *, is_dark: bool) -> None:
    wide, high = canvas.unit * 0.26, min(canvas.unit * 0.3, canvas.height * 0.36)
    x = canvas.width * canvas.chance(0.1, 0.24) if canvas.chance(0, 1) < 0.5 else canvas.width * 0.9 - wide  # noqa: PLR2004 - a coin
    y = canvas.height * 0.1
    frame = mix(rgb(wall), (1.0, 1.0, 1.0), 0.75)
    canvas.box(x - wide * 0.06, y - wide * 0.06, wide * 1.12, high + wide * 0.12, frame)
    sky = (rgb("#1d2a5c"), rgb("#3d4c86")) if is_dark else (rgb("#8ecbf0"), rgb("#d9f0fa"))
    for step in range(12):
        canvas.box(x, y + high * step / 12, wide, high / 12 + 0.5, mix(sky[0], sky[1], step / 11))
    if is_dark:
        canvas.ellipses([(x + wide * 0.72, y + high * 0.25, wide * 0.1, wide * 0.1)], rgb("#fdf0c0"))
    else:
        canvas.ellipses(
            [
                (x + wide * 0.25, y + high * 0.9, wide * 0.24, high * 0.1),
                (x + wide * 0.7, y + high * 0.92, wide * 0.28, high * 0.08),
            ],
            rgb("#86c07f"),
        )
    canvas.box(x + wide * 0.48, y, wide * 0.04, high, frame)
    canvas.box(x, y + high * 0.47, wide, wide * 0.04, frame)
    canvas.box(x - wide * 0.1, y + high, wide * 1.2, wide * 0.08, mix(frame, rgb(wall), 0.4))


def _house(canvas: Canvas, air: Air, corner: tuple[float, float], wide: float, tall: float) -> None:
    x, foot = corner
    wall = air.lit(_FACADES[int(canvas.chance(0, len(_FACADES)))], far=0.12)
    top = foot - tall
    canvas.box(x, top, wide, tall, wall)
    roof = air.lit(("#a85c4a", "#7d6a78", "#8c5040")[int(canvas.chance(0, 3))], far=0.08)
    canvas.polygon(
        [(x - wide * 0.04, top), (x + wide * 1.04, top), (x + wide * 0.5, top - wide * 0.42)], roof
    )
    pane = rgb("#ffdf8a") if air.is_dark else air.lit("#dff0f7")
    rows = max(2, int(tall / (wide * 0.5)))
    for row in range(rows - 1):
        for column in (0.16, 0.56):
            canvas.box(
                x + wide * (column - 0.02),
                top + tall * (row + 0.18) / rows,
                wide * 0.32,
                tall * 0.56 / rows,
                mix(wall, (1.0, 1.0, 1.0), 0.5),
            )
            canvas.box(
                x + wide * column,
                top + tall * (row + 0.22) / rows,
                wide * 0.28,
                tall * 0.48 / rows,
                pane,
            )
    canvas.box(
        x + wide * 0.38,
        foot - tall * 0.75 / rows,
        wide * 0.24,
        tall * 0.75 / rows,
        mix(roof, (0.0, 0.0, 0.0), 0.2),
    )


def _windows(
    canvas: Canvas, tower: tuple[float, float, float, float], colour: Colour, lit_share: float
) -> None:
    import numpy as np

    x, top, wide, high = tower
    pitch = max(5.0, canvas.unit * 0.024)
    columns, rows = max(1, int(wide / pitch)), max(1, int(high / pitch))
    lit = canvas.random.random((rows, columns)) < lit_share
    pane_wide, pane_high = wide / columns * 0.45, pitch * 0.5
    for is_lit, shade in ((False, colour), (True, rgb("#ffd983"))):
        cells = [
            (x + (column + 0.275) * wide / columns, top + (row + 0.3) * pitch)
            for row, column in np.argwhere(lit == is_lit).tolist()
        ]
        if cells:
            canvas.boxes([(left, above, pane_wide, pane_high) for left, above in cells], shade, opacity=0.85)
