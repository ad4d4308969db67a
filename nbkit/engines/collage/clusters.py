"""Things that belong together, arranged beside, on, in, under and around each other.

A cluster is measured in units of its own: a thing of scale 1 is one unit high, x grows to the right and y upwards,
and the lowest foot stands at 0. The layout decides later how large a unit is and where the cluster goes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nbkit.engines.collage.sprite_facts import Habitat, portrait_of, sprite_facts
from nbkit.engines.collage.sprites import aspect, head

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.engines.collage.reading import Brief, Link, Thing

MAX_SPRITES = 20
_GAP = 0.07
_LARGE_SUPPORT = 1.35
_LOW_DECK, _HIGH_DECK = 0.35, 0.9  # one stands on a scooter or a skateboard, and sits in a saddle
_HIDDEN, _HIDDEN_OF_FACE = 0.4, 0.16  # of what is in something
_BEHIND, _FRONT = -1, 1


@dataclass(frozen=True, slots=True)
class Piece:
    """One sprite of a cluster.

    Attributes:
        x: Its middle.
        foot: Its lower edge.
        depth: What is drawn over what: higher is nearer.
        tilt: Degrees, counter-clockwise.
    """

    sprite: str
    colour: str
    x: float
    foot: float
    height: float
    depth: int = 0
    tilt: float = 0.0

    @property
    def width(self) -> float:
        """Width in the same units as the height."""
        return self.height * aspect(self.sprite)

    @property
    def top(self) -> float:
        """Its upper edge."""
        return self.foot + self.height

    def moved(self, x: float, y: float) -> Piece:
        """Return the same piece elsewhere."""
        return replace(self, x=self.x + x, foot=self.foot + y)


@dataclass(slots=True)
class Cluster:
    """Pieces that move together; `habitat` is where the one that carries the others belongs."""

    pieces: list[Piece]
    habitat: frozenset[Habitat]
    is_aloft: bool = False
    is_bust: bool = False

    @property
    def left(self) -> float:
        """Left edge of the leftmost piece."""
        return min(piece.x - piece.width / 2 for piece in self.pieces)

    @property
    def right(self) -> float:
        """Right edge of the rightmost piece."""
        return max(piece.x + piece.width / 2 for piece in self.pieces)

    @property
    def width(self) -> float:
        """From the leftmost to the rightmost edge."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From the lowest foot to the highest top."""
        return max(piece.top for piece in self.pieces) - min(piece.foot for piece in self.pieces)


def clusters_of(brief: Brief) -> list[Cluster]:
    """Arrange everything in a brief: linked things together, the others one by one."""
    linked = _components(len(brief.things), brief.links)
    clusters: list[Cluster] = []
    room = MAX_SPRITES
    for members in linked:
        things = [brief.things[index] for index in members]
        if room < len(things):
            continue
        share = max(1, room // len(things))
        things_by_index = {index: _fewer(brief.things[index], share) for index in members}
        room -= sum(thing.count for thing in things_by_index.values())
        links = [link for link in brief.links if link.subject in members and link.target in members]
        if links:
            clusters.append(_Arrangement(things_by_index, links).cluster())
        else:
            clusters += _separate(things_by_index[members[0]], is_closeup=brief.is_closeup)
    return clusters


def _fewer(thing: Thing, most: int) -> Thing:
    return replace(thing, count=min(thing.count, most))


def _components(number: int, links: list[Link]) -> list[list[int]]:
    home = list(range(number))
    for link in links:
        old, new = home[link.target], home[link.subject]
        home = [new if place == old else place for place in home]
    return [[index for index in range(number) if home[index] == place] for place in dict.fromkeys(home)]


def natural_height(sprite: str) -> float:
    """Return the height of a sprite among others; wide ones are lower, so that the same scale covers the same area."""
    return sprite_facts(sprite).scale / math.sqrt(max(1.0, aspect(sprite)))


def _separate(thing: Thing, *, is_closeup: bool) -> list[Cluster]:
    sprite = portrait_of(thing.sprite) if is_closeup else thing.sprite
    facts = sprite_facts(sprite)
    scale = 1.0 if is_closeup else natural_height(sprite)
    return [
        Cluster([piece], facts.habitats, is_aloft=thing.is_aloft, is_bust=facts.is_bust)
        for piece in _row(replace(thing, sprite=sprite), scale, lined_up=False)
    ]


def _row(thing: Thing, height: float, *, lined_up: bool = True) -> list[Piece]:
    """Stand `count` sprites side by side around x = 0, in the thing's colours by turns."""
    step = height * aspect(thing.sprite) if lined_up else 0.0
    first = -step * (thing.count - 1) / 2
    colours = thing.colours or ("",)
    return [
        Piece(thing.sprite, colours[index % len(colours)], first + index * step, 0.0, height)
        for index in range(thing.count)
    ]


@dataclass(slots=True)
class _Arrangement:
    """One cluster in the making: things get their place as soon as the thing they relate to has one."""

    things: dict[int, Thing]
    links: list[Link]
    placed: dict[int, list[Piece]] = field(default_factory=dict)

    def cluster(self) -> Cluster:
        self._prefer_faces()
        first = self.links[0].subject
        self.placed[first] = _row(self.things[first], self._height(first))
        for link in self.links:
            arrange: Callable[[int, int], None] = getattr(self, f"_{link.relation}", self._beside)
            if link.target not in self.placed and link.subject in self.placed:
                self.placed[link.target] = _row(self.things[link.target], self._height(link.target))
                arrange(link.subject, link.target)
        for index in self.things:
            if index not in self.placed:
                self.placed[index] = _row(self.things[index], self._height(index))
                self._beside(first, index)
        pieces = sorted(
            (piece for row in self.placed.values() for piece in row), key=lambda piece: piece.depth
        )
        lowest = min(piece.foot for piece in pieces)
        middle = (
            min(piece.x - piece.width / 2 for piece in pieces)
            + max(piece.x + piece.width / 2 for piece in pieces)
        ) / 2
        carrier = min(pieces, key=lambda piece: (piece.foot, -piece.height))
        facts = sprite_facts(carrier.sprite)
        return Cluster(
            [piece.moved(-middle, -lowest) for piece in pieces],
            facts.habitats,
            is_aloft=any(thing.is_aloft for thing in self.things.values()),
            is_bust=all(sprite_facts(piece.sprite).is_bust for piece in pieces if piece.foot - lowest < _GAP),
        )

    def _prefer_faces(self) -> None:
        """A hat sits well on a face, and a face looks out of a box; an animal seen from the side does neither."""
        for link in self.links:
            if link.relation in {"wearing", "in"}:
                thing = self.things[link.subject]
                self.things[link.subject] = replace(thing, sprite=portrait_of(thing.sprite))

    def _height(self, index: int) -> float:
        return natural_height(self.things[index].sprite)

    def _box(self, index: int) -> tuple[float, float, float, float]:
        row = self.placed[index]
        return (
            min(piece.x - piece.width / 2 for piece in row),
            min(piece.foot for piece in row),
            max(piece.x + piece.width / 2 for piece in row),
            max(piece.top for piece in row),
        )

    def _shift(self, index: int, x: float, y: float, *, depth: int = 0) -> None:
        self.placed[index] = [
            replace(piece.moved(x, y), depth=piece.depth + depth) for piece in self.placed[index]
        ]

    def _resize(self, index: int, factor: float) -> None:
        self.placed[index] = [
            replace(piece, x=piece.x * factor, foot=piece.foot * factor, height=piece.height * factor)
            for piece in self.placed[index]
        ]

    def _around(self, index: int) -> float:
        left, _, right, _ = self._box(index)
        return (left + right) / 2

    def _widen(self, target: int, subject: int, share: float) -> None:
        """Make the target at least as wide as a share of the subject."""
        left, _, right, _ = self._box(subject)
        own_left, _, own_right, _ = self._box(target)
        wanted = (right - left) * share / (own_right - own_left)
        if wanted > 1:
            self._resize(target, min(wanted, 3.0))

    def _support(self, subject: int, target: int, sink: float, *, depth: int) -> None:
        """Put the target below the subject so that the subject's foot is `sink` of its height below the seat."""
        _, foot, _, top = self._box(subject)
        piece = self.placed[target][0]
        seat = piece.foot + sprite_facts(piece.sprite).seat * piece.height
        self._shift(target, self._around(subject), foot + sink * (top - foot) - seat, depth=depth)

    def _on(self, subject: int, target: int) -> None:
        self._widen(target, subject, 0.9)
        self._support(subject, target, 0.02, depth=_BEHIND)

    def _riding(self, subject: int, target: int) -> None:
        self._widen(target, subject, _LARGE_SUPPORT)
        stands = not _LOW_DECK < sprite_facts(self.things[target].sprite).seat < _HIGH_DECK
        sink = 0.02 if stands else 0.16 if sprite_facts(self.things[subject].sprite).is_bust else 0.06
        self._support(subject, target, sink, depth=_BEHIND if stands else _FRONT)

    def _in(self, subject: int, target: int) -> None:
        if not sprite_facts(self.things[target].sprite).is_container:
            self._behind(subject, target)
            return
        self._widen(target, subject, 1.25)
        _, foot, _, top = self._box(subject)
        piece = self.placed[target][0]
        hidden = _HIDDEN_OF_FACE if sprite_facts(self.things[subject].sprite).is_face else _HIDDEN
        rim = piece.foot + sprite_facts(piece.sprite).rim * piece.height
        self._shift(target, self._around(subject), foot + hidden * (top - foot) - rim, depth=_FRONT)

    def _under(self, subject: int, target: int) -> None:
        tall = sprite_facts(self.things[target].sprite).scale >= _LARGE_SUPPORT
        left, foot, right, top = self._box(subject)
        if tall:
            self._resize(target, max(1.0, 2.1 * (top - foot) / self._height(target)))
            self._shift(target, self._around(subject), foot + 0.04, depth=_BEHIND)
            self._shift(subject, 0.18 * (right - left), 0.0)
        else:
            self._widen(target, subject, 1.1)
            self._shift(target, self._around(subject), top - 0.06, depth=_BEHIND)

    def _above(self, subject: int, target: int) -> None:
        _, foot, _, _ = self._box(subject)
        self._shift(target, self._around(subject), foot - 0.14 - self._box(target)[3], depth=_BEHIND)

    def _behind(self, subject: int, target: int) -> None:
        left, foot, right, top = self._box(subject)
        self._shift(
            target, self._around(subject) + 0.42 * (right - left), foot - 0.16 * (top - foot), depth=_FRONT
        )

    def _front(self, subject: int, target: int) -> None:
        left, foot, right, top = self._box(subject)
        self._resize(target, max(1.0, 1.15 * (top - foot) / self._height(target)))
        side = 0.3 * (right - left) + 0.2 * (self._box(target)[2] - self._box(target)[0])
        self._shift(target, self._around(subject) + side, foot + 0.12 * (top - foot), depth=_BEHIND)

    def _beside(self, subject: int, target: int) -> None:
        right = max(
            piece.x + piece.width / 2
            for row in self.placed.values()
            if row is not self.placed[target]
            for piece in row
        )
        own = self._box(target)
        foot = self._box(subject)[1]
        is_flying = Habitat.AIR in sprite_facts(self.things[target].sprite).habitats
        rise = 0.55 * (self._box(subject)[3] - foot) if is_flying else 0.0
        self._shift(target, right + _GAP - own[0], foot + rise)

    def _holding(self, subject: int, target: int) -> None:
        _, foot, right, top = self._box(subject)
        tall = top - foot
        hangs = sprite_facts(self.things[target].sprite).habitats == {Habitat.AIR}
        self._resize(target, min(1.0, 0.62 * tall / self._height(target)))
        own = self._box(target)
        rise = 0.45 if hangs else 0.12
        self._shift(
            target, right - own[0] - 0.35 * min(own[2] - own[0], 0.4 * tall), foot + rise * tall, depth=_FRONT
        )

    def _wearing(self, subject: int, target: int) -> None:
        owner = self.placed[subject][0]
        wanted = self.placed[target][0]
        name = wanted.sprite.replace("\ufe0f", "")
        spot, share, anchor = _WORN.get(name, ("crown", 0.85, 0.1))
        middle, wide = head(owner.sprite)
        x = owner.x + (middle - 0.5) * owner.width
        height = wide * owner.width * share / aspect(wanted.sprite)
        foot = owner.foot + _SPOTS[_figure(owner.sprite)][spot] * owner.height - anchor * height
        self.placed[target] = [replace(wanted, x=x, foot=foot, height=height, depth=owner.depth + _FRONT)]


def _figure(sprite: str) -> str:
    facts = sprite_facts(sprite)
    return "bust" if facts.is_bust else "face" if facts.is_face else "body"


_SPOTS = {
    "face": {"crown": 0.93, "eyes": 0.56, "ears": 0.55, "neck": 0.03},
    "bust": {"crown": 0.93, "eyes": 0.66, "ears": 0.62, "neck": 0.27},
    "body": {"crown": 0.97, "eyes": 0.86, "ears": 0.84, "neck": 0.68},
}
"""Kind of figure → place on it → height as a share of the figure's."""

_WORN = {
    "🕶": ("eyes", 0.92, 0.5),
    "👓": ("eyes", 0.92, 0.5),
    "🥽": ("eyes", 0.92, 0.5),
    "🎧": ("ears", 1.15, 0.42),
    "🧣": ("neck", 0.75, 0.75),
    "🎀": ("neck", 0.5, 0.5),
    "👔": ("neck", 0.45, 0.9),
    "wizard-hat": ("crown", 0.8, 0.16),
    "🧢": ("crown", 0.85, 0.25),
    "👒": ("crown", 1.15, 0.3),
    "👑": ("crown", 0.6, 0.12),
    "🎩": ("crown", 0.75, 0.15),
}
"""Worn sprite → where, width as a share of the head's, and the share of the sprite that is below that place."""
