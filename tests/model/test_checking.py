from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.model.checking import check, nearest

SIZES = ["square", "landscape_4_3"]
PROPERTIES: dict[str, Any] = {
    "prompt": {"type": "string", "maxLength": 20},
    "guidance_scale": {"type": "number", "minimum": 0, "maximum": 20},
    "strength": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "old_strength": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
    "num_images": {"type": "integer", "minimum": 1, "maximum": 4},
    "sync_mode": {"type": "boolean"},
    "seed": {"type": "integer", "nullable": True},
    "image_size": {
        "anyOf": [
            {
                "type": "object",
                "title": "ImageSize",
                "properties": {"width": {"type": "integer", "maximum": 2048}, "height": {"type": "integer"}},
            },
            {"type": "string", "enum": SIZES},
        ]
    },
    "loras": {
        "type": "array",
        "maxItems": 2,
        "items": {"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}}},
    },
    "labels": {"type": "object", "additionalProperties": {"type": "number"}},
}
SCHEMA = {"type": "object", "required": ["prompt"], "properties": PROPERTIES}


def told(schema: dict[str, Any] = SCHEMA, **given: Any) -> list[tuple[str, str]]:
    """Field and message of what is certainly wrong."""
    return [(it.field, it.message) for it in check(given, schema, "acme/imgen") if it.is_certain]


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"prompt": "a", "guidance": 3}, "guidance", 'is not an input of acme/imgen; did you mean "guidance_scale"?'),
        ({"promt": "a"}, "promt", 'did you mean "prompt"?'),
        ({"seed": 1}, "prompt", '"prompt" is missing: acme/imgen needs it'),
        ({"prompt": None}, "prompt", "is missing"),
        ({"prompt": 5}, "prompt", "prompt: 5 is not a string"),
        ({"prompt": "a" * 21}, "prompt", "it has 21 characters, and at most 20 are taken"),
        ({"prompt": "a", "num_images": "many"}, "num_images", 'num_images: "many" is not an integer'),
        ({"prompt": "a", "num_images": 1.5}, "num_images", "1.5 is not an integer"),
        ({"prompt": "a", "num_images": 9}, "num_images", "9 is more than 4, the most it takes"),
        ({"prompt": "a", "num_images": 0}, "num_images", "0 is less than 1, the least it takes"),
        ({"prompt": "a", "strength": 0}, "strength", "0 is not more than 0"),
        ({"prompt": "a", "strength": 1}, "strength", "1 is not less than 1"),
        ({"prompt": "a", "old_strength": 0}, "old_strength", "0 is not more than 0"),
        ({"prompt": "a", "sync_mode": "perhaps"}, "sync_mode", "is not a boolean"),
        ({"prompt": "a", "image_size": "sqare"}, "image_size", 'did you mean "square"?'),
        ({"prompt": "a", "image_size": {"width": 4096}}, "image_size.width", "4096 is more than 2048"),
        ({"prompt": "a", "image_size": {"widht": 1}}, "image_size.widht", 'did you mean "image_size.width"?'),
        ({"prompt": "a", "image_size": 512}, "image_size", "512 is not ImageSize | string"),
        ({"prompt": "a", "loras": [{"path": "x"}, {}]}, "loras.1.path", '"loras.1.path" is missing'),
        ({"prompt": "a", "loras": [{"path": "x"}] * 3}, "loras", "it has 3 items, and at most 2 are taken"),
        ({"prompt": "a", "labels": {"x": "y"}}, "labels.x", '"y" is not a number'),
    ],
)  # fmt: skip
def test_what_the_service_would_refuse_is_told(given: dict[str, Any], field: str, message: str) -> None:
    """A slip is named with its field, what is wrong, and what was probably meant."""
    [(at, words)] = told(**given)

    assert at == field
    assert message in words


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "a", "num_images": 4, "guidance_scale": 0, "strength": 0.5, "seed": None},
        {"prompt": "a", "num_images": "4", "sync_mode": "true", "guidance_scale": "7.5"},
        {"prompt": "a", "num_images": 4.0, "sync_mode": 1},
        {"prompt": "a", "image_size": "square"},
        {"prompt": "a", "image_size": {"width": 512, "height": 512}},
        {"prompt": Path("prompt.txt"), "image_size": b"bytes", "loras": [io.BytesIO()]},
        {"prompt": "a", "num_images": None, "labels": {"x": 1}},
    ],
)
def test_what_the_service_would_take_passes(given: dict[str, Any]) -> None:
    """Numbers as text, as models take them, files that become addresses, and null for a default are no problem."""
    assert check(given, SCHEMA, "acme/imgen") == []


def test_an_unknown_name_that_looks_like_none_is_only_doubtful() -> None:
    """A model may take more than it describes, so a name that is no slip does not stop a call."""
    [problem] = check({"prompt": "a", "zzz": 1}, SCHEMA, "acme/imgen")

    assert (problem.field, problem.is_certain) == ("zzz", False)
    assert problem.message == '"zzz" is not an input of acme/imgen'


def test_a_name_beside_the_one_it_looks_like_is_only_doubtful() -> None:
    """Who gives `guidance_scale` as well did not mistype it."""
    problems = check({"prompt": "a", "guidance": 1, "guidance_scale": 2}, SCHEMA, "acme/imgen")

    assert [problem.is_certain for problem in problems] == [False]


def test_a_closed_schema_takes_no_other_names() -> None:
    """Where the schema itself forbids other names, one is certainly refused."""
    closed = {**SCHEMA, "additionalProperties": False}

    assert told(closed, prompt="a", zzz=1) == [("zzz", '"zzz" is not an input of acme/imgen')]


def test_a_schema_that_says_nothing_takes_everything() -> None:
    """An endpoint without a description can be called with anything."""
    assert check({"a": 1, "b": [None]}, {}, "acme/imgen") == []
    assert (
        check({"a": 1}, {"type": "object", "additionalProperties": True, "properties": {"b": {}}}, "x") == []
    )


def test_nearest_prefers_what_begins_alike() -> None:
    """`steps` is not near to `num_inference_steps` by its letters, `guidance` is to `guidance_scale` by its start."""
    assert nearest("guidance", ["guidance_scale", "guide"]) == "guidance_scale"
    assert nearest("zzz", ["prompt"]) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = "type properties required items anyOf enum minimum maximum exclusiveMinimum const maxLength nullable title"
WORDS = st.sampled_from([*KEYWORDS.split(), "additionalProperties", "x-fal-order-properties"])
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])
HOSTILE = st.recursive(
    JSON | KINDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.sampled_from("ab"), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(st.sampled_from("abc") | st.text(max_size=3), JSON, max_size=4),
    st.dictionaries(WORDS, HOSTILE, max_size=5),
)
def test_no_schema_breaks_the_check(given: dict[str, Any], schema: dict[str, Any]) -> None:
    """Whatever a service calls a schema, checking ends and every problem is a sentence about a place."""
    for problem in check(given, schema, "acme/imgen"):
        assert problem.message
        assert isinstance(problem.field, str)


@given(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False), st.integers(-5, 5), st.integers(-5, 5)
)
def test_bounds_are_kept_exactly(value: float, low: int, high: int) -> None:
    """A number is refused exactly where it lies outside of the bounds."""
    schema = {"properties": {"x": {"type": "number", "minimum": low, "maximum": high}}}

    assert bool(check({"x": value}, schema, "e")) == (not low <= value <= high)
