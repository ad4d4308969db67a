"""A workflow definition as JSON, in each of the three dialects that `nbkit.wire.fal.definition` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.wire.fal.definition import free_name, from_editor
from nbkit.wire.fal.reference import INPUT, references

if TYPE_CHECKING:
    from nbkit.wire.fal.definition import Definition, Step

OUTPUT = "output"
RESERVED = frozenset({INPUT, OUTPUT, "contents", "metadata", "name", "nodes", "schema", "title", "version"})
"""What a document may say beside its nodes, so that no step should be called so."""


def as_package(definition: Definition) -> dict[str, Any]:
    """As the `fal` package writes and publishes it; it holds everything."""
    nodes = {
        **_runs(definition),
        **{name: _display(name, fields) for name, fields in definition.displays.items()},
    }
    return {
        **_about(definition),
        "version": "0.1",
        "schema": _schema(definition),
        "nodes": nodes,
        "output": definition.output,
        **_metadata(definition.metadata),
    }


def as_executed(definition: Definition) -> dict[str, Any]:
    """As `workflows/execute` takes it: the nodes alone. What inputs are like has no place in it."""
    presets = {name: facts.get("default", "") for name, facts in definition.inputs.items()}
    given = {"id": INPUT, "type": "input", "depends": [], "input": presets}
    shown = {name: _display(name, fields) for name, fields in definition.displays.items()}
    last = free_name(OUTPUT, {*definition.steps, *shown})
    return {
        INPUT: given,
        **_runs(definition),
        **shown,
        **({last: _display(last, definition.output)} if definition.output else {}),
    }


def as_executable_file(definition: Definition) -> dict[str, Any]:
    """The same as a file that forgets nothing: name and inputs stand beside the nodes."""
    beside = {
        **_about(definition),
        "schema": _schema(definition),
        **_metadata(definition.metadata),
    }
    nodes = as_executed(definition)
    return {**{name: value for name, value in beside.items() if name not in nodes}, **nodes}


def as_edited(definition: Definition) -> dict[str, Any]:
    """As fal's web editor saves it, where no node is the input's."""
    nodes = {name: node for name, node in as_executed(definition).items() if name != INPUT}
    for node in nodes.values():
        node.setdefault("input", {})
    users = {
        one.path[0]: step.id
        for step in reversed(definition.steps.values())
        for one in references(step.input, step.id)
        if one.root == INPUT and one.path
    }
    fields = {name: _edited(name, facts, users.get(name, "")) for name, facts in definition.inputs.items()}
    return {
        **_about(definition),
        "version": "1",
        "nodes": nodes,
        "output": definition.output,
        "schema": {"input": fields, "output": definition.gives},
        "metadata": definition.metadata,
    }


def _about(definition: Definition) -> dict[str, Any]:
    return {"name": definition.name} | ({"title": definition.title} if definition.title else {})


def _metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": metadata} if metadata else {}


def _runs(definition: Definition) -> dict[str, Any]:
    return {name: _run(step) for name, step in definition.steps.items()}


def _run(step: Step) -> dict[str, Any]:
    return {
        "type": "run",
        "id": step.id,
        "app": step.app,
        "depends": sorted(step.depends),
        "input": step.input,
        **_metadata(step.metadata),
    }


def _display(name: str, fields: Any) -> dict[str, Any]:
    depends = sorted({one.root for one in references(fields, name)})
    return {"type": "display", "id": name, "depends": depends, "fields": fields}


def _schema(definition: Definition) -> dict[str, Any]:
    required = [name for name, facts in definition.inputs.items() if "default" not in facts]
    given = {"type": "object", "title": "WorkflowInput", "properties": definition.inputs}
    return {INPUT: {**given, "required": required}, OUTPUT: definition.gives}


def _edited(name: str, facts: dict[str, Any], user: str) -> dict[str, Any]:
    kind, items = facts.get("type", "string"), facts.get("items")
    element = items.get("type") if kind == "array" and isinstance(items, dict) else None
    written: dict[str, Any] = {
        "name": name,
        "label": facts.get("title", name),
        "type": {"kind": "list", "elementType": element} if isinstance(element, str) else kind,
        "description": facts.get("description", ""),
        "required": "default" not in facts,
        "modelId": user,
    }
    told = from_editor({word: written[word] for word in ("name", "label", "type", "description")})
    return written if told == facts else {**written, "schema": facts}
