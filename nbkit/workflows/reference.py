"""What a workflow's builder hands on: the input, or what a step will give, and parts of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.model.schema import properties_of
from nbkit.wire.fal.reference import NAME
from nbkit.workflows.types import part_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reference:
    """A value that is there only when a workflow runs: `sketch.images[0].url`.

    Its parts are taken by name and by index. A part that the endpoint's schema does not have is an error at once; where
    no schema is known, any part may be named. A part whose name is a method's or begins with `_` is taken as
    `sketch["name"]`.

    Args:
        workflow: The workflow that it belongs to.
        root: The step that gives it, or `input`.
        path: Which part of that.
        schema: JSON Schema of the value, empty where it is not known.
    """

    __slots__ = ("_path", "_root", "_schema", "_workflow")
    __iter__ = None  # it has items, and nobody knows how many

    def __init__(
        self, workflow: object, root: str, path: tuple[str, ...] = (), schema: Mapping[str, Any] | None = None
    ) -> None:
        self._workflow = workflow
        self._root = root
        self._path = path
        self._schema = dict(schema or {})

    def __getattr__(self, name: str) -> Reference:
        if name.startswith("_"):  # notebooks and debuggers look for names of their own
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, part: str | int) -> Reference:
        is_index = isinstance(part, int) and not isinstance(part, bool) and part >= 0
        if not is_index and not (isinstance(part, str) and NAME.fullmatch(part)):
            raise InputError(
                f"{self!s} has no part {part!r:.60}",
                field=str(self),
                hint="a part is a name of letters, digits, _ and -, or an index from 0",
            )
        schema = part_of(self._schema, part, self._words())
        return Reference(self._workflow, self._root, (*self._path, str(part)), schema)

    def __str__(self) -> str:
        return ".".join((f"${self._root}", *self._path))

    def __repr__(self) -> str:
        return str(self)

    def __format__(self, form: str) -> str:
        raise InputError(
            f"{self!s} cannot stand inside a longer text: it is known only when the workflow runs",
            field=str(self),
            hint="give it as a value of its own, or have an endpoint join texts",
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reference):
            return NotImplemented
        return self._workflow is other._workflow and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *filter(str.isidentifier, properties_of(self._schema))]

    def _words(self) -> str:
        return ".".join((self._root, *self._path))


def written(value: Any, workflow: object, place: str) -> Any:
    """A value with the text of each reference in its place; lists and dicts are copied, files stay as they are.

    Raises:
        InputError: It holds a reference of another workflow, or is nested too deep.
    """
    try:
        return _written(value, workflow, place)
    except RecursionError as error:
        raise InputError(f"{place[:80]} is nested too deep", field=place) from error


def _written(value: Any, workflow: object, place: str) -> Any:
    if isinstance(value, Reference):
        if value._workflow is not workflow:  # noqa: SLF001 - one of this room's own
            raise InputError(f"{place}: {value!s} belongs to another workflow", field=place)
        return str(value)
    if isinstance(value, dict):
        return {name: _written(inner, workflow, f"{place}.{name}") for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_written(inner, workflow, f"{place}.{index}") for index, inner in enumerate(value)]
    return value
