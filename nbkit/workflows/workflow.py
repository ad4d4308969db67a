"""A workflow of one's own: fal's graph of endpoints, built in Python or read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from nbkit.display.escape import clean
from nbkit.endpoints.declare import Declared
from nbkit.errors import InputError
from nbkit.model.endpoint import Endpoint
from nbkit.wire.fal.definition import MAX_STEPS, Definition, Step, free_name, read_definition
from nbkit.wire.fal.dialects import RESERVED, as_edited, as_executable_file, as_package
from nbkit.wire.fal.reference import INPUT, NAME, references
from nbkit.workflows import drawing
from nbkit.workflows.annotations import schema_of
from nbkit.workflows.files import load, save
from nbkit.workflows.publishing import publish
from nbkit.workflows.reference import Reference, written
from nbkit.workflows.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.client.client import Client
    from nbkit.client.run import Run, Stream
    from nbkit.model.result import Result
    from nbkit.workflows.report import Report

Dialect: TypeAlias = Literal["package", "execute", "editor"]
_EXECUTE = "workflows/execute"
_DIALECTS = {"package": as_package, "execute": as_executable_file, "editor": as_edited}
_NO_DEFAULT: Any = object()
_LONGEST_NAME = 128


class Workflow:
    """A graph of endpoints, in which the output of one is the input of others.

    `input` and `run` give references: values that are there only when the workflow runs. Where the schema of an
    endpoint is known, a part that it does not have is an error at once. Steps that do not wait for each other run at
    the same time. As the last value of a cell a workflow draws itself.

    Args:
        name: Its name in addresses: letters, digits, `_` and `-`.
        title: Its name for people.
        client: Who runs it and knows its endpoints; by default a new `nbkit.Client()`, or one of the embedded server
            where a step is answered there alone.

    Raises:
        InputError: The name is not one.
    """

    def __init__(self, name: str, *, title: str = "", client: Client | None = None) -> None:
        if not _is_name(name) or len(name) > _LONGEST_NAME:
            raise InputError(
                f"{name!r:.140} is not a name of a workflow",
                field="name",
                hint=f"write up to {_LONGEST_NAME} letters, digits, _ and -; title= takes any text",
            )
        self._definition = Definition(name, {}, title=title)
        self._runner = Runner(client)

    @classmethod
    def read(cls, document: Any, *, client: Client | None = None) -> Self:
        """A workflow of a definition as JSON, in any of fal's dialects.

        What cannot be carried out is read all the same; `check` tells what is wrong with it.

        Raises:
            InputError: It is no definition; `field` says where (`nodes.sketch.app`).
        """
        definition = read_definition(document)
        name = "".join(it for it in definition.name if NAME.fullmatch(it))[:_LONGEST_NAME] or "workflow"
        made = cls(name, client=client)
        made._definition = replace(definition, name=name)
        return made

    @classmethod
    def load(cls, path: str | Path, *, client: Client | None = None) -> Self:
        """A workflow of a file.

        Raises:
            InputError: The file is no definition, or cannot be read.
        """
        return cls.read(load(Path(path)), client=client)

    @property
    def name(self) -> str:
        """Its name in addresses."""
        return self._definition.name

    @property
    def title(self) -> str:
        """Its name for people, an empty string where it has none."""
        return self._definition.title

    @property
    def definition(self) -> Definition:
        """What it is, as plain values."""
        return self._definition

    def input(
        self, name: str, kind: Any = None, *, default: Any = _NO_DEFAULT, description: str = ""
    ) -> Reference:
        """Declare what a caller gives; declared again, it takes the earlier one's place.

        Args:
            name: Its name.
            kind: Its type: a type of Python's, a JSON Schema, or a `Field` of an endpoint's schema. Without one it is
                that of the first step's input that it is used for.
            default: What it is where the caller leaves it out; without one it must be given. None for nothing.
            description: What it is for.

        Raises:
            InputError: The name or the type is not one.
        """
        if not _is_name(name):
            raise InputError(f"{name!r:.80} is not a name of an input", field="name")
        facts = schema_of(kind)
        facts.pop("default", None)
        if default is not _NO_DEFAULT:
            facts["default"] = default
        if description:
            facts["description"] = description
        inputs = {**self._definition.inputs, name: facts}
        self._definition = replace(self._definition, inputs=inputs)
        return Reference(self, INPUT, (name,), facts)

    def run(
        self,
        endpoint: str | Declared[..., Any],
        given: Mapping[str, Any] | None = None,
        /,
        *,
        name: str = "",
        **inputs: Any,
    ) -> Reference:
        """Add a step, and return what it will give.

        Args:
            endpoint: What it calls: an endpoint's id, or a function that is one.
            given: Its input; for names that Python does not take as keywords.
            name: What references call it; by default the endpoint's own name, with a number where that is taken.
            **inputs: Its input. A value may be a reference, hold references, or be a file.

        Raises:
            InputError: The endpoint or the name is not one, or a value belongs to another workflow.
        """
        app = str(Endpoint.parse(endpoint.id if isinstance(endpoint, Declared) else endpoint))
        steps = self._definition.steps
        if len(steps) >= MAX_STEPS:
            raise InputError(f"a workflow has up to {MAX_STEPS} steps", field="endpoint")
        chosen = self._named(name) if name else free_name(_short_name(app), {*steps, *RESERVED})
        sent = written({**(given or {}), **inputs}, self, chosen)
        needs = frozenset(one.root for one in references(sent, chosen))
        self._definition = replace(self._definition, steps={**steps, chosen: Step(chosen, app, sent, needs)})
        return self.step(chosen)

    def step(self, name: str) -> Reference:
        """What a step gives, by the step's name.

        Raises:
            InputError: There is none of that name.
        """
        step = self._definition.steps.get(name)
        if step is None:
            known = ", ".join(self._definition.steps) or "none yet"
            raise InputError(f"there is no step {name!r:.80}", field="name", hint=f"there are {known}")
        return Reference(self, name, (), self._runner.gives(step.app))

    def remove(self, name: str) -> None:
        """Take a step out; what speaks of it does so still, until it is taken out, too.

        Raises:
            InputError: There is none of that name.
        """
        self.step(name)
        left = {other: step for other, step in self._definition.steps.items() if other != name}
        self._definition = replace(self._definition, steps=left)

    def output(self, **fields: Any) -> None:
        """Say what the workflow gives: name → a reference, or JSON with references in it."""
        self._definition = replace(self._definition, output=written(fields, self, "output"))

    def display(self, *shown: Reference, **fields: Any) -> None:
        """Show values beside the output, as fal's own tools do; where there is no output, they are the output.

        Raises:
            InputError: Values are given both with names and without.
        """
        if bool(shown) == bool(fields):
            raise InputError("give what is to be shown either with names or without", field="display")
        value = written(fields or list(shown), self, "display")
        if self._definition.output is None:
            self._definition = replace(self._definition, output=(fields and value) or {"fields": value})
            return
        displays = self._definition.displays
        free = free_name("display", {*displays, *self._definition.steps})
        self._definition = replace(self._definition, displays={**displays, free: value})

    def check(self) -> Report:
        """Look for everything that is wrong: circles, references to nothing, endpoints, names, types, missing inputs.

        The endpoints' schemas are asked for; without a network what cannot be checked is a note.
        """
        return self._runner.checked(self._definition).report()

    def submit(
        self,
        given: Mapping[str, Any] | None = None,
        /,
        *,
        check: bool = True,
        **inputs: Any,
    ) -> Run:
        """Run it by the queue of `workflows/execute`, and return its run at once.

        Args:
            given: The workflow's input; for names that Python does not take as keywords.
            check: Whether to check it first, and to send nothing where there is a problem.
            **inputs: The workflow's input. A value may be a file.

        Raises:
            InputError: It has problems, or the input does not fit; all of them are told, and nothing was sent.
            NbkitError: As for `nbkit.Client.submit`.
        """
        request = self._runner.request(self._definition, {**(given or {}), **inputs}, check=check)
        return self._client.submit(_EXECUTE, request)

    def subscribe(
        self,
        given: Mapping[str, Any] | None = None,
        /,
        *,
        check: bool = True,
        **inputs: Any,
    ) -> Result:
        """As `submit`, and wait for the result."""
        return self.submit({**(given or {}), **inputs}, check=check).result()

    def stream(
        self,
        given: Mapping[str, Any] | None = None,
        /,
        *,
        check: bool = True,
        **inputs: Any,
    ) -> Stream:
        """As `submit`, as a stream: its events tell each step when it is submitted and when it is completed."""
        request = self._runner.request(self._definition, {**(given or {}), **inputs}, check=check)
        return self._client.stream(_EXECUTE, request)

    def to_dict(self, dialect: Dialect = "package") -> dict[str, Any]:
        """Its definition as JSON. Files in it are as they were given.

        Args:
            dialect: `package` as the `fal` package writes it, `execute` as `workflows/execute` takes it, `editor` as
                the web editor saves it.

        Raises:
            InputError: There is no such dialect.
        """
        if dialect not in _DIALECTS:
            raise InputError(
                f"dialect {dialect!r:.40} is not one", field="dialect", hint=f"one of {', '.join(_DIALECTS)}"
            )
        return _DIALECTS[dialect](self._definition)

    def save(self, path: str | Path, *, dialect: Dialect = "package") -> Path:
        """Write its definition into a file, all of it or nothing. Files among its values are written into it.

        Args:
            path: Where to.
            dialect: As for `to_dict`.

        Raises:
            InputError: It is larger than a definition may be, or a value in it is not one of JSON.
            MediaError: A file in it cannot be read.
            OSError: The target cannot be written.
        """
        return save(self.to_dict(dialect), Path(path))

    def publish(self, *, public: bool = False, check: bool = True) -> str:
        """Keep it at the service, fal with a key, else the embedded server, and return its endpoint.

        Published again, it takes the place of what was published under its name.

        Args:
            public: Whether others may see and call it.
            check: Whether to check it first, and to publish nothing where there is a problem.

        Raises:
            InputError: It has problems; all of them are told.
            ServiceError: The service refused it.
            ConnectionFailed: The service was never reached.
            RequestLost: The service did not answer, so that it may have been published.
        """
        checked = self._runner.checked(self._definition)
        if check:
            checked.report().insist()
        return publish(checked.described(), self._client, public=public)

    def mermaid(self) -> str:
        """Its graph as text that Mermaid draws."""
        return drawing.mermaid(self._definition)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Workflow):
            return NotImplemented
        mine, theirs = (replace(it.definition, gives={}) for it in (self, other))
        return mine == theirs and list(mine.steps) == list(theirs.steps)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return clean(f"<Workflow {self.name}: {', '.join(self._definition.steps) or 'no steps'}>")

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        return drawing.bundle(self._definition)

    @property
    def _client(self) -> Client:
        return self._runner.client(step.app for step in self._definition.steps.values())

    def _named(self, name: str) -> str:
        if not _is_name(name) or name in RESERVED:
            raise InputError(
                f"{name!r:.80} cannot be the name of a step",
                field="name",
                hint=f"write letters, digits, _ and -, and none of {', '.join(sorted(RESERVED))}",
            )
        if name in self._definition.steps:
            raise InputError(
                f"there is a step {name!r} already",
                field="name",
                hint=f"choose another name, or flow.remove({name!r}) first",
            )
        return name


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(NAME.fullmatch(name))


def _short_name(app: str) -> str:
    """What a step is called that nobody named: `fal-ai/fast-sdxl` is `fast_sdxl`."""
    endpoint = Endpoint.parse(app)
    words = "/".join(filter(None, (endpoint.alias, endpoint.path))) or endpoint.owner
    return "".join(it if it.isascii() and it.isalnum() else "_" for it in words)


workflow = Workflow
"""What `nbkit.workflow` is: `nbkit.workflow("postcard")` begins one, `nbkit.workflow.load(path)` reads one."""
