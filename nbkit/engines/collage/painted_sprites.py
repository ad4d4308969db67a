"""Sprites that no emoji has, painted in the line style of the font."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbkit.engines.collage.sprite_facts import HOT_AIR_BALLOON, WIZARD_HAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

PAINTED_ASPECT = 0.72
"""Width over height of every painted sprite."""


def hot_air_balloon(height: int) -> Image:
    """Paint a striped balloon with a basket, in the line style of the font."""
    from PIL import Image as Pictures, ImageDraw

    fine = 3
    tall = height * fine
    wide = round(tall * PAINTED_ASPECT)
    image = Pictures.new("RGBA", (wide, tall))
    pen = ImageDraw.Draw(image)
    line = max(2, round(tall * 0.022))
    mid, globe = wide / 2, wide - 2 * line
    foot = tall * 0.78
    for share, shade in ((1.0, "#ea5a47"), (0.62, "#d22f27"), (0.26, "#ea5a47")):
        half = globe / 2 * share
        pen.ellipse((mid - half, line, mid + half, line + globe), fill=shade)
        pen.polygon(
            [(mid - half * 0.93, line + globe * 0.68), (mid + half * 0.93, line + globe * 0.68),
             (mid + wide * 0.13 * share, foot), (mid - wide * 0.13 * share, foot)],
            fill=shade,
        )  # fmt: skip
    pen.arc((mid - globe / 2, line, mid + globe / 2, line + globe), 158, 382, fill="black", width=line)
    for side in (-1, 1):
        pen.line(
            [(mid + side * globe * 0.463, line + globe * 0.685), (mid + side * wide * 0.13, foot)],
            "black",
            line,
        )
        pen.line([(mid + side * wide * 0.12, foot), (mid + side * wide * 0.09, tall * 0.87)], "black", line)
    pen.line([(mid - wide * 0.135, foot), (mid + wide * 0.135, foot)], "black", line)
    basket = (mid - wide * 0.12, tall * 0.86, mid + wide * 0.12, tall - line)
    pen.rounded_rectangle(basket, radius=line * 2, fill="#a57939", outline="black", width=line)
    return image.resize((max(1, wide // fine), height), Pictures.Resampling.LANCZOS)


def wizard_hat(height: int) -> Image:
    """Paint a bent cone with a brim, a ribbon and stars."""
    from PIL import Image as Pictures, ImageDraw

    fine = 3
    tall = height * fine
    wide = round(tall * PAINTED_ASPECT)
    image = Pictures.new("RGBA", (wide, tall))
    pen = ImageDraw.Draw(image)
    line = max(2, round(tall * 0.035))
    brim = (line, tall * 0.78, wide - line, tall - line)
    pen.ellipse(brim, fill="#61b2e4", outline="black", width=line)
    cone = [
        (wide * 0.2, tall * 0.86),
        (wide * 0.4, tall * 0.3),
        (wide * 0.62, line * 1.5),
        (wide * 0.8, tall * 0.86),
    ]
    pen.polygon(cone, fill="#61b2e4")
    pen.line(cone, fill="black", width=line, joint="curve")
    pen.polygon(
        [
            (wide * 0.2, tall * 0.86),
            (wide * 0.235, tall * 0.76),
            (wide * 0.785, tall * 0.76),
            (wide * 0.8, tall * 0.86),
        ],
        fill="#8967aa",
        outline="black",
        width=line,
    )
    for x, y, size in ((0.48, 0.58, 0.075), (0.62, 0.36, 0.055), (0.64, 0.66, 0.04)):
        points = [
            (
                wide * x + tall * size * (1 if turn % 2 == 0 else 0.42) * math.sin(turn * math.pi / 5),
                tall * y - tall * size * (1 if turn % 2 == 0 else 0.42) * math.cos(turn * math.pi / 5),
            )
            for turn in range(10)
        ]
        pen.polygon(points, fill="#fcea2b")
    return image.resize((max(1, wide // fine), height), Pictures.Resampling.LANCZOS)


PAINTED: dict[str, Callable[[int], Image]] = {HOT_AIR_BALLOON: hot_air_balloon, WIZARD_HAT: wizard_hat}
"""Name of a sprite → what paints it at a height in pixels."""
