"""Workflow definitions: fal's three dialects of one thing, read into inputs, steps and an output.

Facts: the `fal` package's `workflows.py` (dialect A, version "0.1": `nodes` and `output`), fal's "Custom workflow
UI" page (dialect B: what `workflows/execute` takes, an `input` node, `run` nodes and a `display` node whose
`fields` are the output) and the web editor's saved format (dialect C: A inside `contents`, with a flat
`schema.input`). Reading is tolerant: a document may mix them. What it says need not make sense yet: steps may wait for
each other, or speak of what is not there. What cannot be read at all is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.model.references import resolved
from nbkit.wire.fal.reference import DEEPEST, INPUT, references

if TYPE_CHECKING:
    from collections.abc import Container

MAX_STEPS = 100
LARGEST = 2**20
"""Bytes of one definition as JSON."""
_MOST_PARTS = 100_000
_RUN_TYPES = ("run", "model")
_SHOW_TYPES = ("display", "output")
_NODE_TYPES = (*_RUN_TYPES, *_SHOW_TYPES, INPUT)
_LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a workflow.

    Attributes:
        id: Its name in the workflow.
        app: The endpoint it calls.
        input: What it sends, references unresolved.
        depends: What it waits for: steps, and `input` where it speaks of that.
        metadata: What an editor keeps with it, such as its place on a canvas.
    """

    id: str
    app: str
    input: dict[str, Any]
    depends: frozenset[str] = frozenset()
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Definition:
    """A workflow as a document says it.

    Attributes:
        name: What its author calls it, or an empty string.
        title: Its name for people, or an empty string.
        inputs: Input field → JSON Schema of it. One without a `default` must be given.
        steps: Step id → step, as they are listed.
        displays: Id of a display node → what it shows, but for the one that shows the output.
        output: The JSON of the result, references unresolved; None where there is none.
        gives: JSON Schema of the result, empty where nobody says.
        metadata: What an editor keeps with it.
    """

    name: str
    steps: dict[str, Step]
    output: Any = None
    title: str = ""
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    displays: dict[str, Any] = field(default_factory=dict)
    gives: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def read_definition(document: Any) -> Definition:
    """Read a workflow definition of any dialect.

    Raises:
        InputError: It is not one; `field` says where (`nodes.sketch.app`).
    """
    document = _object(document, "workflow")
    contents = document.get("contents")
    if _is_part(contents):
        document = {**document, **contents}
    copy = _Copier()
    nested = document.get("nodes") if not _is_node(document.get("nodes")) else None
    nodes = _object(nested, "nodes") if nested is not None else _flat_nodes(document)
    steps, displays, presets = _sorted(nodes, copy)
    # In a document that is its own map of nodes, `output` is a node among them.
    declared = None if nested is None and "output" in nodes else document.get("output")
    schema = document.get("schema") if _is_part(document.get("schema")) else {}
    output = _output(copy(declared, "output"), displays)
    inputs = {name: {"default": value} for name, value in presets.items()}
    inputs |= _inputs(schema.get(INPUT), copy)
    shown = {name: fields for name, fields in displays.items() if not _shows(fields, output)}
    if "output" in shown:  # where the output is a node, this is its name
        shown[free_name("display", {*steps, *shown})] = shown.pop("output")
    for value in (output, *shown.values(), *(step.input for step in steps.values())):
        for one in references(value, "output"):
            if one.root == INPUT and one.path:
                inputs.setdefault(one.path[0], {})
    return Definition(
        name=_text(document.get("name")),
        title=_text(document.get("title"))[:_LONGEST_TITLE],
        inputs=inputs,
        steps=steps,
        displays=shown,
        output=output,
        gives=resolved(_part(schema.get("output"), "schema.output", copy)),
        metadata=_part(document.get("metadata"), "metadata", copy),
    )


def free_name(name: str, taken: Container[str]) -> str:
    """The name, with a number behind it where it is taken."""
    numbered = (f"{name}_{number}" for number in count(2))
    return name if name not in taken else next(it for it in numbered if it not in taken)


class _Copier:
    """Copies what is kept of a document, up to a depth and a number of values: it may hold one part many times."""

    def __init__(self) -> None:
        self._left = _MOST_PARTS

    def __call__(self, value: Any, place: str, depth: int = 0) -> Any:
        self._left -= 1
        if depth > DEEPEST:
            raise InputError(f"{place[:80]} is nested more than {DEEPEST} deep", field=place)
        if self._left < 0:
            raise InputError(f"a workflow has up to {_MOST_PARTS:,} values", field=place)
        if isinstance(value, Mapping):
            return {
                str(name): self(inner, f"{place}.{name}", depth + 1) for name, inner in list(value.items())
            }
        if isinstance(value, (list, tuple)):
            return [self(inner, f"{place}.{index}", depth + 1) for index, inner in enumerate(value)]
        return value


def _sorted(
    nodes: Mapping[str, Any], copy: _Copier
) -> tuple[dict[str, Step], dict[str, Any], dict[str, Any]]:
    """The steps, the display nodes, and the values in nodes of the input."""
    steps: dict[str, Step] = {}
    displays: dict[str, Any] = {}
    presets: dict[str, Any] = {}
    if len(nodes) > 2 * MAX_STEPS:
        raise _too_many(len(nodes))
    for name, raw in ((str(name), raw) for name, raw in nodes.items()):
        node = _object(raw, f"nodes.{name}")
        kind = node.get("type") or ("run" if "app" in node else "")
        if kind in _RUN_TYPES:
            steps[name] = _step(name, node, copy)
        elif kind in _SHOW_TYPES:
            displays[name] = copy(node.get("fields") or node.get("input"), f"nodes.{name}.fields")
        elif kind == INPUT:
            presets |= _part(node.get("input"), f"nodes.{name}.input", copy)
        else:
            raise InputError(
                f"node {name!r:.80} has the unknown type {str(kind)[:40]!r}", field=f"nodes.{name}.type"
            )
    if len(steps) > MAX_STEPS or (not steps and not displays):
        raise _too_many(len(steps))
    return steps, displays, presets


def _too_many(number: int) -> InputError:
    return InputError(f"a workflow has 1 to {MAX_STEPS} steps, this one {number}", field="nodes")


def _step(name: str, node: Mapping[str, Any], copy: _Copier) -> Step:
    place = f"nodes.{name}"
    if name == INPUT:
        raise InputError("`input` is the workflow's own: a step has another name", field=place)
    app = node.get("app")
    if not isinstance(app, str) or not app:
        raise InputError(f"step {name!r:.80} does not say which app it runs", field=f"{place}.app")
    given = _object(node.get("input") or {}, f"{place}.input")
    declared = node.get("depends") or []
    if not isinstance(declared, list) or not all(isinstance(other, str) for other in declared):
        raise InputError(f"`depends` of step {name!r:.80} is not a list of names", field=f"{place}.depends")
    copied = copy(given, f"{place}.input")
    needs = {*declared, *(one.root for one in references(copied, f"{place}.input"))}
    return Step(name, app, copied, frozenset(needs), _part(node.get("metadata"), f"{place}.metadata", copy))


def _output(declared: Any, displays: Mapping[str, Any]) -> Any:
    """The declared output, else the fields of the last display node that has some."""
    for candidate in (declared, displays.get("output"), *reversed(list(displays.values()))):
        if candidate:
            return _as_output(candidate)
    return None


def _as_output(fields: Any) -> Any:
    return {"fields": fields} if isinstance(fields, list) else fields


def _shows(fields: Any, output: Any) -> bool:
    return not fields or _as_output(fields) == output


def _inputs(declared: Any, copy: _Copier) -> dict[str, dict[str, Any]]:
    """The input fields of JSON Schema (dialect A) or of the editor's flat list (dialect C)."""
    if not isinstance(declared, Mapping):
        return {}
    if declared.get("type") == "object" or isinstance(declared.get("$ref"), str):
        declared = resolved(copy(declared, "schema.input"))
    properties = declared.get("properties")
    is_schema = isinstance(properties, Mapping) and (
        declared.get("type") == "object" or all(isinstance(facts, Mapping) for facts in properties.values())
    )
    required = declared.get("required") if is_schema else None
    listed = required if isinstance(required, list) else []
    found: dict[str, dict[str, Any]] = {}
    fields = properties if isinstance(properties, Mapping) and is_schema else declared
    for name, facts in fields.items():
        if isinstance(facts, Mapping):
            copied = copy(facts, f"schema.input.{name}")
            is_required = name in listed or copied.get("required") is True
            if not isinstance(copied.get("required"), list):
                copied.pop("required", None)
            found[str(name)] = copied if is_schema else from_editor(copied)
            if not is_required:
                found[str(name)].setdefault("default", None)
    return found


def from_editor(facts: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema of a field that is told in the words of the web editor."""
    whole = facts.pop("schema", None)
    if isinstance(whole, dict):
        return whole
    kind, label = facts.pop("type", None), facts.pop("label", None)
    name = facts.pop("name", None)
    facts.pop("modelId", None)
    if isinstance(label, str) and label != name:
        facts.setdefault("title", label)
    if isinstance(kind, dict):
        facts = {"type": "array", "items": {"type": kind.get("elementType", "string")}, **facts}
    elif kind is not None:
        facts = {"type": kind, **facts}
    return facts


def _flat_nodes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes of a document that is itself the map of its nodes (dialect B)."""
    return {
        name: node
        for name, node in document.items()
        if isinstance(node, Mapping) and ("type" in node or "app" in node)
    }


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and (
        isinstance(value.get("app"), str) or value.get("type") in _NODE_TYPES
    )


def _is_part(value: Any) -> bool:
    """Whether it is a part of a document that is named as such, and not a node of that name."""
    return isinstance(value, Mapping) and not _is_node(value)


def _part(value: Any, place: str, copy: _Copier) -> dict[str, Any]:
    copied: dict[str, Any] = copy(value, place) if isinstance(value, Mapping) else {}
    return copied


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{place[:120]} is not an object", field=place)
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
