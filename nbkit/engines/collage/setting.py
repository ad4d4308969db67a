"""Where things may be put on a painted place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """The room a place leaves for its sprites; all numbers are shares of the height, from the top.

    Attributes:
        horizon: Where the ground or the water begins.
        ground: Where things stand: farthest and nearest baseline.
        air: Highest and lowest middle of something that flies.
        waterline: Where boats float, None without water.
        is_weightless: Nothing stands: outer space, deep sea.
        is_plain: A plain background for one large subject.
        casts_shadow: Things that stand have a contact shadow.
    """

    horizon: float = 0.6
    ground: tuple[float, float] = (0.74, 0.93)
    air: tuple[float, float] = (0.16, 0.42)
    waterline: tuple[float, float] | None = None
    is_weightless: bool = False
    is_plain: bool = False
    casts_shadow: bool = True
