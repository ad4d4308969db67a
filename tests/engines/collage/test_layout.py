import numpy as np
import pytest

from nbkit.engines.collage.canvas import Canvas
from nbkit.engines.collage.clusters import MAX_SPRITES, clusters_of
from nbkit.engines.collage.layout import Placement, lay_out
from nbkit.engines.collage.reading import read
from nbkit.engines.collage.scenery import Scenery
from nbkit.engines.collage.sprite_facts import sprite_facts
from nbkit.engines.collage.sprites import aspect

SIDE = 200


def placed(prompt: str, *, width: int = SIDE, height: int = SIDE, seed: int = 1) -> list[Placement]:
    """Lay a prompt out without drawing its sprites."""
    brief = read(prompt)
    canvas = Canvas(width, height, np.random.Generator(np.random.PCG64(seed)))
    scenery = Scenery(brief, canvas)
    return lay_out(clusters_of(brief), scenery.paint_ground(), canvas)


def one(placements: list[Placement], sprite: str) -> Placement:
    """Find the only placement of a sprite."""
    (found,) = [placement for placement in placements if placement.piece.sprite == sprite]
    return found


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        ("three cats on a beach", 3),
        ("a cat", 1),
        ("twelve butterflies in a meadow", 12),
        ("three cats on a sofa", 4),
    ],
)
def test_as_many_sprites_as_the_prompt_says(prompt: str, number: int) -> None:
    """Every thing that was counted is in the picture."""
    assert len(placed(prompt)) == number


def test_sprites_are_limited() -> None:
    """However many are asked for, the picture does not become a carpet."""
    assert len(placed("twelve cats, twelve dogs, twelve birds, twelve balloons")) <= MAX_SPRITES


@pytest.mark.parametrize("size", [(200, 200), (500, 100), (100, 500)])
@pytest.mark.parametrize(
    "prompt",
    [
        "seven dogs in a forest",
        "a giraffe",
        "a cat riding a bicycle",
        "ten balloons over a city",
        "five fish underwater",
    ],
)
def test_nothing_is_cut_off(prompt: str, size: tuple[int, int]) -> None:
    """Sprites stay inside the picture, in every format."""
    width, height = size
    for seed in range(3):
        for placement in placed(prompt, width=width, height=height, seed=seed):
            half = placement.height * aspect(placement.piece.sprite) / 2

            assert placement.x - half >= -1
            assert placement.x + half <= width + 1
            assert placement.foot - placement.height >= -1
            assert placement.foot <= height + 1


def test_single_subject_is_large_and_in_the_middle() -> None:
    """A prompt of one noun gives a clear subject, good to cut out."""
    (cat,) = placed("a cat")

    assert cat.height * aspect("🐈") > 0.6 * SIDE
    assert abs(cat.x - SIDE / 2) < 0.12 * SIDE
    assert abs(cat.foot - cat.height / 2 - SIDE / 2) < 0.15 * SIDE


def test_rider_sits_on_the_mount() -> None:
    """A cat that rides a bicycle is on it, not beside it."""
    placements = placed("a cat riding a bicycle")
    cat, bicycle = one(placements, "🐈"), one(placements, "🚲")

    assert abs(cat.x - bicycle.x) < 0.15 * SIDE
    assert bicycle.foot - bicycle.height < cat.foot < bicycle.foot - 0.5 * bicycle.height


def test_on_under_above_beside() -> None:
    """Each relation puts the first thing where the word says."""
    on = placed("a cat on a chair")
    assert one(on, "🐈").foot < one(on, "🪑").foot
    under = placed("a cat under an umbrella")
    assert one(under, "🐈").foot > one(under, "☂️").foot
    above = placed("a dragon above a castle")
    assert one(above, "🐉").foot < one(above, "🏰").foot - one(above, "🏰").height
    beside = placed("a cat next to a dog")
    assert one(beside, "🐈").x < one(beside, "🐕").x
    assert abs(one(beside, "🐈").foot - one(beside, "🐕").foot) < 2


def test_behind_is_drawn_first() -> None:
    """What stands behind is drawn before what stands in front."""
    order = [placement.piece.sprite for placement in placed("an elephant behind a tree")]
    assert order == ["🐘", "🌳"]
    order = [placement.piece.sprite for placement in placed("a snowman in front of a house")]
    assert order == ["🏠", "⛄"]


def test_hat_sits_on_the_head() -> None:
    """What is worn is on the wearer and in front of it."""
    placements = placed("a dog wearing a hat")
    dog, hat = placements

    assert (dog.piece.sprite, hat.piece.sprite) == ("🐶", "🎩")
    assert dog.foot - dog.height * 1.1 < hat.foot < dog.foot - dog.height * 0.7


def test_flying_things_are_in_the_sky_and_others_on_the_ground() -> None:
    """A balloon flies over the meadow, a dog stands in it."""
    placements = placed("a balloon and a dog in a meadow")

    assert one(placements, "🎈").foot < 0.5 * SIDE
    assert one(placements, "🐕").foot > 0.7 * SIDE


def test_boats_float_and_lose_the_water_drawn_with_them() -> None:
    """A sailing boat is in the painted sea, without a rectangle of its own water."""
    (boat,) = placed("a sailboat on the sea")

    assert boat.sink == sprite_facts("⛵").own_water
    assert not boat.has_shadow


def test_bees_fly_over_sunflowers_without_being_told() -> None:
    """Things that fly are above things that grow, also where no place is named."""
    placements = placed("sunflowers and bees")
    flowers = [placement for placement in placements if placement.piece.sprite == "🌻"]
    bees = [placement for placement in placements if placement.piece.sprite == "🐝"]

    assert max(bee.foot for bee in bees) < min(flower.foot - flower.height for flower in flowers)
