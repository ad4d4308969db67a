"""From a brief to a painted place: which painter, which light, which season."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.engines.collage import backdrop, landscape, seascape, town
from nbkit.engines.collage.sky import choose_air, paint_sky
from nbkit.engines.collage.sprite_facts import Habitat, sprite_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.engines.collage.canvas import Canvas
    from nbkit.engines.collage.reading import Brief
    from nbkit.engines.collage.setting import Setting
    from nbkit.engines.collage.sky import Air

_PLAIN = "plain"
_LARGE = 1.5  # houses and trees are seen in the open
_SKY_BOTTOM = {
    "space": 0.0,
    "underwater": 0.0,
    "moonscape": 0.0,
    "room": 0.0,
    "table": 0.0,
    "stage": 0.0,
    "waves": 0.0,
    "sky": 1.0,
}
_WANDERING = ("meadow", "mountains", "beach", "desert", "sea", "lake", "forest", "flowers")
_WANDERING_LIGHT = ("day", "sunrise", "sunset", "sunset", "night")


class Scenery:
    """A place, ready to be painted in two steps: the sky, then the ground.

    Attributes:
        air: The light of the picture.
        place: Name of the place.
    """

    def __init__(self, brief: Brief, canvas: Canvas) -> None:
        self._canvas = canvas
        self._weather = brief.weather
        self._far_place = brief.far_place
        self._tint = brief.tint
        light = brief.light
        self.place = brief.place or _place_without_name(brief, canvas)
        if not brief.place and not brief.things and not light and not brief.weather:
            light = _WANDERING_LIGHT[int(canvas.chance(0, len(_WANDERING_LIGHT)))]
        self._light = light
        self.air: Air = choose_air(light, brief.weather, brief.styles)

    def paint_sky(self) -> None:
        """Paint what is above the horizon."""
        bottom = _SKY_BOTTOM.get(self.place, 0.62)
        if self.place != _PLAIN and bottom:
            paint_sky(self._canvas, self.air, self._weather, horizon=bottom, light=self._light)

    def paint_ground(self) -> Setting:
        """Paint the place and tell where things may be put."""
        if self.place == "waves":
            return backdrop.waves(self._canvas, self._tint)
        if self.place == _PLAIN:
            return backdrop.plain(self._canvas, self._tint, is_dark=self.air.is_dark)
        if self._far_place == "mountains" and self.place not in _SKY_BOTTOM:
            landscape.distant_range(self._canvas, self.air, level=0.62)
        elif self._far_place == "city" and self.place not in _SKY_BOTTOM:
            town.skyline(self._canvas, self.air, foot=0.66, far=0.4, tall=0.26)
        season = next((season for season in ("autumn", "snow", "spring") if season in self._weather), "")
        return _PAINTERS[self.place](self._canvas, self.air, season)


def _place_without_name(brief: Brief, canvas: Canvas) -> str:
    if not brief.things:
        if brief.tint and not brief.weather and not brief.light:
            return "waves"
        if "rain" in brief.weather or "storm" in brief.weather:
            return "sea"
        return _WANDERING[int(canvas.chance(0, len(_WANDERING)))]
    if brief.is_closeup or "sticker" in brief.styles:
        return _PLAIN
    if len(brief.things) == 1 and not brief.light and not brief.weather and "oil" not in brief.styles:
        return _PLAIN
    return _home(brief)


def _home(brief: Brief) -> str:
    """Find a place where several things may meet: the sea for a ship, a plain background for a cup and a book."""
    facts = [sprite_facts(thing.sprite) for thing in brief.things]
    if any(Habitat.SURFACE in thing.habitats for thing in facts[:2]):
        return "sea"
    if all(Habitat.WATER in thing.habitats for thing in facts):
        return "sea" if brief.light or brief.weather else "underwater"
    if all(Habitat.AIR in thing.habitats for thing in facts) and not brief.weather and not brief.light:
        return "sky"
    linked = {index for link in brief.links for index in (link.subject, link.target)}
    if any(Habitat.AIR in thing.habitats and index not in linked for index, thing in enumerate(facts)):
        return "meadow"
    is_outdoors = (
        brief.light or brief.weather or "oil" in brief.styles or any(thing.scale >= _LARGE for thing in facts)
    )
    return "meadow" if is_outdoors else _PLAIN


_PAINTERS: dict[str, Callable[[Canvas, Air, str], Setting]] = {
    "beach": seascape.beach,
    "island": seascape.island,
    "sea": seascape.sea,
    "lake": seascape.lake,
    "underwater": seascape.underwater,
    "forest": landscape.forest,
    "mountains": landscape.mountains,
    "meadow": landscape.meadow,
    "flowers": landscape.flowers,
    "desert": landscape.desert,
    "city": town.city,
    "street": town.street,
    "snow": landscape.snow,
    "space": backdrop.space,
    "moonscape": landscape.moonscape,
    "sky": backdrop.open_sky,
    "room": town.room,
    "table": town.table,
    "stage": town.stage,
    "volcanic": landscape.volcanic,
}
