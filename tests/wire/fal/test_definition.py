from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import InputError
from nbkit.wire.fal.definition import MAX_STEPS, Definition, read_definition
from nbkit.wire.fal.graph import Graph

RUN = {"type": "run", "app": "acme/gen", "input": {"prompt": "$input.prompt"}}


def test_a_workflow_that_makes_no_sense_yet_is_read() -> None:
    """Steps in a circle and references to nothing are for whoever checks it; it may be about to be mended."""
    nodes = {"a": {**RUN, "input": {"x": "$b.y"}}, "b": {**RUN, "input": {"x": "$a.y", "z": "$gone.y"}}}
    read = read_definition({"nodes": nodes})

    assert read.steps["b"].depends == {"a", "gone"}
    assert read.output is None
    with pytest.raises(InputError):
        Graph.of(read)


def test_an_input_that_is_only_spoken_of_must_be_given() -> None:
    """Without it a step could not be sent, so it is asked for before any step runs."""
    read = read_definition({"nodes": {"a": RUN}, "output": {"seed": "$input.seed"}})

    assert read.inputs == {"seed": {}, "prompt": {}}
    assert Graph.of(read).required == ("seed", "prompt")


def test_an_input_that_its_schema_does_not_require_may_be_left_out() -> None:
    """It is null then, which endpoints read as left out."""
    schema = {"input": {"type": "object", "properties": {"prompt": {"type": "string"}}}}
    graph = Graph.of(read_definition({"nodes": {"a": RUN}, "output": {"a": 1}, "schema": schema}))

    assert (graph.required, graph.defaults) == ((), {"prompt": None})


def test_types_that_are_defined_apart_are_put_in_their_place() -> None:
    """A model of pydantic's keeps its parts under `$defs`; an input that may be null says so in one word."""
    declared = {
        "type": "object",
        "$defs": {"Size": {"type": "object", "properties": {"width": {"type": "integer"}}}},
        "properties": {
            "size": {"$ref": "#/$defs/Size"},
            "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        },
        "required": ["size"],
    }
    read = read_definition({"nodes": {"a": {**RUN, "input": {}}}, "schema": {"input": declared}})

    assert read.inputs == {
        "size": {"type": "object", "properties": {"width": {"type": "integer"}}},
        "seed": {"type": "integer", "nullable": True, "default": None},
    }


def test_a_display_of_something_else_is_kept_beside_the_output() -> None:
    """Also where it has the name that belongs to the output's own node."""
    nodes = {"a": RUN, "output": {"type": "display", "fields": {"seen": "$a.seen"}}}
    read = read_definition({"nodes": nodes, "output": {"given": "$a.given"}})

    assert read.output == {"given": "$a.given"}
    assert read.displays == {"display": {"seen": "$a.seen"}}


@pytest.mark.parametrize("number", [MAX_STEPS + 1, 10_000])
def test_a_workflow_of_too_many_steps_is_refused(number: int) -> None:
    """By their number, and before they are looked at one by one."""
    with pytest.raises(InputError, match="1 to 100 steps"):
        read_definition({"nodes": {f"n{index}": RUN for index in range(number)}, "output": 1})


def test_a_part_that_multiplies_itself_is_refused() -> None:
    """Lists that hold one list many times over cannot fill the memory."""
    bomb: Any = ["$input.x"]
    for _ in range(30):
        bomb = [bomb] * 10
    with pytest.raises(InputError, match="100,000 values"):
        read_definition({"nodes": {"a": {**RUN, "input": {"x": bomb}}}, "output": 1})


def test_a_document_that_holds_itself_is_refused() -> None:
    """What goes in a circle in Python has no end either."""
    given: dict[str, Any] = {}
    given["x"] = given
    with pytest.raises(InputError, match="deep"):
        read_definition({"nodes": {"a": {**RUN, "input": given}}, "output": 1})


_NODE = ["type", "app", "input", "depends", "fields", "metadata"]
_DOCUMENT = ["nodes", "output", "schema", "contents", "name", "properties", "required", "anyOf", "$ref"]
_NAMES = st.sampled_from([*_NODE, *_DOCUMENT, "a", "b"])
_LEAVES = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["$a.b", "$input", "$input.x", "#/properties/a", "run", "display", "model", "object"])
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=6),
    max_leaves=40,
)


@given(st.dictionaries(_NAMES, _JSON), st.dictionaries(_NAMES, _JSON))
def test_whatever_stands_in_a_document_it_is_read_or_refused(part: Any, node: Any) -> None:
    """Wrong types in any place end as one error with a place, never as anything else; what is read can be written."""
    for document in (part, {**part, "nodes": {"a": {**RUN, **node}}, "output": {"x": "$a.x"}}):
        read: Definition | None = None
        with contextlib.suppress(InputError):
            read = read_definition(document)
        if read is not None:
            assert len(read.steps) <= MAX_STEPS
            json.dumps([read.inputs, read.output, read.displays, [it.input for it in read.steps.values()]])
