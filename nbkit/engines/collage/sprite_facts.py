"""What the layout knows about a sprite besides its picture: size, where it lives, what can be done with it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import Any

HOT_AIR_BALLOON, WIZARD_HAT = "hot-air-balloon", "wizard-hat"
"""Sprites that are no emoji, so the composer paints them."""

_SKIN_TONES = range(0x1F3FB, 0x1F400)
_ANIMALS = (
    range(0x1F400, 0x1F43F),
    range(0x1F980, 0x1F9AF),
    range(0x1FAB0, 0x1FAB4),
    range(0x1FABC, 0x1FAD0),
)
_PEOPLE = (
    range(0x1F466, 0x1F479),
    range(0x1F47B, 0x1F480),
    range(0x1F481, 0x1F484),
    range(0x1F934, 0x1F93F),
    range(0x1F9B8, 0x1F9BA),
    range(0x1F9CC, 0x1F9E0),
    range(0x1FAC3, 0x1FAC6),
)
_MORE_PEOPLE = "🎅 🤶 🥷 🕵 🤖 🤠 🤡 👽 👾 ⛄ 🏃 🚶 🏂 🏄 🏊 🚴 🏇 🧍 💂 🤰 🐿 🦊 🦁 🐻 🐼 🐸 🐶 🐱"


_FACES = "🐭🐮🐯🐰🐱🐲🐴🐵🐶🐷🐸🐹🐺🐻🐼🐔🦊🦁🐨🤖🤠🤡👽💀👹👺😈🦄🫎🙂"


class Habitat(StrEnum):
    """Where a sprite is drawn unless the prompt says otherwise."""

    GROUND = "ground"
    AIR = "air"
    WATER = "water"
    SURFACE = "surface"
    SEABED = "seabed"


@dataclass(frozen=True, slots=True)
class SpriteFacts:
    """One sprite as the layout sees it.

    Attributes:
        scale: Height beside a person or a dog, which are 1.
        habitats: Where it may be drawn, the first is the usual one.
        seat: Where a rider or a load goes, as a share of the height, from the bottom.
        rim: Above which height one sees what is in it.
        own_water: Share of its height that is water drawn with it.
        is_bust: It ends in a straight cut at the chest.
    """

    scale: float
    habitats: frozenset[Habitat]
    seat: float
    rim: float
    own_water: float
    is_animate: bool
    is_person: bool
    is_bust: bool
    is_face: bool
    is_rideable: bool
    is_container: bool
    is_wearable: bool
    is_held: bool
    is_garment: bool


@lru_cache(maxsize=512)
def sprite_facts(sprite: str) -> SpriteFacts:
    """Look a sprite up; one that is in no list is as large as a dog and stands on the ground."""
    tables = _tables()
    name = _bare(sprite)
    is_person = _in_ranges(name, _PEOPLE) or name[0] in _MORE_PEOPLE.split()
    habitats = frozenset(
        Habitat(habitat) for habitat, sprites in tables["habitat"].items() if name in sprites
    )
    return SpriteFacts(
        scale=_number(tables["scale"], name, 1.0),
        habitats=habitats or frozenset({Habitat.GROUND}),
        seat=_number(tables["seat"], name, 0.95),
        rim=_number(tables["rim"], name, 0.95),
        own_water=_number(tables["own_water"], name, 0.0),
        is_animate=is_person or _in_ranges(name, _ANIMALS),
        is_person=is_person,
        is_bust=_is_bust(name),
        is_face=name[0] in _FACES or 0x1F600 <= ord(name[0]) <= 0x1F64F,  # noqa: PLR2004 - the block of smileys
        is_rideable=name in tables["role"]["rideable"],
        is_container=name in tables["role"]["container"],
        is_wearable=name in tables["role"]["wearable"],
        is_held=name in tables["role"]["held"],
        is_garment=name in tables["role"]["garment"],
    )


def portrait_of(sprite: str) -> str:
    """Return the face of an animal where there is one, otherwise the sprite itself."""
    return str(_tables()["portrait"].get(_bare(sprite), sprite))


def costume_of(sprite: str) -> str:
    """Return what marks a profession and can be worn by an animal, or an empty string."""
    return str(_tables()["costume"].get(_bare(sprite), ""))


def painted_as(sprite: str) -> tuple[str, str] | None:
    """Return section and value of the scenery that an emoji means, None for one that is set in as a sprite."""
    section, _, value = str(_tables()["painted"].get(_bare(sprite), "")).partition(" ")
    return (section, value) if value else None


def is_nameable(sprite: str) -> bool:
    """Tell whether a word may stand for this emoji: not flags, buttons, grimaces and skin-tone variants."""
    code_points = [ord(letter) for letter in sprite]
    if any(point in _SKIN_TONES for point in code_points):
        return False
    return not any(first <= code_points[0] <= last for first, last in _unnamed_ranges())


def _bare(sprite: str) -> str:
    return sprite.replace("\ufe0f", "") or sprite


def _in_ranges(sprite: str, ranges: tuple[range, ...]) -> bool:
    return any(ord(sprite[0]) in points for points in ranges)


_FULL_FIGURES = "🧍 🚶 🏃 💃 🕺 🧘 🧗 🚴 🏄 🏊 🧎 🤸 👯 🧜 🕴 👻 👽 👾 👫 👬 👭 🤼 🤺 🤾 🤹 🤽 👶 👪 💏 💑 🧌"


def _is_bust(sprite: str) -> bool:
    is_person = _in_ranges(sprite, _PEOPLE) or sprite[0] in "🎅🤶🥷🕵"
    return (
        is_person and sprite[0] not in _FULL_FIGURES.split() and not sprite.endswith(("🩰", "🦽", "🦼", "🦯"))
    )


def _number(table: dict[str, frozenset[str]], sprite: str, default: float) -> float:
    return next((float(number) for number, sprites in table.items() if sprite in sprites), default)


@lru_cache(maxsize=1)
def _unnamed_ranges() -> tuple[tuple[int, int], ...]:
    pairs = (text.split("-") for text in _file()["unnamed"]["ranges"])
    return tuple((int(first, 16), int(last, 16)) for first, last in pairs)


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, Any]]:
    file = _file()
    tables: dict[str, dict[str, Any]] = {
        section: {
            key: frozenset(_bare(sprite) for sprite in sprites.split())
            for key, sprites in file[section].items()
        }
        for section in ("scale", "habitat", "role", "seat", "rim", "own_water")
    }
    for section in ("portrait", "costume", "painted"):
        tables[section] = {_bare(sprite): value for sprite, value in file[section].items()}
    return tables


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    file = resources.files("nbkit.engines.collage") / "sprite_facts.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
