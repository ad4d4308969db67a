from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.workflows.types import UnknownField, mismatch, part_of, part_that_fits

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
IMAGE = {
    "type": "object",
    "title": "Image",
    "properties": {"url": TEXT, "content_type": TEXT, "width": WHOLE},
    "required": ["url"],
}
IMAGES = {"type": "array", "items": IMAGE}
SIZE = {
    "type": "object",
    "title": "Size",
    "properties": {"width": WHOLE, "height": WHOLE},
    "required": ["width"],
}


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (TEXT, WHOLE, "a string, and an integer"),
        (WHOLE, TEXT, "an integer, and a string"),
        (IMAGE, TEXT, "an Image, and a string"),
        (IMAGES, IMAGE, "list of Image"),
        (TEXT, {"type": "array", "items": TEXT}, "a string"),
        ({"type": "array", "items": WHOLE}, {"type": "array", "items": TEXT}, "of what it lists"),
        (TEXT, {"anyOf": [WHOLE, SIZE]}, "integer | Size"),
        ({"type": "object", "properties": {"height": WHOLE}}, SIZE, "no 'width'"),
        ({"type": "object", "properties": {"width": TEXT}}, SIZE, "'width': it is a string"),
        ({**TEXT, "enum": ["a"]}, {**TEXT, "enum": ["b", "c"]}, "none of the values"),
    ],
)
def test_what_certainly_does_not_fit_is_told(one: Any, other: Any, says: str) -> None:
    """With both types, or with the part that is wrong."""
    assert says in mismatch(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TEXT, TEXT),
        (WHOLE, {"type": "number"}),
        ({"type": "number"}, WHOLE),
        ({"type": "boolean"}, WHOLE),
        ({}, WHOLE),
        (TEXT, {}),
        (TEXT, {"type": "some-day"}),
        (TEXT, {"type": ["a", "list"]}),
        ({"anyOf": [TEXT, IMAGE]}, TEXT),
        (TEXT, {"anyOf": [WHOLE, TEXT]}),
        ({"anyOf": [{"type": "null"}, WHOLE]}, WHOLE),
        (IMAGE, SIZE),
        ({"type": "object"}, SIZE),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, SIZE),
        ({"type": "array"}, {"type": "array", "items": WHOLE}),
        (TEXT, {**TEXT, "enum": ["b"]}),
    ],
)
def test_what_may_fit_is_never_refused(one: Any, other: Any) -> None:
    """In doubt the service has the last word."""
    assert mismatch(one, other) == ""


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        (IMAGE, TEXT, ".url"),
        (IMAGES, TEXT, "[0].url"),
        (IMAGES, IMAGE, "[0]"),
        ({"type": "object", "properties": {"image": IMAGE, "seed": WHOLE}}, WHOLE, ""),
        ({"type": "object", "properties": {"seed": WHOLE, "n": {}}}, WHOLE, ".seed"),
        (WHOLE, TEXT, ""),
    ],
)
def test_the_part_that_would_fit_is_named(one: Any, other: Any, path: str) -> None:
    """The address of a file first; where several would do, none is guessed."""
    assert part_that_fits(one, other) == path


def test_parts_are_found_as_far_as_they_are_known() -> None:
    """By name, by index, in any alternative; what no schema speaks of may be there."""
    assert part_of(IMAGES, 3, "x") == IMAGE
    assert part_of(IMAGES, "3", "x") == IMAGE
    assert part_of(IMAGE, "url", "x") == TEXT
    assert part_of({}, "url", "x") == {}
    assert part_of({"anyOf": [TEXT, IMAGE]}, "width", "x") == WHOLE
    assert part_of({"type": "object", "additionalProperties": TEXT}, "any", "x") == TEXT
    assert part_of({**IMAGE, "additionalProperties": True}, "any", "x") == {}


@pytest.mark.parametrize(
    ("schema", "part", "says"),
    [
        (IMAGE, "ulr", "gives no 'ulr'"),
        (IMAGES, "url", "is a list"),
        (TEXT, "url", "a string and has no parts"),
        ({"anyOf": [TEXT, WHOLE]}, 0, "no parts"),
    ],
)
def test_a_part_that_is_certainly_not_there_is_told(schema: Any, part: Any, says: str) -> None:
    """As an error that `hasattr` understands."""
    with pytest.raises(UnknownField, match=says) as caught:
        part_of(schema, part, "sketch")

    assert isinstance(caught.value, AttributeError)


_WORDS = st.sampled_from(
    ["type", "properties", "items", "anyOf", "enum", "required", "additionalProperties", "url"]
)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 1)
    | st.sampled_from(["string", "integer", "array", "object", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=20,
)
_SCHEMAS = st.dictionaries(_WORDS, _JSON, max_size=5)


@given(_SCHEMAS, _SCHEMAS)
def test_schemas_from_anywhere_can_be_compared(one: Any, other: Any) -> None:
    """Whatever they hold, the answer is a sentence or none; and a schema always fits itself."""
    assert isinstance(mismatch(one, other), str)
    assert isinstance(part_that_fits(one, other), str)
    assert mismatch(one, one) == ""
    for part in ("url", 0):
        with contextlib.suppress(UnknownField):
            assert isinstance(part_of(one, part, "x"), dict)
