from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbkit.errors import InputError
from nbkit.experiments.axes import Permute, Presets, Replace, Request, read_axis


def inputs(axis: Any, **given: Any) -> list[dict[str, Any]]:
    """What each value of an axis makes of an input."""
    made = [Request("a/b", {**given}) for _value in axis.changes]
    for change, request in zip(axis.changes, made, strict=True):
        change.apply(request)
    return [request.input for request in made]


def test_an_axis_sets_an_input() -> None:
    """The values of an axis go into the input that it is named after."""
    axis = read_axis("steps", "1-3")

    assert axis.labels == ("1", "2", "3")
    assert inputs(axis, prompt="a") == [{"prompt": "a", "steps": step} for step in (1, 2, 3)]


def test_an_axis_reaches_into_objects_and_lists() -> None:
    """A name with dots sets what stands inside of an object or a list, and leaves the rest as it is."""
    assert inputs(read_axis("image_size.width", [64]), image_size={"height": 32}) == [
        {"image_size": {"height": 32, "width": 64}}
    ]
    assert inputs(read_axis("loras.1.scale", [0.5]), loras=[{"scale": 1}, {"scale": 2}]) == [
        {"loras": [{"scale": 1}, {"scale": 0.5}]}
    ]
    with pytest.raises(InputError, match="there is no '7' in the input"):
        inputs(read_axis("loras.7.scale", [0.5]), loras=[])


def test_the_endpoint_can_be_an_axis() -> None:
    """Models are compared like anything else."""
    request = Request("a/b", {})
    axis = read_axis("endpoint", ["local/collage", "fal-ai/flux/dev"])
    axis.changes[1].apply(request)

    assert request.endpoint == "fal-ai/flux/dev"
    assert axis.fields == ()


def test_labels_can_be_given() -> None:
    """A mapping names its values; a path is called by its file, and long text is shortened."""
    assert read_axis("prompt", {"short": "a cat", "long": "a cat on a sill"}).labels == ("short", "long")
    assert read_axis("image_url", [Path("/home/me/cat.png")]).labels == ("cat.png",)
    assert len(read_axis("prompt", ["word " * 100]).labels[0]) == 200


def test_arrays_become_plain_numbers() -> None:
    """What NumPy makes can be sent as JSON."""
    axis = read_axis("cfg", np.linspace(0, 1, 3))

    assert [type(value) for value in axis.values] == [float] * 3


def test_replace_swaps_words_of_the_prompt() -> None:
    """Search and replace keeps the first word as one of the values."""
    axis = read_axis("animal", Replace("cat", "dog", "red fox"))

    assert axis.labels == ("cat", "dog", "red fox")
    assert [it["prompt"] for it in inputs(axis, prompt="a cat, one cat")] == [
        "a cat, one cat",
        "a dog, one dog",
        "a red fox, one red fox",
    ]
    with pytest.raises(InputError, match="'cat' does not stand in prompt: 'a cow'"):
        inputs(axis, prompt="a cow")


def test_permute_makes_every_order() -> None:
    """Each order of the words comes once, and what stands between them stays."""
    words = ("red", "blue", "green")
    made = inputs(read_axis("order", Permute(*words)), prompt="red hat, blue coat and green shoes")

    assert [it["prompt"] for it in made] == [
        f"{a} hat, {b} coat and {c} shoes" for a, b, c in itertools.permutations(words)
    ]


def test_presets_set_several_inputs() -> None:
    """A name can stand for several inputs at once."""
    axis = read_axis("quality", Presets({"fast": {"steps": 4}, "good": {"steps": 30, "cfg": 3.5}}))

    assert axis.labels == ("fast", "good")
    assert inputs(axis) == [{"steps": 4}, {"steps": 30, "cfg": 3.5}]


def test_requests_share_no_objects() -> None:
    """What one request's input holds can be changed without changing another's."""
    axis, size = read_axis("size", {"small": {"width": 64}}), {"x": 1}
    first, second = inputs(axis)[0], inputs(axis)[0]
    first["size"]["width"] = 1

    assert second["size"]["width"] == 64
    assert size == {"x": 1}


REFUSED: dict[str, tuple[str, Any, str]] = {
    "empty": ("steps", [], "needs at least one value"),
    "twice": ("steps", [1, 2, 1.0], "1 stands there twice"),
    "nan": ("cfg", [1.0, float("nan")], "nan is not a value"),
    "infinite": ("cfg", [float("inf")], "inf is not a value"),
    "one text": ("prompt", "a cat, a dog", "several values are a list"),
    "a number": ("steps", 5, "int is no list of values"),
    "bytes": ("image_url", b"abc", "bytes is no list of values"),
    "endless": ("steps", itertools.count(), "10,001 values are more than 10,000"),
    "no name": (" ", [1], "named by the input"),
    "no endpoint": ("endpoint", [3], "3 is no endpoint"),
    "nothing to replace": ("animal", Replace("", "dog"), "nothing to look for"),
    "one to permute": ("order", Permute("red"), "two to 7 different words"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_axis_is_refused(case: str) -> None:
    """An axis that cannot be meant is one error, which names it."""
    name, given, message = REFUSED[case]

    with pytest.raises(InputError) as caught:
        read_axis(name, given)

    assert message in str(caught.value)
