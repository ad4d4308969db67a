import hashlib
import os
import subprocess
import sys
import time
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL.Image import Image

from nbkit.engines.collage import ATTRIBUTION, Collage, compose
from nbkit.errors import EngineError

SMALL = 96


def small(prompt: str, seed: int = 0, negative_prompt: str = "") -> Collage:
    """Compose a small picture, which is as good as a large one for most questions."""
    return compose(prompt, width=SMALL, height=SMALL, seed=seed, negative_prompt=negative_prompt)


def png(image: Image) -> bytes:
    """Encode a picture as a file."""
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


DIGEST = """
import hashlib
from nbkit.engines.collage import compose
image = compose("three red balloons over a city at night, oil painting", width=96, height=80, seed=7).image
print(hashlib.sha256(image.tobytes()).hexdigest())
"""


def test_same_request_gives_same_bytes_in_every_process() -> None:
    """The same prompt, seed and size give the same picture, whatever process makes it."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("0", "4242")
    }
    prompt = "three red balloons over a city at night, oil painting"
    here = compose(prompt, width=96, height=80, seed=7).image
    digests.add(hashlib.sha256(here.tobytes()).hexdigest())

    assert len(digests) == 1


def test_pictures_made_in_between_change_nothing() -> None:
    """A picture does not depend on what was drawn before it."""
    first = small("a cat on a beach")
    small("ein Hund im Wald")

    assert png(first.image) == png(small("a cat on a beach").image)


def test_another_seed_gives_another_layout() -> None:
    """Another seed gives a visibly different picture."""
    pictures = {small("three dogs in a forest", seed).image.tobytes() for seed in range(4)}

    assert len(pictures) == 4


@pytest.mark.parametrize("size", [(64, 64), (64, 512), (512, 64), (257, 131), (1024, 768)])
def test_picture_has_exactly_the_size_asked_for(size: tuple[int, int]) -> None:
    """Every format is possible, from narrow to wide."""
    for prompt in (
        "two cats on a beach",
        "five balloons over a city",
        "a portrait of a king",
        "fish underwater",
    ):
        image = compose(prompt, width=size[0], height=size[1]).image

        assert (image.size, image.mode) == (size, "RGB")


@pytest.mark.parametrize(
    ("width", "height", "field"), [(63, 64, "width"), (64, 2049, "height"), (0, 0, "width")]
)
def test_sizes_out_of_range_are_refused(width: int, height: int, field: str) -> None:
    """A size that cannot be made is refused with the field at fault."""
    with pytest.raises(EngineError) as caught:
        compose("a cat", width=width, height=height)

    assert caught.value.field == field


def test_stages_show_the_picture_as_it_grows() -> None:
    """Whoever watches sees the sky first, then the ground, the sprites and the finished picture."""
    stages: list[tuple[str, float, bytes]] = []
    result = compose(
        "two dogs in a meadow",
        width=SMALL,
        height=SMALL,
        on_stage=lambda name, share, image: stages.append((name, share, image.tobytes())),
    )

    names = [name for name, _, _ in stages]
    shares = [share for _, share, _ in stages]
    assert names[:2] == ["sky", "ground"]
    assert "sprites" in names
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert stages[-1][2] == result.image.tobytes()
    assert len({pixels for _, _, pixels in stages}) >= 4


def test_watching_changes_nothing() -> None:
    """The picture is the same with and without somebody watching."""
    watched = compose("a cat in space", width=SMALL, height=SMALL, on_stage=lambda *_: None)

    assert watched.image.tobytes() == small("a cat in space").image.tobytes()


def test_picture_names_its_source() -> None:
    """Whoever publishes the picture is told whom to name."""
    assert small("a cat").attribution == ATTRIBUTION
    assert "OpenMoji" in ATTRIBUTION
    assert "CC BY-SA 4.0" in ATTRIBUTION


@pytest.mark.parametrize("prompt", ["", "asdf qwer", "?!… ---", "नमस्ते दुनिया", "\x00\x1b[31m\u202e\u2066"])
def test_prompt_that_says_nothing_still_gives_a_picture(prompt: str) -> None:
    """Words that nobody knows give a landscape, not an error and not a blank."""
    result = small(prompt)
    colours = result.image.getcolors(SMALL * SMALL)

    assert colours is not None
    assert len(colours) > 200
    assert result.matched == ()


def test_very_long_prompts_are_answered_soon() -> None:
    """A prompt of a hundred thousand letters takes no longer than a second or two."""
    small("a cat and a dog")
    for prompt in (
        "cat dog bird " * 8000,
        "x" * 100_000,
        "猫狗鸟" * 33_000,
        "\U0001f408" * 100_000,
        "9" * 100_000,
    ):
        start = time.process_time()
        result = small(prompt)

        assert time.process_time() - start < 3
        assert len(result.unmatched) <= 200


@settings(max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(prompt=st.text(max_size=120), negative=st.text(max_size=20), seed=st.integers(-(2**63), 2**64))
def test_any_text_gives_a_picture(prompt: str, negative: str, seed: int) -> None:
    """No prompt, negative prompt or seed makes the composer fail."""
    result = compose(prompt, width=64, height=72, seed=seed, negative_prompt=negative)

    assert result.image.size == (64, 72)


WORDS = [
    *(
        "cat",
        "dogs",
        "red",
        "on",
        "riding",
        "in",
        "a",
        "box",
        "under",
        "three",
        "of",
        "with",
        "wearing",
        "hat",
        "beach",
    ),
    *("night", "12", ",", "猫", "三只", "骑", "кошка", "на", "над", "🐙"),
]


@settings(max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(words=st.lists(st.sampled_from(WORDS), max_size=14))
def test_any_mixture_of_known_words_gives_a_picture(words: list[str]) -> None:
    """Known words in a senseless order still give a picture."""
    assert small(" ".join(words)).image.size == (SMALL, SMALL)
