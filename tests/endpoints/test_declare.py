from __future__ import annotations

import asyncio
import enum
import inspect
import math
from typing import Any

import pytest
from PIL import Image

import nbkit
from nbkit.endpoints.declare import Faulty, bytes_of, declared, declared_names, keeping_faulty
from nbkit.errors import InputError


def plain(prompt: str, steps: int = 3) -> str:
    """Say something."""
    return f"{prompt} × {steps}"


def test_a_declared_function_is_still_the_function() -> None:
    """It is called, named and documented as before, and its errors are its own."""
    made = nbkit.endpoint("me/plain")(plain)

    assert made("a") == "a × 3"
    assert made("a", steps=1) == "a × 1"
    assert (made.__name__, made.__doc__) == ("plain", "Say something.")
    assert inspect.signature(made) == inspect.signature(plain)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        made()  # type: ignore[call-arg]


def test_an_asynchronous_function_and_a_generator_stay_so() -> None:
    """Called plainly they give what they always gave."""

    @nbkit.endpoint("me/later")
    async def later(number: int) -> int:
        return number + 1

    @nbkit.endpoint("me/steps")
    def steps(number: int) -> Any:
        yield number
        return number

    assert asyncio.run(later(1)) == 2
    assert list(steps(5)) == [5]


def test_what_a_server_says_of_it_comes_from_the_function() -> None:
    """Title, description, kind and limits stand in the decorator, else are read off the function."""

    @nbkit.endpoint("me/night-view", time_limit=5, memory_limit="1.5 GiB", resources={"GPU": 1})
    def night(picture: Image.Image) -> Image.Image:
        """Makes it dark.

        In two lines,
        of one paragraph.
        """
        return picture

    facts = night.facts
    assert (facts["title"], facts["category"]) == ("Night view", "image-to-image")
    assert facts["description"] == "Makes it dark.\n\nIn two lines, of one paragraph."
    assert (facts["time_limit"], facts["memory_limit"], facts["resources"]) == (
        5.0,
        3 * 2**29,
        {"GPU": 1},
    )
    named = nbkit.endpoint("me/n", title="N", description="D", category="speech")(plain)
    assert (named.facts["title"], named.facts["description"], named.facts["category"]) == ("N", "D", "speech")


def test_the_last_declaration_counts() -> None:
    """Running a cell again replaces what it declared."""
    first = nbkit.endpoint("me/again")(plain)
    second = nbkit.endpoint("me/again")(plain)

    assert declared("me/again") is second is not first
    assert declared_names().count("me/again") == 1
    assert declared("me/never") is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("local/collage", "local/… is not yours"),
        ("fal-ai/flux/schnell", "fal-ai/… is not yours"),
        ("dify/x", "dify/… is not yours"),
        ("workflows/me/x", "workflows/… is not yours"),
        ("comfy/me/x", "comfy/… is not yours"),
        ("model", "is not an endpoint"),
        ("me/model/", "write me/model"),
        ("123-x", "write 123/x"),
        ("me/requests/x", "'requests' is a word of the server's own addresses"),
        ("me/x/stream", "'stream' is a word of the server's own addresses"),
        ("me/ü", "is not an endpoint"),
        ("me/../x", "is not an endpoint"),
        ("", "is not an endpoint"),
        (7, "an endpoint is a string"),
        (plain, r"needs an id\n.*write @nbkit.endpoint\('me/my-model'\)"),
    ],
)
def test_a_bad_id_is_told_at_once(name: Any, says: str) -> None:
    """An id that cannot be called, or is somebody else's, is refused where it is written."""
    with pytest.raises(InputError, match=says):
        nbkit.endpoint(name)(plain)


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (lambda x: x, "a lambda"),
        (print, "<built-in function print>"),
        (Image.Image, "<class 'PIL.Image.Image'>"),
        ("text", "'text'"),
    ],
)
def test_only_functions_are_declared(thing: Any, says: str) -> None:
    """What is no function gives one sentence, not a puzzle."""
    with pytest.raises(InputError, match="is declared on") as caught:
        nbkit.endpoint("me/x")(thing)

    assert says in str(caught.value)


@pytest.mark.parametrize(
    "limit",
    [
        {"time_limit": 0},
        {"time_limit": math.nan},
        {"time_limit": "long"},
        {"memory_limit": "much"},
        {"memory_limit": 0},
        {"memory_limit": True},
        {"resources": {"GPU": 0}},
        {"resources": {"": 1}},
        {"resources": {3: 1}},
    ],
)
def test_a_bad_limit_is_told_at_once(limit: Any) -> None:
    """It names the option."""
    with pytest.raises(InputError, match=next(iter(limit))):
        nbkit.endpoint("me/x", **limit)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512 MB", 512 * 10**6), ("4GiB", 2**32), ("1.5g", 15 * 10**8), ("100", 100), (7, 7), ("2 ki", 2048)],
)
def test_sizes_are_read_as_people_write_them(text: str | int, size: int) -> None:
    """Decimal and binary units, with or without a B."""
    assert bytes_of(text, "it") == size


def test_an_annotation_that_names_nothing_is_told() -> None:
    """The message says which function and which name."""

    def draw(picture: Pciture) -> str:  # type: ignore[name-defined]  # noqa: F821
        return str(picture)

    with pytest.raises(InputError, match=r"draw cannot be read: name 'Pciture' is not defined"):
        nbkit.endpoint("me/x")(draw)


def test_types_of_the_function_around_are_known() -> None:
    """A type that is defined beside the function may be its annotation, also as text."""

    class Size(enum.Enum):
        LARGE = "large"

    @nbkit.endpoint("me/x")
    def draw(size: list[int], other: Size | None = None) -> str:
        return f"{size}{other}"

    assert draw.facts["input"]["required"] == ["size"]


def test_a_wrong_function_of_a_file_says_so_when_it_is_called(job: Any) -> None:
    """Where others are served beside it, it exists, and each call tells what is wrong with it."""

    def wrong(prompt) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
        return str(prompt)

    with pytest.raises(InputError, match=r"'prompt' of .*wrong has no annotation"):
        nbkit.endpoint("me/wrong")(wrong)
    with keeping_faulty():
        made = nbkit.endpoint("me/wrong")(wrong)
    with pytest.raises(Faulty, match=r"'prompt' of .*wrong has no annotation"):
        made.compute({"prompt": "x"}, job)
