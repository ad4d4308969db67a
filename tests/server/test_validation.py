from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, strategies as st

from nbkit.errors import ConfigError
from nbkit.server.endpoints import own_endpoints
from nbkit.server.fields import image_size
from nbkit.server.validation import check_schema, problems, with_defaults

ENTRIES = {entry.id: entry for entry in own_endpoints()}
_SIZE = {"type": "object", "properties": {"image_size": image_size("square")}}
_LIST = {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 3000)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "a cat", "square", "png", "jpeg", "x" * 20_001]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["width", "height", "x"]), inner)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("schema", "value", "entry"),
    [
        ({"type": "string"}, 3, ("string_type", {}, [])),
        ({"type": "integer"}, "3", ("int_type", {}, [])),
        ({"type": "integer"}, 3.5, ("int_type", {}, [])),
        ({"type": "integer"}, True, ("int_type", {}, [])),
        ({"type": "number"}, "3", ("float_type", {}, [])),
        ({"type": "boolean"}, 1, ("bool_type", {}, [])),
        ({"type": "object"}, [], ("dict_type", {}, [])),
        ({"type": "array"}, {}, ("list_type", {}, [])),
        ({"maximum": 4}, 9, ("less_than_equal", {"le": 4}, [])),
        ({"minimum": 4}, 3, ("greater_than_equal", {"ge": 4}, [])),
        ({"exclusiveMaximum": 4}, 4, ("less_than", {"lt": 4}, [])),
        ({"exclusiveMinimum": 4}, 4, ("greater_than", {"gt": 4}, [])),
        ({"multipleOf": 8}, 9, ("multiple_of", {"multiple_of": 8}, [])),
        ({"maxLength": 2}, "abc", ("string_too_long", {"max_length": 2}, [])),
        ({"minLength": 1}, "", ("string_too_short", {"min_length": 1}, [])),
        (_LIST, [], ("sequence_too_short", {"min_length": 1}, [])),
        (_LIST, [1, 2, 3], ("sequence_too_long", {"max_length": 2}, [])),
        (_LIST, [1, "x"], ("int_type", {}, [1])),
        ({"enum": ["a", "b", "c"]}, "d", ("literal_error", {"expected": "'a', 'b' or 'c'"}, [])),
        ({"required": ["prompt"]}, {}, ("missing", {}, ["prompt"])),
        ({"properties": {}, "additionalProperties": False}, {"x": 1}, ("extra_forbidden", {}, ["x"])),
        (_SIZE, {"image_size": {"width": 5000}}, ("less_than_equal", {"le": 2048}, ["image_size", "width"])),
        (_SIZE, {"image_size": "huge"}, ("literal_error", None, ["image_size"])),
    ],
)
def test_each_kind_of_mistake_has_its_word_and_its_place(
    schema: dict[str, Any], value: Any, entry: tuple[str, dict[str, Any] | None, list[str | int]]
) -> None:
    """What clients show beside a field."""
    kind, context, place = entry
    (found,) = problems(value, schema)

    assert found["type"] == kind
    assert found["loc"] == ["body", *place]
    assert context is None or found.get("ctx", {}) == context


def test_a_value_that_fits_no_alternative_is_told_about_all() -> None:
    """A number is neither an object nor a name."""
    kinds = {entry["type"] for entry in problems({"image_size": 5}, _SIZE)}

    assert kinds == {"dict_type", "string_type"}


def test_defaults_are_filled_in_and_null_is_left_out() -> None:
    """A seed of null is no seed."""
    schema = ENTRIES["fal-ai/flux-vision-upscaler"].input
    filled = with_defaults({"image_url": "x", "seed": None, "steps": None, "extra": 1}, schema)

    assert filled == {
        "image_url": "x",
        "upscale_factor": 2,
        "creativity": 0.3,
        "guidance": 1,
        "steps": 20,
        "enable_safety_checker": True,
        "extra": 1,
    }


def test_a_long_value_is_cut_in_the_answer() -> None:
    """A megabyte of prompt does not come back."""
    (found,) = problems({"prompt": "x" * 100_000}, ENTRIES["local/collage"].input)

    assert found["type"] == "string_too_long"
    assert len(found["input"]) < 1000


def test_a_schema_with_a_word_that_is_not_known_is_refused() -> None:
    """A rule that nobody checks is worse than none."""
    with pytest.raises(ConfigError, match="pattern"):
        check_schema(
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}}, "my/endpoint"
        )


@pytest.mark.parametrize("name", ENTRIES)
def test_schemas_are_json_schema_with_a_title_and_words_for_each_field(name: str) -> None:
    """Forms are made from them; the defaults and examples fit them."""
    entry = ENTRIES[name]
    for schema in (entry.input, entry.output):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["title"]
        assert schema["x-fal-order-properties"] == list(schema["properties"])
    for field, rule in entry.input["properties"].items():
        assert rule["title"], field
        assert rule["description"], field
        default = rule.get("default")
        for value in [*rule.get("examples", ()), *([] if default is None else [default])]:
            assert problems(value, rule) == [], field


@given(st.sampled_from(sorted(ENTRIES)), st.data())
def test_verdicts_are_those_of_json_schema(name: str, data: st.DataObject) -> None:
    """The small checker says yes and no where the standard's does."""
    schema = ENTRIES[name].input
    fields = st.dictionaries(st.sampled_from(sorted(schema["properties"])), VALUES)
    value = with_defaults(data.draw(fields), schema)
    theirs = jsonschema.Draft202012Validator(schema).is_valid(value)

    assert (problems(value, schema) == []) is theirs
