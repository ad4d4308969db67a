from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from nbkit.model.schema import Schema
from nbkit.widgets.controls import MOST_CONTROLS, Control, controls_of, each
from tests.attacks import ATTACKS


def of(properties: dict[str, Any], **more: Any) -> dict[str, Control]:
    """The controls for some properties, by name."""
    schema = Schema("a/b", "", {"type": "object", "properties": properties, **more})
    return {control.field.name: control for control in controls_of(schema)}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 8}, "slider"),
        ({"type": "number", "minimum": 0}, "number"),
        ({"type": "integer", "minimum": 0, "maximum": 2**32}, "number"),
        ({"type": "string", "enum": ["a", "b"]}, "choice"),
        ({"type": "boolean"}, "switch"),
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 5000}, "prompt"),
        ({"type": "string", "ui": {"field": "image"}}, "file"),
        ({"type": "array", "items": {"type": "string"}}, "lines"),
        ({"type": "array", "items": {"type": "object"}}, "json"),
        ({"type": "object", "properties": {"x": {"type": "integer"}}}, "object"),
        ({"type": "object"}, "json"),
        ({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]}, "slider"),
        ({"anyOf": [{"enum": ["square"]}, {"properties": {"width": {"type": "integer"}}}]}, "either"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "json"),
        ({"type": ["string", "null"], "enum": ["a"]}, "choice"),
        ({"type": 7, "minimum": "x", "enum": "abc", "items": 3, "anyOf": {}}, "json"),
        ({}, "json"),
    ],
)
def test_a_schema_becomes_the_control_that_fits(schema: dict[str, Any], kind: str) -> None:
    """Bounded numbers slide, choices drop down, files are dropped, and JSON is the last resort."""
    assert of({"x": schema})["x"].kind == kind


def test_names_tell_prompts_and_seeds() -> None:
    """A prompt gets room, a seed its dice, an address a place to drop a file."""
    made = of(
        {
            "negative_prompt": {"type": "string"},
            "seed": {"type": "integer"},
            "image_urls": {"type": "array", "items": {"type": "string"}},
        }
    )

    assert [made[name].kind for name in made] == ["prompt", "seed", "file"]
    assert made["image_urls"].is_list


def test_many_inputs_are_folded_but_for_those_that_matter() -> None:
    """What is required, the prompt, the seed and files stand open; the rest waits under a heading."""
    plain = {f"option_{number}": {"type": "boolean"} for number in range(9)}
    made = of({"prompt": {"type": "string"}, "image_url": {"type": "string"}, **plain}, required=["option_3"])

    assert [name for name, control in made.items() if not control.folded] == [
        "prompt",
        "image_url",
        "option_3",
    ]


def test_a_huge_schema_is_shown() -> None:
    """A hundred thousand inputs make a form of bounded size, and one field for all others, without a halt."""
    names = [f"x{number}" for number in range(100_000)]
    described = {"properties": {name: {"type": "string"} for name in names}, "required": names}
    schema = Schema("a/b", "", {**described, "x-fal-order-properties": names})
    made = controls_of(schema)

    assert len(schema.fields) == 100_000
    assert len(made) == MOST_CONTROLS + 1
    assert (made[-1].place, made[-1].kind) == ("", "json")


@pytest.mark.parametrize("default", [float("nan"), float("inf"), {1, 2}, "x" * 50_000, [[]] * 20_000])
def test_a_default_that_cannot_be_shown_is_none(default: Any) -> None:
    """What is no JSON, or longer than anybody reads, is left to the service."""
    assert of({"x": {"type": "string", "default": default}})["x"].field.default is None


def test_very_many_choices_are_typed() -> None:
    """Nobody scrolls through ten thousand values."""
    assert of({"x": {"enum": [str(number) for number in range(10_000)]}})["x"].kind == "text"


def test_a_schema_that_contains_itself_ends() -> None:
    """Circles are cut, and what is deeper is JSON."""
    circle: dict[str, Any] = {"type": "object", "properties": {}}
    circle["properties"] |= {"self": circle, "other": circle}
    made = controls_of(Schema("a/b", "", circle))

    kinds = {control.kind for control in each(made)}
    assert kinds == {"object", "json"}
    assert len(list(each(made))) < 200


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_browser_gets_is_clean(attack: str) -> None:
    """Nothing that a service wrote can break the message to the browser, or steer a terminal."""
    made = of(
        {
            attack: {
                "type": "string",
                "title": attack,
                "description": attack * 500,
                "default": attack,
                "enum": [attack],
            }
        }
    )
    told = json.dumps([control.described() for control in made.values()], ensure_ascii=False)

    assert not set(told) & set("\x1b\x07\x00\u202e\ud800")
    assert len(told) < 10_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "enum", "anyOf", "default", "minimum", "maximum", "ui", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
@settings(max_examples=200)
def test_no_schema_at_all_breaks_a_form(properties: dict[str, Any]) -> None:
    """Whatever a service calls a schema, there is a form, and its description is JSON."""
    made = controls_of(Schema("a/b", "", {"properties": properties}))

    json.dumps([control.described() for control in made], allow_nan=False).encode()
