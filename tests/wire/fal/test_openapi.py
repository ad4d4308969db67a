from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import ServiceError
from nbkit.model.endpoint import Endpoint
from nbkit.wire.fal.addresses import Hosts
from nbkit.wire.fal.openapi import document_url, read_document

if TYPE_CHECKING:
    from nbkit.model.schema import Schema

ENDPOINT = "acme/imgen/v2"


def document(given: Any, schemas: dict[str, Any] | None = None, gives: Any = None) -> dict[str, Any]:
    """A document as fal writes it."""
    return {
        "openapi": "3.0.4",
        "info": {"title": "Imgen", "x-fal-metadata": {"endpointId": ENDPOINT}},
        "components": {"schemas": {"Input": given, "Output": gives or {}, **(schemas or {})}},
        "paths": {
            "/acme/imgen/requests/{request_id}/status": {"get": answering("QueueStatus")},
            "/acme/imgen/requests/{request_id}": {"get": answering("Output")},
            f"/{ENDPOINT}": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": ref("Input")}}},
                    **answering("QueueStatus"),
                }
            },
        },
    }


def answering(name: str) -> dict[str, Any]:
    """An operation that gives a schema."""
    return {"responses": {"200": {"content": {"application/json": {"schema": ref(name)}}}}}


def ref(name: str) -> dict[str, str]:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def read(given: Any, schemas: dict[str, Any] | None = None, gives: Any = None) -> Schema:
    """Read a document with an input."""
    return read_document(json.dumps(document(given, schemas, gives)).encode(), ENDPOINT, 0.0)


def test_fal_s_document_is_at_its_public_address() -> None:
    """A server of one's own is asked for its own document, fal for the one on its site."""
    endpoint = Endpoint.parse("acme/imgen/v2")
    own = Hosts.of_origin("http://127.0.0.1:8188/")

    assert document_url(Hosts.of_fal({}), endpoint) == (
        "https://fal.ai/api/openapi/queue/openapi.json?endpoint_id=acme/imgen/v2"
    )
    assert document_url(own, endpoint) == "http://127.0.0.1:8188/openapi.json?endpoint_id=acme/imgen/v2"


def test_input_and_output_are_found_and_resolved() -> None:
    """References are followed, and the output is what a finished request gives, not the ticket of a submit."""
    schema = read(
        {"type": "object", "properties": {"size": {**ref("Size"), "title": "Size of it"}}},
        {"Size": {"type": "object", "title": "Size", "properties": {"side": {"type": "integer"}}}},
        {"type": "object", "properties": {"images": {"type": "array", "items": ref("Size")}}},
    )

    assert schema.title == "Imgen"
    assert schema.input["properties"]["size"]["properties"] == {"side": {"type": "integer"}}
    assert schema.fields[0].schema["title"] == "Size of it"
    assert schema.output_fields[0].type == "list of Size"


def test_the_input_is_found_under_another_path() -> None:
    """A document that names its path otherwise still tells the input."""
    other = document({"type": "object", "properties": {"a": {"type": "string"}}})
    other["paths"]["/elsewhere"] = other["paths"].pop(f"/{ENDPOINT}")

    assert read_document(json.dumps(other).encode(), ENDPOINT, 0.0).fields[0].name == "a"


@pytest.mark.parametrize(
    "written",
    [
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, {"type": "integer"}]},
        {"type": ["integer", "null"]},
        {"type": "integer", "nullable": True},
        {"allOf": [{"type": "integer"}], "nullable": True},
    ],
)
def test_every_way_to_allow_null_is_understood(written: dict[str, Any]) -> None:
    """An optional number is a number that may be `None`, whichever version of OpenAPI wrote it."""
    [field] = read({"type": "object", "properties": {"seed": {**written, "title": "Seed"}}}).fields

    assert (field.type, field.nullable, field.schema["title"]) == ("integer", True, "Seed")


def test_parts_of_a_schema_are_joined() -> None:
    """An input made of two parts has the names of both."""
    schema = read(
        {
            "allOf": [ref("Base"), {"properties": {"b": {"type": "string"}}, "required": ["b"]}],
            "required": ["a"],
        },
        {"Base": {"type": "object", "properties": {"a": {"type": "string"}}}},
    )

    assert {field.name: field.required for field in schema.fields} == {"a": True, "b": True}


def test_a_circle_of_references_ends() -> None:
    """A schema that holds itself allows anything there."""
    schema = read(
        {"type": "object", "properties": {"child": ref("Input"), "self": ref("Loop")}}, {"Loop": ref("Loop")}
    )

    assert {field.name for field in schema.fields} == {"child", "self"}
    assert len(schema.to_json()) < 1000


def test_references_that_multiply_stay_small() -> None:
    """A few lines that would unfold to millions do not."""
    bomb = {f"B{n}": {"anyOf": [ref(f"B{n + 1}")] * 10} for n in range(12)}
    schema = read({"type": "object", "properties": {"a": ref("B0")}}, bomb)

    assert len(schema.to_json()) < 2_000_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"paths": []}',
        b'{"paths": {"/x": null}}',
        b"[" * 100_000,
        b"\xff",
        b"9" * 5000,
    ],
)
def test_what_is_no_document_is_refused_in_words(content: bytes) -> None:
    """A page of a proxy, or anything else, is an error of the service that names the endpoint."""
    with pytest.raises(ServiceError, match="reading the schema of acme/imgen/v2"):
        read_document(content, ENDPOINT, 0.0)


NAMES = ["$ref", "type", "properties", "items", "anyOf", "allOf", "oneOf", "required", "additionalProperties"]
REFERENCES = st.sampled_from(["#/components/schemas/Input", "#/paths", "#", "http://x/y", "#/~0/~2", "Input"])
SCHEMAS = st.recursive(
    st.none() | st.booleans() | st.integers() | REFERENCES | st.sampled_from(["object", "array", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(NAMES), SCHEMAS, max_size=5))
def test_no_document_breaks_the_reader(given: dict[str, Any]) -> None:
    """Whatever stands in a document, it is read, shown and written."""
    schema = read(given, gives=given)

    assert schema._repr_mimebundle_()["text/plain"]
    assert json.loads(schema.to_json())["endpoint"] == ENDPOINT
