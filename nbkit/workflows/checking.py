"""A workflow before it is run: whether it holds together, and whether its parts fit what its endpoints say.

What cannot be known is never refused; where a schema is missing, a note says what was not checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.model.checking import check as check_input, nearest
from nbkit.model.endpoint import Endpoint
from nbkit.model.schema import Schema
from nbkit.wire.fal.definition import MAX_STEPS
from nbkit.wire.fal.graph import among, circle_in
from nbkit.wire.fal.reference import INPUT, read_reference, references
from nbkit.workflows.report import Problem, Report
from nbkit.workflows.types import UnknownField, mismatch, part_of, part_that_fits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbkit.wire.fal.definition import Definition, Step
    from nbkit.wire.fal.reference import Named
    from nbkit.workflows.schemas import Unknown

_TYPED = frozenset({"type", "anyOf", "enum"})
_ASIDE = "if that is meant as text, put a space before it"


@dataclass(frozen=True, slots=True)
class Checked:
    """A definition beside what its endpoints say.

    Attributes:
        definition: The workflow.
        schemas: Endpoint → its schema, or why there is none.
        stand_ins: Endpoints of fal that this machine would answer in fal's place.
    """

    definition: Definition
    schemas: Mapping[str, Schema | Unknown]
    stand_ins: tuple[str, ...] = ()

    def report(self) -> Report:
        """Everything that is wrong or doubtful."""
        problems = [*self._whole(), *self._circles(), *self._own_inputs(), *self._shown()]
        notes: list[Problem] = [*self._idle(), *self._answered_here()]
        for step in self.definition.steps.values():
            for problem, is_certain in self._step(step):
                (problems if is_certain else notes).append(problem)
        return Report(self.definition.name, tuple(problems), tuple(dict.fromkeys(notes)))

    def schema_at(self, named: Named) -> Mapping[str, Any]:
        """The schema of what a reference names, empty where it is not known.

        Raises:
            InputError: It names something that is certainly not there.
        """
        definition = self.definition
        if named.root == INPUT:
            schema: Mapping[str, Any] = {"properties": definition.inputs}
        elif named.root in definition.steps:
            found = self.schemas.get(definition.steps[named.root].app)
            schema = found.output if isinstance(found, Schema) else {}
        else:
            near = nearest(named.root, [*definition.steps, INPUT])
            hint = f"did you mean {near!r}?" if near else f"its steps are {', '.join(definition.steps)}"
            raise InputError(
                f"{named.text} names {named.root!r}, which is no step", hint=f"{hint} ({_ASIDE})"
            )
        holder = named.root
        for part in named.path:
            schema = part_of(schema, part, holder)
            holder = f"{holder}.{part}"
        return schema

    def described(self) -> Definition:
        """The definition with the types that are known of its inputs and its output."""
        inputs = dict(self.definition.inputs)
        for step in self.definition.steps.values():
            found = self.schemas.get(step.app)
            if not isinstance(found, Schema):
                continue
            for named in references(step.input, step.id):
                name = named.path[0] if named.root == INPUT and len(named.path) == 1 else ""
                if name in inputs and not inputs[name].keys() & _TYPED:
                    taken = _schema_of_place(found.input, named.place.split(".")[1:])
                    told = {word: it for word, it in taken.items() if word != "default"}
                    inputs[name] = {**told, **inputs[name]}
        output = self.definition.output
        gives = (
            {name: self._gives(value) for name, value in output.items()} if isinstance(output, dict) else {}
        )
        schema = {"type": "object", "title": "WorkflowOutput", "properties": gives}
        return replace(self.definition, inputs=inputs, gives=schema)

    def _gives(self, value: Any) -> dict[str, Any]:
        """The schema of a value of the output, empty where it is not known."""
        named = read_reference(value)
        try:
            return dict(self.schema_at(named)) if named else {}
        except InputError:
            return {}

    def _answered_here(self) -> Iterator[Problem]:
        for app in self.stand_ins:
            yield Problem(
                app,
                "another step is answered on this machine alone, so this one is answered here, too, not by fal",
                "with a key for fal, use endpoints of fal alone",
            )

    def _whole(self) -> Iterator[Problem]:
        definition = self.definition
        if not definition.steps:
            yield Problem("steps", "there is none", "add one with flow.run(endpoint, …)")
        if len(definition.steps) > MAX_STEPS:
            yield Problem("steps", f"there are {len(definition.steps)}", f"{MAX_STEPS} is the most")
        if not definition.output:
            yield Problem("output", "nothing is given as the result", "say what with flow.output(name=…)")

    def _circles(self) -> Iterator[Problem]:
        """Each circle in which steps wait for each other; where one is told, it is cut open to find the next."""
        steps = dict(self.definition.steps)
        while circle := circle_in(among(steps)):
            words = " → ".join(circle)
            yield Problem(circle[0], f"it waits for itself: {words}", "take one of these references out")
            for name in set(circle):
                del steps[name]

    def _own_inputs(self) -> Iterator[Problem]:
        for name, facts in self.definition.inputs.items():
            preset = {name: facts.get("default")}
            for problem in check_input(preset, {"properties": {name: facts}}, "the workflow"):
                yield Problem(f"{INPUT}.{problem.field}", f"its default does not fit: {problem.message}")

    def _shown(self) -> Iterator[Problem]:
        shown = {"output": self.definition.output, **self.definition.displays}
        for place, value in shown.items():
            for named in references(value, place):
                try:
                    self.schema_at(named)
                except InputError as error:
                    yield Problem(named.place, error.args[0], error.hint)

    def _idle(self) -> Iterator[Problem]:
        """Inputs and steps that nothing uses."""
        definition = self.definition
        values = (definition.output, definition.displays, *(it.input for it in definition.steps.values()))
        used = {named for value in values for named in references(value, "")}
        roots = {named.root for named in used} | {
            it for step in definition.steps.values() for it in step.depends
        }
        fields = {named.path[0] for named in used if named.root == INPUT and named.path}
        if INPUT in {named.root for named in used if not named.path}:
            fields = set(definition.inputs)
        for name in definition.inputs:
            if name not in fields:
                yield Problem(f"{INPUT}.{name}", "no step uses it")
        for name in definition.steps:
            if name not in roots:
                yield Problem(name, "nothing uses what it gives; it runs, and is billed, all the same")

    def _step(self, step: Step) -> Iterator[tuple[Problem, bool]]:
        for other in sorted(step.depends - self.definition.steps.keys() - {INPUT}):
            if other not in {named.root for named in references(step.input, step.id)}:
                yield Problem(step.id, f"it waits for {other!r}, which is no step"), True
        for place, text in _texts(step.input, step.id):
            yield from self._text(place, text)
        found = self.schemas.get(step.app)
        if not isinstance(found, Schema):
            yield from self._unknown(step, found)
            for named in references(step.input, step.id):
                yield from self._reference(named, {})
            return
        for problem in check_input(_opened(step.input), found.input, step.app):
            said = problem.message.removeprefix(f"{problem.field}: ")
            yield Problem(f"{step.id}.{problem.field}", said), problem.is_certain
        for named in references(step.input, step.id):
            yield from self._reference(named, _schema_of_place(found.input, named.place.split(".")[1:]))

    def _unknown(self, step: Step, found: Unknown | None) -> Iterator[tuple[Problem, bool]]:
        try:
            endpoint = Endpoint.parse(step.app)
        except InputError as error:
            yield Problem(step.id, error.args[0], error.hint), True
            return
        if endpoint.provider == "dify":
            yield Problem(step.id, f"{step.app} is a workflow of Dify: it cannot be a step of fal's"), True
        elif found is not None and found.is_certain:
            yield Problem(step.id, f"{step.app} is not known: {found.reason}", "write another endpoint"), True
        else:
            reason = f": {found.reason}" if found else ""
            yield Problem(step.id, f"its input and output were not checked{reason}"), False

    def _reference(self, named: Named, wanted: Mapping[str, Any]) -> Iterator[tuple[Problem, bool]]:
        try:
            given = self.schema_at(named)
        except UnknownField as error:
            yield Problem(named.place, f"{named.text}: {error.args[0]}", error.hint), True
            return
        except InputError as error:
            yield Problem(named.place, error.args[0], error.hint), True
            return
        if reason := mismatch(given, wanted):
            better = part_that_fits(given, wanted)
            advice = f"write {'.'.join((named.root, *named.path))}{better}" if better else ""
            yield Problem(named.place, f"{named.text} does not fit: {reason}", advice), True

    def _text(self, place: str, text: str) -> Iterator[tuple[Problem, bool]]:
        if text.startswith("$"):
            yield Problem(place, "fal may read a text that begins with $ as a reference", _ASIDE), False
        inside = [name for name in (*self.definition.steps, INPUT) if f"${name}." in text]
        if inside:
            what = f"${inside[0]}. stands inside a longer text, and is sent as it is"
            yield Problem(place, what, "a reference is the whole value, or none"), False


class _Unresolved:
    """Stands in an input where a reference stands: a value that is given, and not known yet."""


def _opened(value: Any) -> Any:
    """An input with something unknown in place of each reference, so that only what is known is checked."""
    if isinstance(value, dict):
        return {name: _opened(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_opened(inner) for inner in value]
    return _Unresolved() if read_reference(value) else value


def _schema_of_place(schema: Mapping[str, Any], place: list[str]) -> Mapping[str, Any]:
    """The schema of a place in an input, empty where it is not known."""
    for part in place:
        try:
            schema = part_of(schema, part, "")
        except UnknownField:  # that the place itself is wrong is told by the check of the input
            return {}
    return schema


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text in a value that is no reference."""
    if isinstance(value, (dict, list)):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, f"{place}.{name}")
    elif isinstance(value, str) and not read_reference(value):
        yield place, value
