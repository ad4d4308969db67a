"""Workflow definitions: fal's three dialects of one thing, read into steps and an output.

Facts: the `fal` package's `workflows.py` (dialect A, version "0.1": `nodes` and `output`), fal's "Custom workflow
UI" page (dialect B: what `workflows/execute` takes, an `input` node, `run` nodes and a `display` node whose
`fields` are the output) and the web editor's saved format (dialect C: A inside `contents`, with a flat
`schema.input`). Reading is tolerant: a document may mix them.

A string that is a whole reference (`$input.prompt`, `$sketch.images.0.url`) takes the value it names. There is no
interpolation inside longer strings, and a `$` before anything else is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUT = "input"
MAX_STEPS = 100
_DEEPEST = 40
_REFERENCE = re.compile(r"\$([A-Za-z0-9_-]+)((?:\.[A-Za-z0-9_-]+)*)")
_RUN_TYPES = ("run", "model")
_SHOW_TYPES = ("display", "output")


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a workflow.

    Attributes:
        id: Its name in the workflow.
        app: The endpoint it calls.
        input: What it sends, references unresolved.
        depends: The steps whose outputs it needs, without `input`.
    """

    id: str
    app: str
    input: dict[str, Any]
    depends: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Graph:
    """A workflow: steps, and how their outputs make the workflow's own.

    Attributes:
        name: What its author calls it, or an empty string.
        steps: Step id → step, in an order in which every step comes after those that it depends on.
        output: The JSON of the result, references unresolved.
        defaults: Input field → value for what the caller leaves out.
        required: Input fields that the caller must give.
    """

    name: str
    steps: dict[str, Step]
    output: Any
    defaults: dict[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()


def read_graph(document: Any) -> Graph:
    """Read a workflow definition of any dialect.

    Raises:
        InputError: It is not one; `field` says where (`nodes.sketch.app`).
    """
    document = _object(document, "workflow")
    contents = document.get("contents")
    if isinstance(contents, Mapping):
        document = {**document, **contents}
    nested = document.get("nodes")
    nodes = _object(nested, "nodes") if nested is not None else _flat_nodes(document)
    defaults, required = _inputs(document.get("schema"))
    shown: dict[str, Any] = {}
    runs: dict[str, Mapping[str, Any]] = {}
    for name, raw in nodes.items():
        node = _object(raw, f"nodes.{name}")
        kind = node.get("type") or ("run" if "app" in node else "")
        if kind in _RUN_TYPES:
            runs[name] = node
        elif kind in _SHOW_TYPES:
            shown[name] = node.get("fields") or node.get("input")
        elif kind == INPUT:
            given = node.get("input")
            defaults = {**(given if isinstance(given, Mapping) else {}), **defaults}
        else:
            raise InputError(
                f"node {name!r} has the unknown type {str(kind)[:40]!r}", field=f"nodes.{name}.type"
            )
    if not runs or len(runs) > MAX_STEPS:
        raise InputError(f"a workflow has 1 to {MAX_STEPS} steps, this one {len(runs)}", field="nodes")
    steps = {name: _step(name, node, runs, shown) for name, node in runs.items()}
    declared = document.get("output")
    # In a document that is its own map of nodes, `output` is a node among them.
    output = _output(None if nested is None and "output" in nodes else declared, shown)
    for name in _names(output, "output"):
        _known(name, runs, shown, "output")
    title = document.get("name")
    return Graph(title if isinstance(title, str) else "", _ordered(steps), output, defaults, required)


def resolve(value: Any, variables: Mapping[str, Any]) -> Any:
    """Replace every reference in a JSON value by what it names.

    Args:
        value: Any JSON.
        variables: `input` and the ids of finished steps → their JSON.

    Raises:
        InputError: A reference names something that is not there; `field` is the reference.
    """
    if isinstance(value, dict):
        return {key: resolve(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, variables) for inner in value]
    if isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
        return _look_up(value, match[1], match[2].split(".")[1:], variables)
    return value


def _look_up(reference: str, root: str, path: list[str], variables: Mapping[str, Any]) -> Any:
    if root not in variables:
        raise InputError(f"{reference} names no step or input", field=reference)
    found = variables[root]
    for part in path:
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and len(part) < _DEEPEST and int(part) < len(found):
            found = found[int(part)]
        else:
            raise InputError(f"{reference} names {part!r}, which is not there", field=reference)
    return found


def _step(name: str, node: Mapping[str, Any], runs: Mapping[str, Any], shown: Mapping[str, Any]) -> Step:
    app = node.get("app")
    if not isinstance(app, str) or not app:
        raise InputError(f"step {name!r} does not say which app it runs", field=f"nodes.{name}.app")
    given = _object(node.get("input") or {}, f"nodes.{name}.input")
    declared = node.get("depends") or []
    if not isinstance(declared, list) or not all(isinstance(other, str) for other in declared):
        raise InputError(f"`depends` of step {name!r} is not a list of names", field=f"nodes.{name}.depends")
    needs = {*declared, *_names(given, f"nodes.{name}.input")} - {INPUT}
    for other in needs:
        _known(other, runs, shown, f"nodes.{name}.depends")
    return Step(name, app, dict(given), frozenset(needs & runs.keys()))


def _output(declared: Any, shown: Mapping[str, Any]) -> Any:
    """The declared output, else the fields of the last display node that has some."""
    candidates = [declared, shown.get("output"), *reversed(list(shown.values()))]
    for candidate in candidates:
        if isinstance(candidate, list) and candidate:
            return {"fields": candidate}
        if candidate:
            return candidate
    raise InputError("the workflow has no output", field="output")


def _ordered(steps: dict[str, Step]) -> dict[str, Step]:
    sorter = TopologicalSorter({step.id: step.depends for step in steps.values()})
    try:
        return {name: steps[name] for name in sorter.static_order()}
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise InputError(f"steps wait for each other in a circle: {circle}", field="nodes") from error


def _inputs(schema: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Defaults and required fields, from JSON Schema (dialect A) or the editor's flat list (dialect C)."""
    declared = schema.get(INPUT) if isinstance(schema, Mapping) else None
    if not isinstance(declared, Mapping):
        return {}, ()
    properties = declared.get("properties")
    fields = properties if isinstance(properties, Mapping) else declared
    named = {name: facts for name, facts in fields.items() if isinstance(facts, Mapping)}
    defaults = {name: facts["default"] for name, facts in named.items() if "default" in facts}
    listed = declared.get("required") if isinstance(properties, Mapping) else None
    required = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    required += [
        name for name, facts in named.items() if facts.get("required") is True and name not in required
    ]
    return defaults, tuple(name for name in required if name not in defaults)


def _flat_nodes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes of a document that is itself the map of its nodes (dialect B)."""
    return {
        name: node
        for name, node in document.items()
        if isinstance(node, Mapping) and ("type" in node or "app" in node)
    }


def _names(value: Any, place: str, depth: int = 0) -> Iterator[str]:
    """The roots of all references in a value."""
    if depth > _DEEPEST:
        raise InputError(f"{place} is nested more than {_DEEPEST} deep", field=place)
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _names(inner, place, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, place, depth + 1)
    elif isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
        yield match[1]


def _known(name: str, runs: Mapping[str, Any], shown: Mapping[str, Any], place: str) -> None:
    if name != INPUT and name not in runs and name not in shown:
        raise InputError(f"{place} speaks of {name!r}, which is no step of this workflow", field=place)


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{place} is not an object", field=place)
    return value
