"""A workflow as something to be seen: a drawing for pages, lines for terminals, text for Mermaid."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nbkit.display import flowchart, table
from nbkit.display.escape import Markup, clean
from nbkit.display.expense import counted
from nbkit.display.flowchart import Box
from nbkit.display.layers import Port, depths
from nbkit.display.markup import NO_MATHEMATICS, element, faint, join
from nbkit.display.output import written
from nbkit.model.schema import type_words
from nbkit.wire.fal.definition import free_name
from nbkit.wire.fal.reference import INPUT, read_reference, references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbkit.wire.fal.definition import Definition

_LONGEST = 60
_FRAME = "font-size:13px;padding:2px 0 4px"
_SPECIAL = re.compile(r"[^\w .,:/-]")


def bundle(definition: Definition) -> dict[str, Any]:
    """The workflow as a MIME bundle that needs no script."""
    boxes, lines = _boxes(definition), _lines(definition)
    chart = flowchart.html(boxes, lines, _words(definition))
    rows = _rows(definition)
    shown = chart or table.html(rows, _HEADS)
    title = element(
        "div", element("span", _title(definition), style="font-weight:600"), " ", faint(_counts(definition))
    )
    page = element("div", join(title, shown if rows else Markup()), class_=NO_MATHEMATICS, style=_FRAME)
    head = f"{clean(_title(definition))}  {_counts(definition)}"
    return {
        "text/plain": "\n".join(filter(None, (head, table.text(rows, _HEADS) if rows else ""))),
        "text/html": str(page),
    }


def mermaid(definition: Definition) -> str:
    """The graph in the words of Mermaid."""
    names = {box.id: f"n{number}" for number, box in enumerate(_boxes(definition))}
    shapes = {"input": ("([", "])"), "step": ("[", "]"), "output": ("[[", "]]")}
    drawn = ["flowchart LR"]
    for box in _boxes(definition):
        opening, closing = shapes[box.kind]
        label = "<br/>".join(map(_quoted, filter(None, (box.title, box.detail))))
        drawn.append(f'  {names[box.id]}{opening}"{label}"{closing}')
    pairs = dict.fromkeys((start.box, end.box) for start, end in _lines(definition))
    drawn += [f"  {names[start]} --> {names[end]}" for start, end in pairs]
    return "\n".join(drawn)


_HEADS = ("", "step", "endpoint", "takes")


def _rows(definition: Definition) -> list[tuple[str, str, str, str]]:
    """A line a step, with a number that says when: those of one number run at the same time."""
    steps = definition.steps
    depth = depths(
        list(steps), [(other, name) for name, it in steps.items() for other in it.depends if other in steps]
    )
    rows = [("", INPUT, "", _listed(_inputs(definition)))] if definition.inputs else []
    rows += [
        (str(depth[name] + 1), name, step.app, _listed(_values(step.input)))
        for name, step in sorted(steps.items(), key=lambda named: depth[named[0]])
    ]
    rows += [("", name, "", _listed(_values(_named(fields)))) for name, fields in _shown(definition).items()]
    return rows


def _boxes(definition: Definition) -> list[Box]:
    boxes = [Box(INPUT, "input", "input", rows=_inputs(definition))] if definition.inputs else []
    boxes += [
        Box(name, "step", name, step.app, _parts(step.input)) for name, step in definition.steps.items()
    ]
    shown = _shown(definition).items()
    return boxes + [Box(_id(name, definition), "output", name, rows=_parts(_named(it))) for name, it in shown]


def _lines(definition: Definition) -> list[tuple[Port, Port]]:
    """From where to where values go, and what waits for what without taking a value of it."""
    fields = list(definition.inputs)
    lines: list[tuple[Port, Port]] = []
    takers = [(name, step.input) for name, step in definition.steps.items()]
    takers += [(_id(name, definition), _named(value)) for name, value in _shown(definition).items()]
    for taker, values in takers:
        for row, value in enumerate(values.values()):
            for named in references(value, ""):
                if named.root in definition.steps:
                    lines.append((Port(named.root), Port(taker, row)))
                elif named.root == INPUT and fields:
                    field = (
                        fields.index(named.path[0]) if named.path[:1] and named.path[0] in fields else None
                    )
                    lines.append((Port(INPUT, field), Port(taker, row)))
    for name, step in definition.steps.items():
        told = {named.root for named in references(step.input, "")}
        waits = sorted((step.depends - told) & definition.steps.keys())
        lines += [(Port(other), Port(name)) for other in waits]
    return lines


def _shown(definition: Definition) -> dict[str, Any]:
    """What the workflow shows besides, and what it gives."""
    return {**definition.displays, **({"output": definition.output} if definition.output else {})}


def _id(shown: str, definition: Definition) -> str:
    """What a box of the output is called where a step may have the same name."""
    return free_name(f"{shown} ", definition.steps)


def _named(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {str(number): inner for number, inner in enumerate(value)}
    return value if isinstance(value, dict) else {"": value}


def _inputs(definition: Definition) -> tuple[tuple[str, str], ...]:
    return tuple((name, _input_words(facts)) for name, facts in definition.inputs.items())


def _input_words(facts: dict[str, Any]) -> str:
    kind = type_words(facts)
    if "default" not in facts:
        return kind
    default = facts["default"]
    return f"{kind}, optional" if default is None else f"{kind} = {_short(default)}"


def _values(given: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _value(value)) for name, value in given.items())


def _parts(given: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The same beside lines that show where each value comes from: of a reference the part that is taken."""
    named = {name: read_reference(value) for name, value in given.items()}
    told = {name: f"← {'.'.join(it.path)}".strip() for name, it in named.items() if it}
    return tuple((name, told.get(name, value)) for name, value in _values(given))


def _value(value: Any) -> str:
    if isinstance(value, (str, int, float, dict, list)) or value is None:
        return _short(value)
    return f"a {type(value).__name__}"


def _short(value: Any) -> str:
    named = read_reference(value)
    text = f"← {named.text[1:]}" if named else written(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _listed(rows: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(" ".join(filter(None, row)) for row in rows)


def _title(definition: Definition) -> str:
    return definition.title or definition.name


def _counts(definition: Definition) -> str:
    counts = (counted(len(definition.inputs), "input"), counted(len(definition.steps), "step"))
    return " · ".join(filter(None, counts)) or "empty"


def _words(definition: Definition) -> str:
    """The graph in sentences."""
    return " ".join(_sentences(definition))


def _sentences(definition: Definition) -> Iterator[str]:
    yield f"Workflow {definition.name}."
    for number, name, endpoint, takes in _rows(definition):
        if number:
            yield f"Step {name} calls {endpoint} with {takes or 'nothing'}."
        else:
            yield f"{name.capitalize()}: {takes}."


def _quoted(text: str) -> str:
    """A text as Mermaid takes it in a label: what may mean something there is written by its number."""
    cut = clean(text)[:_LONGEST]
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", cut)
