"""The collage composer: reads a prompt, paints its place and sets sprites into it. It is not a neural model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.engines.collage.canvas import Canvas
from nbkit.engines.collage.clusters import clusters_of
from nbkit.engines.collage.layout import lay_out
from nbkit.engines.collage.reading import Brief, read
from nbkit.engines.collage.rendering import draw_placement
from nbkit.engines.collage.scenery import Scenery
from nbkit.engines.collage.sky import precipitation
from nbkit.engines.collage.sprites import is_drawable
from nbkit.engines.collage.styles import apply_styles
from nbkit.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from PIL.Image import Image

    OnStage = Callable[[str, float, Image], None]

ATTRIBUTION = "Emoji artwork: OpenMoji \N{EN DASH} openmoji.org, CC BY-SA 4.0"
"""Pictures that hold sprites are under this licence; write it into their metadata."""

SMALLEST_SIDE, LARGEST_SIDE = 64, 2048
"""Limits of width and height, in pixels."""

_SKY_DONE, _GROUND_DONE, _SPRITES_DONE = 0.2, 0.4, 0.9
_PREVIEWS_OF_SPRITES = 4


@dataclass(frozen=True, slots=True)
class Collage:
    """A finished picture.

    Attributes:
        image: RGB, exactly as large as asked for.
        matched: Words of the prompt that are in the picture, or changed how it looks.
        unmatched: Words that nobody could draw.
        attribution: Whom to name for the sprites.
    """

    image: Image
    matched: tuple[str, ...]
    unmatched: tuple[str, ...]
    attribution: str = ATTRIBUTION


def compose(
    prompt: str,
    *,
    width: int,
    height: int,
    seed: int = 0,
    negative_prompt: str = "",
    on_stage: OnStage | None = None,
) -> Collage:
    """Make a picture of a prompt; the same arguments always give the same pixels.

    Args:
        prompt: What to draw, in any of the languages the composer reads; emoji count too.
        width: In pixels, from 64 to 2048.
        height: In pixels, from 64 to 2048.
        seed: Another number gives another layout.
        negative_prompt: Nouns that are not to be drawn.
        on_stage: Called with a stage's name, the share that is done and the picture so far.

    Raises:
        EngineError: A size is out of range, or the sprites are not installed.
    """
    for field, side in (("width", width), ("height", height)):
        if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
            raise EngineError(
                f"{field} is {side}; it must be {SMALLEST_SIDE} to {LARGEST_SIDE} pixels.", field=field
            )
    brief = read(prompt, negative_prompt=negative_prompt)
    _drop_undrawable(brief)
    image = _paint(brief, Canvas(width, height, _random(prompt, negative_prompt, seed)), on_stage)
    return Collage(image, tuple(brief.matched), tuple(brief.unmatched))


def _paint(brief: Brief, canvas: Canvas, on_stage: OnStage | None) -> Image:
    scenery = Scenery(brief, canvas)
    scenery.paint_sky()
    if on_stage:
        on_stage("sky", _SKY_DONE, canvas.image())
    setting = scenery.paint_ground()
    image = canvas.image()
    if on_stage:
        on_stage("ground", _GROUND_DONE, image.copy())
    placements = lay_out(clusters_of(brief), setting, canvas)
    every = -(-len(placements) // _PREVIEWS_OF_SPRITES)
    for number, placement in enumerate(placements, 1):
        draw_placement(image, placement, scenery.air)
        if on_stage and (number % every == 0 or number == len(placements)):
            share = _GROUND_DONE + (_SPRITES_DONE - _GROUND_DONE) * number / len(placements)
            on_stage("sprites", share, image.copy())
    if setting.horizon < 1 and not setting.is_plain:
        image = precipitation(image, canvas, brief.weather)
    image = apply_styles(image, brief.styles, int(canvas.chance(0, 2**31)))
    if on_stage:
        on_stage("finish", 1.0, image.copy())
    return image


def _drop_undrawable(brief: Brief) -> None:
    """Forget emoji that the font has no picture for, and say so."""
    for index, thing in reversed(list(enumerate(brief.things))):
        if is_drawable(thing.sprite):
            continue
        brief.things.pop(index)
        brief.links = [
            type(link)(
                link.subject - (link.subject > index), link.relation, link.target - (link.target > index)
            )
            for link in brief.links
            if index not in (link.subject, link.target)
        ]
        if thing.sprite in brief.matched:
            brief.matched.remove(thing.sprite)
            brief.unmatched.append(thing.sprite)


def _random(prompt: str, negative_prompt: str, seed: int) -> np.random.Generator:
    import numpy as np

    text = f"{seed}\0{prompt}\0{negative_prompt}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
