from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import InputError
from nbkit.wire.fal.definition import MAX_STEPS
from nbkit.wire.fal.graph import read_graph
from nbkit.wire.fal.reference import resolve

EXPORTED = {
    "name": "demo",
    "version": "0.1",
    "schema": {
        "input": {
            "type": "object",
            "required": ["prompt", "size"],
            "properties": {"prompt": {"type": "string"}, "size": {"default": "square"}},
        },
        "output": {},
    },
    "nodes": {
        "acme_up_1": {
            "type": "run",
            "id": "acme_up_1",
            "app": "acme/up",
            "depends": ["acme_gen_1"],
            "input": {"image_url": "$acme_gen_1.images.0.url"},
        },
        "acme_gen_1": {
            "type": "run",
            "id": "acme_gen_1",
            "app": "acme/gen",
            "depends": ["input"],
            "input": {"prompt": "$input.prompt"},
        },
        "display_1": {
            "type": "display",
            "id": "display_1",
            "depends": ["acme_up_1"],
            "fields": ["$acme_up_1.url"],
        },
    },
    "output": {"u": "$acme_up_1.url"},
}
AD_HOC = {
    "input": {"id": "input", "type": "input", "depends": [], "input": {"prompt": "a cat"}},
    "n1": {
        "id": "n1",
        "type": "run",
        "app": "acme/gen",
        "depends": ["input"],
        "input": {"prompt": "$input.prompt"},
    },
    "output": {"id": "output", "type": "display", "depends": ["n1"], "fields": {"image": "$n1.image"}},
}
SAVED = {
    "name": "saved",
    "title": "Saved",
    "contents": {
        "name": "workflow",
        "version": "1",
        "nodes": {
            "output": {
                "type": "display",
                "id": "output",
                "depends": ["node-image"],
                "input": {},
                "fields": {"x": 1},
            },
            "node-image": {
                "type": "run",
                "id": "node-image",
                "app": "acme/gen",
                "depends": ["input"],
                "input": {"prompt": "$input.prompt"},
            },
        },
        "output": {"image": "$node-image.images.0.url"},
        "schema": {"input": {"prompt": {"name": "prompt", "type": "string", "required": True}}},
        "metadata": {},
    },
}


def _run(app: str = "a/b", depends: Any = (), **given_input: Any) -> dict[str, Any]:
    return {"type": "run", "app": app, "depends": list(depends), "input": given_input}


def test_the_package_s_export_is_read() -> None:
    """Steps in an order that works, required inputs without those that have a default."""
    graph = read_graph(EXPORTED)

    assert list(graph.steps) == ["acme_gen_1", "acme_up_1"]
    assert graph.steps["acme_up_1"].depends == {"acme_gen_1"}
    assert graph.output == {"u": "$acme_up_1.url"}
    assert (graph.required, graph.defaults) == (("prompt",), {"size": "square"})


def test_the_ad_hoc_form_is_read() -> None:
    """Its input node holds defaults, its output node is the result."""
    graph = read_graph(AD_HOC)

    assert list(graph.steps) == ["n1"]
    assert graph.output == {"image": "$n1.image"}
    assert graph.defaults == {"prompt": "a cat"}


def test_the_editor_s_saved_form_is_read() -> None:
    """Contents may be wrapped, ids may have hyphens, required stands at the field."""
    graph = read_graph(SAVED)

    assert graph.steps["node-image"].app == "acme/gen"
    assert graph.required == ("prompt",)
    assert graph.output == {"image": "$node-image.images.0.url"}


def test_reading_changes_nothing() -> None:
    """A document can be read again."""
    before = repr(SAVED)
    read_graph(SAVED)

    assert repr(SAVED) == before


def test_a_reference_is_a_dependency_even_if_it_is_not_declared() -> None:
    """A step waits for what it speaks of."""
    graph = read_graph({"nodes": {"b": _run(x=["$a.y"]), "a": _run()}, "output": "$b"})

    assert list(graph.steps) == ["a", "b"]


def test_nodes_named_model_and_output_are_steps_and_results() -> None:
    """The platform's examples call them so."""
    graph = read_graph(
        {"nodes": {"a": {"type": "model", "app": "x/y"}, "out": {"type": "output", "fields": {"u": "$a"}}}}
    )

    assert graph.output == {"u": "$a"}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (None, "workflow"),
        ([], "workflow"),
        ({}, "nodes"),
        ({"nodes": []}, "nodes"),
        ({"nodes": {"a": 3}, "output": 1}, "nodes.a"),
        ({"nodes": {"a": {"type": "loop"}}, "output": 1}, "nodes.a.type"),
        ({"nodes": {"a": {"type": "run"}}, "output": 1}, "nodes.a.app"),
        ({"nodes": {"a": _run(depends=["b"])}, "output": 1}, "nodes.a.depends"),
        ({"nodes": {"a": {**_run(), "depends": "b"}}, "output": 1}, "nodes.a.depends"),
        ({"nodes": {"a": _run(depends=["a"])}, "output": 1}, "nodes"),
        ({"nodes": {"a": _run(x="$a.y")}, "output": 1}, "nodes"),
        ({"nodes": {"a": _run(depends=["b"]), "b": _run(depends=["a"])}, "output": 1}, "nodes"),
        ({"nodes": {"a": _run()}, "output": "$b"}, "output"),
        ({"nodes": {"a": _run()}}, "output"),
        ({"nodes": {f"n{index}": _run() for index in range(MAX_STEPS + 1)}, "output": 1}, "nodes"),
    ],
)
def test_what_is_no_workflow_is_refused_at_the_place(document: Any, field: str) -> None:
    """The error says where."""
    with pytest.raises(InputError) as caught:
        read_graph(document)

    assert caught.value.field == field


def test_what_is_nested_too_deep_is_refused() -> None:
    """Nothing from outside can exhaust the stack."""
    deep: Any = "$input.x"
    for _ in range(100):
        deep = [deep]
    with pytest.raises(InputError, match="deep"):
        read_graph({"nodes": {"a": _run(x=deep)}, "output": 1})


def test_references_take_values_of_any_kind() -> None:
    """The whole string is the reference; inside longer text, and before what is no name, `$` is text."""
    variables = {"input": {"prompt": "a cat", "n": 2}, "node-1": {"images": [{"url": "u"}], "1": "one"}}
    value = {
        "a": "$input.prompt",
        "b": ["$node-1.images.0.url", "$input.n"],
        "c": "$node-1.images",
        "d": "see $input.prompt",
        "e": " $input.prompt",
        "f": "$5.99 each",
        "g": "$node-1.1",
        "h": "$",
    }

    assert resolve(value, variables) == {
        "a": "a cat",
        "b": ["u", 2],
        "c": [{"url": "u"}],
        "d": "see $input.prompt",
        "e": " $input.prompt",
        "f": "$5.99 each",
        "g": "one",
        "h": "$",
    }


@pytest.mark.parametrize(
    "reference", ["$other", "$input.no", "$input.list.7", "$input.text.x", "$input.list.x"]
)
def test_a_reference_to_nothing_is_named(reference: str) -> None:
    """An error, not an empty value."""
    with pytest.raises(InputError) as caught:
        resolve([reference], {"input": {"list": [1], "text": "abc"}})

    assert caught.value.field == reference


@st.composite
def _graphs(draw: st.DrawFn) -> dict[str, Any]:
    """A workflow whose steps depend on earlier ones only, written down in any order."""
    size = draw(st.integers(1, 12))
    nodes = {}
    for index in range(size):
        earlier = draw(st.sets(st.integers(0, index - 1))) if index else set()
        declared = {other for other in earlier if draw(st.booleans())}
        references = {f"x{other}": f"$n{other}.y" for other in earlier}
        nodes[f"n{index}"] = _run(depends=[f"n{other}" for other in declared], **references)
    order = draw(st.permutations(list(nodes)))
    return {"nodes": {name: nodes[name] for name in order}, "output": {"last": f"$n{size - 1}"}}


@given(_graphs())
def test_every_step_comes_after_those_it_depends_on(document: dict[str, Any]) -> None:
    """In whatever order a document lists them."""
    graph = read_graph(document)
    seen: set[str] = set()
    for name, step in graph.steps.items():
        assert step.depends <= seen
        seen.add(name)

    assert seen == document["nodes"].keys()


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["$a.b", "$input", "run"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["nodes", "output", "type", "app", "input", "depends", "fields", "schema", "a", "contents"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(_JSON)
def test_any_json_is_read_or_refused(document: Any) -> None:
    """Never anything else."""
    steps = {}
    with contextlib.suppress(InputError):
        steps = read_graph(document).steps

    assert isinstance(steps, dict)
