import colorsys
from collections import Counter

import pytest
from PIL.Image import Image

from nbkit.engines.collage.recolour import COLOURS
from nbkit.engines.collage.sprites import sprite_image


def surfaces(image: Image) -> Counter[tuple[int, int, int]]:
    """Count the opaque pixels of each colour."""
    pixels = image.get_flattened_data()
    return Counter(pixel[:3] for pixel in pixels if isinstance(pixel, tuple) and pixel[3] == 255)  # type: ignore[misc]


def largest_colourful(image: Image) -> tuple[float, float, float]:
    """Return hue, lightness and saturation of the largest surface that is no outline."""
    colour = next(colour for colour, _ in surfaces(image).most_common() if max(colour) > 40)
    return colorsys.rgb_to_hls(*(channel / 255 for channel in colour))


@pytest.mark.parametrize("colour", ["red", "orange", "yellow", "green", "blue", "purple", "pink"])
@pytest.mark.parametrize("sprite", ["🎈", "🚗", "🐘", "🐑", "🐈"])
def test_main_surface_takes_the_colour(sprite: str, colour: str) -> None:
    """The largest surface gets the hue that was asked for, whether it was coloured, grey or white."""
    hue, _, saturation = largest_colourful(sprite_image(sprite, 96, colour))
    wanted, _, _ = colorsys.rgb_to_hls(*COLOURS[colour])

    assert min(abs(hue - wanted), 1 - abs(hue - wanted)) < 0.03
    assert saturation > 0.3


@pytest.mark.parametrize(
    ("colour", "low", "high"), [("black", 0.1, 0.4), ("white", 0.85, 1.0), ("grey", 0.5, 0.8)]
)
def test_colours_without_hue(colour: str, low: float, high: float) -> None:
    """Black, white and grey change lightness, and black stays lighter than the outline."""
    _, lightness, _ = largest_colourful(sprite_image("🐈", 96, colour))

    assert low <= lightness <= high


def test_outlines_and_shape_stay() -> None:
    """A recoloured sprite has the same outline and the same edge."""
    plain, blue = sprite_image("🎈", 96), sprite_image("🎈", 96, "blue")

    assert plain.getchannel("A").tobytes() == blue.getchannel("A").tobytes()
    assert surfaces(plain)[0, 0, 0] == surfaces(blue)[0, 0, 0] > 100


def test_shading_stays() -> None:
    """Light and dark parts of a sprite stay apart in the new colour."""
    common = [colour for colour, _ in surfaces(sprite_image("🎈", 96, "blue")).most_common(3)]

    assert len(set(common)) == 3


def test_people_keep_their_skin() -> None:
    """A colour before a person changes the clothes, not the face."""
    skin = (252, 234, 43)
    plain, red = surfaces(sprite_image("👧", 96)), surfaces(sprite_image("👧", 96, "red"))

    assert red[skin] > 0.9 * plain[skin] > 0
    assert red != plain


def test_unknown_colour_changes_nothing() -> None:
    """A colour without a definition leaves the sprite as it is."""
    assert sprite_image("🎈", 48, "no such colour").tobytes() == sprite_image("🎈", 48).tobytes()
