from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from nbkit.wire.fal.definition import Definition, Step, read_definition
from nbkit.wire.fal.dialects import as_edited, as_executable_file, as_executed, as_package
from nbkit.wire.fal.graph import Graph
from nbkit.wire.fal.reference import references

if TYPE_CHECKING:
    from collections.abc import Callable

SKETCH = Step("sketch", "acme/gen", {"prompt": "$input.prompt", "seed": "$input.seed"}, frozenset({"input"}))
CUT = Step("cut-out", "acme/cut", {"image_url": "$sketch.images.0.url"}, frozenset({"sketch"}))
POSTCARD = Definition(
    name="postcard",
    title="A postcard",
    inputs={
        "prompt": {"type": "string", "title": "What to draw", "description": "Any words", "minLength": 1},
        "seed": {"type": "integer", "default": None},
        "sizes": {"type": "array", "items": {"type": "number"}, "default": [1, 2.5]},
    },
    steps={"sketch": SKETCH, "cut-out": CUT},
    displays={"look": ["$sketch.images.0.url"]},
    output={"image": "$cut-out.image"},
    gives={"type": "object", "properties": {"image": {}}},
    metadata={"position": {"x": 1}},
)
FILES = [as_package, as_executable_file, as_edited]


@pytest.mark.parametrize("write", FILES)
def test_what_was_written_is_read_as_it_was(write: Callable[[Definition], Any]) -> None:
    """Each dialect keeps names, types, defaults, steps, what is shown, and what an editor noted."""
    read = read_definition(json.loads(json.dumps(write(POSTCARD))))

    assert read == POSTCARD
    assert list(read.steps) == list(POSTCARD.steps)


def test_the_package_s_form_has_what_its_reader_asks_for() -> None:
    """Name, both schemas, nodes and output; a display node is a list of fields, and `depends` lists the roots."""
    document = as_package(POSTCARD)

    assert {"name", "version", "schema", "nodes", "output"} <= document.keys()
    assert document["version"] == "0.1"
    assert document["schema"].keys() == {"input", "output"}
    assert document["schema"]["input"]["required"] == ["prompt"]
    assert document["nodes"]["sketch"] == {
        "type": "run",
        "id": "sketch",
        "app": "acme/gen",
        "depends": ["input"],
        "input": {"prompt": "$input.prompt", "seed": "$input.seed"},
    }
    assert document["nodes"]["look"]["fields"] == ["$sketch.images.0.url"]


def test_what_is_executed_is_nodes_alone() -> None:
    """An input node, run nodes, and a display node whose fields are the result, as fal documents it."""
    document = as_executed(POSTCARD)

    assert [node["type"] for node in document.values()] == ["input", "run", "run", "display", "display"]
    assert document["input"]["input"] == {"prompt": "", "seed": None, "sizes": [1, 2.5]}
    assert document["output"] == {
        "id": "output",
        "type": "display",
        "depends": ["cut-out"],
        "fields": {"image": "$cut-out.image"},
    }
    assert all(node["id"] == name for name, node in document.items())


def test_the_editor_s_form_has_no_input_node_and_says_who_uses_an_input() -> None:
    """Its reader permits `run` and `display` only, and wants every reference among `depends`."""
    document = as_edited(POSTCARD)

    assert {node["type"] for node in document["nodes"].values()} == {"run", "display"}
    assert document["schema"]["input"]["prompt"]["modelId"] == "sketch"
    assert document["schema"]["input"]["prompt"]["required"] is True
    assert document["schema"]["input"]["sizes"]["type"] == {"kind": "list", "elementType": "number"}
    for name, node in document["nodes"].items():
        said = {one.root for one in references(node["input"] or node.get("fields"), name)}
        assert said <= set(node["depends"])


def test_an_editor_s_plain_field_needs_no_schema_beside_it() -> None:
    """What its own words can say is said in its own words alone."""
    inputs = {"prompt": {"type": "string", "description": "Any words"}}
    document = as_edited(Definition("x", {"sketch": SKETCH}, {"a": 1}, inputs=inputs))

    assert document["schema"]["input"]["prompt"].keys() == {
        "name",
        "label",
        "type",
        "description",
        "required",
        "modelId",
    }


@pytest.mark.parametrize("name", ["schema", "nodes", "contents", "output", "name", "type", "title", "app"])
@pytest.mark.parametrize("write", [as_package, as_edited, as_executed])
def test_a_step_may_be_called_like_a_part_of_a_document(
    name: str, write: Callable[[Definition], Any]
) -> None:
    """Editors choose names by themselves; a node is told from a part by what it holds."""
    step = Step(name, "acme/gen", {"prompt": "$input.prompt"}, frozenset({"input"}))
    written = write(Definition("x", {name: step}, {"image": f"${name}.image"}, inputs={"prompt": {}}))
    read = read_definition(written)

    assert read.steps == {name: step}
    assert read.output == {"image": f"${name}.image"}
    assert Graph.of(read).steps == {name: Step(name, step.app, step.input)}


_WORDS = st.text("abcXYZ_", min_size=1, max_size=6).map(lambda word: f"w{word}")
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=6,
)
_SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "array", "object"]),
        "items": st.just({"type": "string"}),
        "title": st.text(max_size=5),
        "description": st.text(max_size=5),
        "default": _VALUES,
        "enum": st.lists(st.text(max_size=3), min_size=1, max_size=3),
        "required": st.lists(_WORDS, max_size=2),
    },
)


@st.composite
def _definitions(draw: st.DrawFn) -> Definition:
    """A workflow whose steps use inputs and earlier steps."""
    inputs = draw(st.dictionaries(_WORDS, _SCHEMAS, max_size=4))
    names = draw(st.lists(_WORDS, unique=True, min_size=1, max_size=6))
    steps: dict[str, Step] = {}
    for name in names:
        sources = [*(f"$input.{field}" for field in inputs), *(f"${other}.image.0.url" for other in steps)]
        values = _VALUES | st.sampled_from(sources) if sources else _VALUES
        sent = draw(st.dictionaries(_WORDS, values, max_size=3))
        needs = {one.root for one in references(sent, "")}
        steps[name] = Step(name, "acme/gen", sent, frozenset(needs))
    output = {"last": f"${names[-1]}.image"}
    return Definition("w", steps, output, inputs=inputs, title=draw(st.sampled_from(["", "A title"])))


@given(_definitions(), st.sampled_from(FILES))
def test_any_workflow_survives_every_dialect(
    definition: Definition, write: Callable[[Definition], Any]
) -> None:
    """Written as JSON and read again, it is the same workflow."""
    assert read_definition(json.loads(json.dumps(write(definition)))) == definition
