"""Where clusters go on a place and how large they get."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nbkit.engines.collage.sprite_facts import Habitat, sprite_facts

if TYPE_CHECKING:
    from nbkit.engines.collage.canvas import Canvas
    from nbkit.engines.collage.clusters import Cluster, Piece
    from nbkit.engines.collage.setting import Setting

_SIDE = 0.06
_TOP = 0.05
_SMALLER_BEHIND = 0.12
_ROW_SPACING = 1.06
_VISIBLE = 0.66
_CALM = 0.82
_TOUCHES = 0.12  # whoever is lower than this stands on the ground
_PLAIN, _PLAIN_MIDDLE = 0.72, 0.53
_ALONE = 0.56
_BUST = 0.66
_MAX_BUSTS_AT_EDGE = 3


@dataclass(frozen=True, slots=True)
class Placement:
    """One sprite on the canvas; numbers are pixels.

    Attributes:
        piece: What to draw.
        x: Its middle.
        foot: Its lower edge, from the top of the canvas.
        height: Of its ink.
        has_shadow: It stands on something and darkens it.
        sink: Share of its height that is below water.
    """

    piece: Piece
    x: float
    foot: float
    height: float
    has_shadow: bool = False
    sink: float = 0.0


@dataclass(frozen=True, slots=True)
class _Region:
    """A part of the canvas in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


def lay_out(clusters: list[Cluster], setting: Setting, canvas: Canvas) -> list[Placement]:
    """Give every cluster its place; what is farther comes first, so that drawing in order is right."""
    standing, floating, flying, drifting = _zones(clusters, setting)
    placements = _scatter(flying, _air(setting, canvas, is_shared=bool(standing or floating)), canvas)
    placements += _scatter(drifting, _depths(setting, canvas, is_shared=bool(standing)), canvas)
    if floating:
        assert setting.waterline is not None  # noqa: S101 - _zones promises it
        placements += _rows(floating, setting.waterline, canvas, share=0.4, sink=0.1)
    if standing:
        placements += _stand(standing, setting, canvas, is_shared=bool(flying or floating or drifting))
    return placements


def _zones(
    clusters: list[Cluster], setting: Setting
) -> tuple[list[Cluster], list[Cluster], list[Cluster], list[Cluster]]:
    standing: list[Cluster] = []
    floating: list[Cluster] = []
    flying: list[Cluster] = []
    drifting: list[Cluster] = []
    for cluster in clusters:
        swims = bool(cluster.habitat & {Habitat.SURFACE, Habitat.WATER})
        if setting.is_plain and not (Habitat.AIR in cluster.habitat and len(clusters) == 1):
            standing.append(cluster)
        elif setting.is_weightless:
            (standing if Habitat.SEABED in cluster.habitat and setting.horizon < 1 else drifting).append(
                cluster
            )
        elif cluster.is_aloft or Habitat.AIR in cluster.habitat:
            flying.append(cluster)
        elif swims and setting.waterline:
            floating.append(cluster)
        else:
            standing.append(cluster)
    return standing, floating, flying, drifting


def _air(setting: Setting, canvas: Canvas, *, is_shared: bool) -> _Region:
    bottom = 0.43 if is_shared else min(setting.horizon + 0.04, 0.78)
    side = _SIDE * canvas.width
    if setting.is_plain:
        return _Region(side, 0.1 * canvas.height, canvas.width - side, 0.88 * canvas.height)
    return _Region(side, _TOP * canvas.height, canvas.width - side, bottom * canvas.height)


def _depths(setting: Setting, canvas: Canvas, *, is_shared: bool) -> _Region:
    bottom = setting.horizon if is_shared else min(0.92, setting.horizon + 0.1)
    return _Region(
        _SIDE * canvas.width, 0.07 * canvas.height, (1 - _SIDE) * canvas.width, bottom * canvas.height
    )


def _scatter(clusters: list[Cluster], region: _Region, canvas: Canvas) -> list[Placement]:
    """Spread clusters over a region, one in each cell of a grid, off its middle by chance."""
    if not clusters:
        return []
    columns, rows = _grid(clusters, region)
    cell_width, cell_height = region.width / columns, region.height / rows
    unit = min(
        min(cell_width * 0.86 / cluster.width, cell_height * 0.88 / cluster.height) for cluster in clusters
    )
    tallest = max(cluster.height for cluster in clusters)
    unit = min(unit, _ALONE * canvas.height / tallest, 0.62 * canvas.unit / min(1.0, tallest))
    cells = [(index % columns, index // columns) for index in range(columns * rows)]
    canvas.random.shuffle(cells)
    if len(clusters) < len(cells):
        cells.sort(key=lambda cell: (cell[0] - (columns - 1) / 2) ** 2 + (cell[1] - (rows - 1) / 2) ** 2)
    placements: list[Placement] = []
    for cluster, (column, row) in zip(clusters, cells, strict=False):
        size = unit * canvas.chance(0.82, 1.0) if len(clusters) > 1 else unit * canvas.chance(0.92, 1.0)
        slack_x, slack_y = (cell_width - cluster.width * size) / 2, (cell_height - cluster.height * size) / 2
        x = (
            region.left
            + (column + 0.5) * cell_width
            + canvas.chance(-0.8, 0.8) * min(slack_x, cell_width * 0.3)
        )
        middle = region.top + (row + 0.5) * cell_height + canvas.chance(-0.9, 0.9) * slack_y
        placements += _placed(cluster, x, middle + cluster.height * size / 2, size)
    return placements


def _grid(clusters: list[Cluster], region: _Region) -> tuple[int, int]:
    """Choose columns and rows that let the clusters be as large as possible."""
    wide = max(cluster.width for cluster in clusters)
    high = max(cluster.height for cluster in clusters)

    def size(columns: int) -> float:
        rows = math.ceil(len(clusters) / columns)
        return min(region.width / columns / wide, region.height / rows / high)

    columns = max(range(1, len(clusters) + 1), key=size)
    return columns, math.ceil(len(clusters) / columns)


def _stand(clusters: list[Cluster], setting: Setting, canvas: Canvas, *, is_shared: bool) -> list[Placement]:
    if (
        all(cluster.is_bust for cluster in clusters)
        and len(clusters) <= _MAX_BUSTS_AT_EDGE
        and not setting.is_weightless
    ):
        # A bust is cut straight at the chest: it looks right where the picture ends too.
        edge = 1 + 1 / canvas.height
        return _rows(clusters, (edge, edge), canvas, share=0.5 if is_shared else _BUST)
    if setting.is_plain:
        return _centred(_rows(clusters, setting.ground, canvas, share=_PLAIN, has_shadow=True), canvas)
    share = _ALONE
    if is_shared:
        share = 0.4
    return _rows(clusters, setting.ground, canvas, share=share, has_shadow=setting.casts_shadow)


def _rows(
    clusters: list[Cluster],
    band: tuple[float, float],
    canvas: Canvas,
    *,
    share: float,
    has_shadow: bool = False,
    sink: float = 0.0,
) -> list[Placement]:
    """Stand clusters in one to three rows between two baselines; farther rows are smaller and drawn first."""
    plans = [_plan(clusters, number, band, canvas, share) for number in range(1, min(3, len(clusters)) + 1)]
    # One row is calmer: more rows must be worth it.
    plan = max(plans, key=lambda plan: plan.unit * _CALM ** len(plan.rows))
    placements: list[Placement] = []
    for row, size, level in zip(plan.rows, plan.sizes, plan.levels, strict=True):
        placements += _one_row(row, level, plan.unit * size, canvas, has_shadow=has_shadow, sink=sink)
    return placements


@dataclass(frozen=True, slots=True)
class _Plan:
    """Clusters dealt to rows, farthest first: where each row stands and how large it is drawn."""

    rows: list[list[Cluster]]
    sizes: list[float]
    levels: list[float]
    unit: float


def _plan(
    clusters: list[Cluster], number: int, band: tuple[float, float], canvas: Canvas, share: float
) -> _Plan:
    number = min(number, len(clusters))
    rows = _deal(clusters, number)
    sizes = [1 - _SMALLER_BEHIND * (number - 1 - index) for index in range(number)]
    levels = _levels(band, number)
    room = canvas.width * (1 - 2 * _SIDE)
    unit = math.inf
    for row, size, level in zip(rows, sizes, levels, strict=True):
        tallest = max(cluster.height for cluster in row) * size
        limit = min(share * _appetite(tallest), level - _TOP) * canvas.height
        wide = sum(cluster.width for cluster in row) * size * (_ROW_SPACING if len(row) > 1 else 1)
        unit = min(unit, limit / tallest, room / wide)
    if number > 1:
        # A nearer row may hide the legs of a farther one, never its faces.
        step = (levels[1] - levels[0]) * canvas.height
        tallest = max(cluster.height for row in rows[1:] for cluster in row)
        unit = min(unit, step / (_VISIBLE * tallest))
    return _Plan(rows, sizes, levels, unit)


def _levels(band: tuple[float, float], number: int) -> list[float]:
    far, near = band
    if number == 1:
        return [far + (near - far) * 0.75]
    return [far + (near - far) * index / (number - 1) for index in range(number)]


def _appetite(tallest: float) -> float:
    """Small things are drawn smaller, but never so small that they are lost; large things may take more room."""
    return max(0.62, min(1.2, 0.55 + 0.45 * tallest))


def _deal(clusters: list[Cluster], number: int) -> list[list[Cluster]]:
    """Deal clusters to rows, the first and so most important ones to the nearest; rows are read from left to right."""
    bounds = [math.ceil(len(clusters) * index / number) for index in range(number + 1)]
    rows = [clusters[start:end] for start, end in itertools.pairwise(bounds)]
    return rows[::-1]


def _centred(placements: list[Placement], canvas: Canvas) -> list[Placement]:
    """Lift a low group on a plain background to the middle of the picture."""
    top = min(placement.foot - placement.height for placement in placements)
    foot = max(placement.foot for placement in placements)
    lift = max(0.0, (top + foot) / 2 - _PLAIN_MIDDLE * canvas.height)
    return [replace(placement, foot=placement.foot - lift) for placement in placements]


def _one_row(
    row: list[Cluster], level: float, unit: float, canvas: Canvas, *, has_shadow: bool, sink: float
) -> list[Placement]:
    total = sum(cluster.width * unit for cluster in row)
    spare = canvas.width * (1 - 2 * _SIDE) - total
    gap = min(spare / len(row), 0.35 * total / len(row))
    free = spare - gap * (len(row) - 1)
    x = _SIDE * canvas.width + free * (0.5 + canvas.chance(-0.18, 0.18))
    placements: list[Placement] = []
    for cluster in row:
        wide = cluster.width * unit
        drop = canvas.chance(-0.012, 0.012) * canvas.height if len(row) > 1 and level < 1 else 0.0
        foot = level * canvas.height + drop
        placements += _placed(cluster, x + wide / 2, foot, unit, has_shadow=has_shadow, sink=sink)
        x += wide + gap
    return placements


def _placed(
    cluster: Cluster, x: float, foot: float, unit: float, *, has_shadow: bool = False, sink: float = 0.0
) -> list[Placement]:
    middle = (cluster.left + cluster.right) / 2
    placements = []
    for piece in cluster.pieces:
        facts = sprite_facts(piece.sprite)
        is_low = piece.foot < _TOUCHES
        placements.append(
            Placement(
                piece,
                x + (piece.x - middle) * unit,
                foot - piece.foot * unit,
                piece.height * unit,
                has_shadow=has_shadow and is_low and Habitat.AIR not in facts.habitats,
                sink=(facts.own_water or sink) if sink and is_low else 0.0,
            )
        )
    return placements
