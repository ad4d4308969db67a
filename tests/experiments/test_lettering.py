from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageDraw

from nbkit.experiments.lettering import Lettering


def drawn(text: str) -> bytes:
    """A text on a white picture."""
    picture = Image.new("RGB", (200, 40), "white")
    Lettering(20).draw(ImageDraw.Draw(picture), (4, 4), text)
    return picture.tobytes()


@pytest.mark.parametrize(("one", "other"), [("cat", "dog"), ("🐱", "🌈"), ("🐱", "\U0010fff0"), ("é", "è")])
def test_different_signs_look_different(one: str, other: str) -> None:
    """Letters and emoji are drawn, and not the box that stands for a missing sign."""
    assert drawn(one) != drawn(other)


def test_emoji_have_colours() -> None:
    """An emoji in a label is drawn in its own colours."""
    picture = Image.frombytes("RGB", (200, 40), drawn("🌈"))
    colours = picture.getcolors(10_000) or []

    assert any(max(colour) - min(colour) > 60 for _count, colour in colours if isinstance(colour, tuple))


def test_what_is_joined_stays_one_sign() -> None:
    """An astronaut is one sign and as wide as one, not a woman, a gap and a rocket."""
    lettering = Lettering(20)

    assert lettering.width("👩‍🚀") < 1.5 * lettering.width("👩")


def test_lines_end_between_words() -> None:
    """Text is broken at spaces, what is left over ends in dots, and one long word is cut."""
    lettering = Lettering(16)
    width = lettering.width("a dog in the")

    assert lettering.fit("a dog in the city", width, 3) == ["a dog in the", "city"]
    assert lettering.fit("a dog in the city by night", width, 1)[0].endswith("…")
    assert "".join(lettering.fit("x" * 60, width, 9)) == "x" * 60
    assert lettering.fit("", width, 3) == []


@settings(max_examples=60)
@given(st.text(max_size=60), st.integers(30, 200))
def test_any_text_fits(text: str, width: int) -> None:
    """Whatever is written, no line is wider than the room, but for one sign that is wider than all of it."""
    lettering = Lettering(12)
    rows = lettering.fit(text, width, 3)

    assert len(rows) <= 3
    assert all(lettering.width(row.rstrip()) <= width + lettering.width("…") + 12 for row in rows)
