from __future__ import annotations

import json

from nbkit.model.schema import Schema

INPUT = {
    "type": "object",
    "required": ["prompt"],
    "x-fal-order-properties": ["prompt", "image_size", "gone"],
    "properties": {
        "num_images": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
        "prompt": {"type": "string", "description": "What to <b>show</b>.", "examples": ["a cat"]},
        "image_size": {
            "anyOf": [{"type": "object", "title": "ImageSize"}, {"type": "string", "enum": ["square"]}],
            "default": "square",
        },
        "mask": {"type": "string", "ui": {"field": "image"}},
        "style_urls": {"type": "array", "items": {"type": "string"}},
        "format": {"type": "string", "enum": ["png", "jpeg"], "nullable": True},
    },
}
OUTPUT = {"type": "object", "properties": {"seed": {"type": "integer"}}}
SCHEMA = Schema("acme/imgen", "Imgen", INPUT, OUTPUT)


def test_fields_stand_in_the_order_of_the_service() -> None:
    """What the service orders comes first, what it forgot follows, and what it made up is left out."""
    names = [field.name for field in SCHEMA.fields]

    assert names == ["prompt", "image_size", "num_images", "mask", "style_urls", "format"]


def test_a_field_says_what_may_be_given() -> None:
    """Type, default, limits, choices and whether it is a file are there without reading JSON Schema."""
    fields = {field.name: field for field in SCHEMA.fields}

    assert (fields["prompt"].required, fields["prompt"].examples) == (True, ("a cat",))
    assert (fields["num_images"].minimum, fields["num_images"].maximum, fields["num_images"].default) == (
        1,
        4,
        1,
    )
    assert fields["image_size"].type == "ImageSize | string"
    assert (fields["format"].enum, fields["format"].nullable) == (("png", "jpeg"), True)
    assert fields["style_urls"].type == "list of string"
    assert [name for name, field in fields.items() if field.is_file] == ["mask", "style_urls"]
    assert [field.name for field in SCHEMA.output_fields] == ["seed"]


def test_it_is_shown_as_a_table() -> None:
    """A notebook shows one line a field, and nothing of the service's words becomes part of the page."""
    shown = SCHEMA._repr_mimebundle_()

    assert "1–4" in shown["text/plain"]
    assert "required" in shown["text/plain"]
    assert "png, jpeg" in shown["text/plain"]
    assert "<b>" not in shown["text/html"]
    assert "&lt;b&gt;show" in shown["text/html"]


def test_it_can_be_written_as_json() -> None:
    """The whole schema can be saved and read elsewhere."""
    assert json.loads(SCHEMA.to_json()) == {
        "endpoint": "acme/imgen",
        "title": "Imgen",
        "input": INPUT,
        "output": OUTPUT,
    }


def test_a_schema_without_sense_is_shown_all_the_same() -> None:
    """A service that describes itself badly gives a poor table, not an error."""
    odd = {
        "properties": {"a": 1, "b": {"type": 5, "enum": "x", "ui": [], "minimum": "low"}},
        "required": "b",
        "x-fal-order-properties": [3],
    }
    schema = Schema("acme/odd", "", odd)

    assert [(field.name, field.type, field.enum) for field in schema.fields] == [("b", "any", ())]
    assert "acme/odd" in schema._repr_mimebundle_()["text/plain"]
