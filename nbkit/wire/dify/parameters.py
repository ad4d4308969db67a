"""What a workflow app takes (`GET /parameters`), as a JSON Schema and for its files.

Each variable stands in `user_input_form` as `{kind: {"variable", "label", "required", "options", …}}`; the kinds are
text-input, paragraph, select, number, checkbox, json_object, file, file-list and external_data_tool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.model.schema import Schema
from nbkit.wire.dify.files import remote_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TEXTS = ("text-input", "paragraph")
_MEDIA = ("image", "audio", "video")
FILE_KINDS = ("file", "file-list")


@dataclass(frozen=True, slots=True)
class Variable:
    """One input of a workflow.

    Attributes:
        name: Its name.
        kind: Its kind, as Dify calls it.
        facts: What the server says about it.
    """

    name: str
    kind: str
    facts: Mapping[str, Any]

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema. A file has none that could be checked before it is uploaded."""
        about: dict[str, Any] = {"title": self.facts.get("label") or self.name}
        default, limit = self.facts.get("default"), self.facts.get("max_length")
        options = self.facts.get("options")
        if default not in (None, ""):
            about["default"] = default
        if self.kind in _TEXTS:
            about["type"] = "string"
            # The server counts characters for these two alone, and calls its limit "less than" where it is "up to".
            if isinstance(limit, int) and limit > 0:
                about["maxLength"] = limit
        elif self.kind == "select" and isinstance(options, list) and options:
            about |= {"type": "string", "enum": options}
        elif self.kind in ("number", "checkbox"):
            about["type"] = {"number": "number", "checkbox": "boolean"}[self.kind]
        elif self.kind in FILE_KINDS:
            about["ui"] = {"field": "file"}
        return about

    @property
    def is_required(self) -> bool:
        """Whether a run without it is refused."""
        return self.facts.get("required") is True and self.facts.get("default") in (None, "")


@dataclass(frozen=True, slots=True)
class Form:
    """All inputs of a workflow.

    Attributes:
        variables: The inputs, in the order of the workflow's author.
    """

    variables: tuple[Variable, ...]

    def schema(self, endpoint: str) -> Schema:
        """The same as the schema of an endpoint. Names that it does not have are allowed: the server drops them."""
        described = {
            "type": "object",
            "properties": {it.name: it.schema for it in self.variables},
            "required": [it.name for it in self.variables if it.is_required],
        }
        return Schema(endpoint, "", described)

    def to_check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """An input as it is to be checked: an empty text counts as no number, and the server takes it so."""
        numbers = {it.name for it in self.variables if it.kind == "number"}
        return {name: 0 if name in numbers and value == "" else value for name, value in given.items()}

    def shaped(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """An input with its files, which are uploaded by now, in the shapes that the server wants.

        Raises:
            InputError: A value cannot stand for a file, or is a file of a kind that the app does not take.
        """
        files = {it.name: it for it in self.variables if it.kind in FILE_KINDS}
        return {
            name: _shaped(value, files[name]) if name in files and value is not None else value
            for name, value in given.items()
        }


NO_FORM = Form(())


def read_parameters(body: Any) -> Form:
    """Read what `/parameters` answers; what makes no sense is left out."""
    listed = body.get("user_input_form") if isinstance(body, dict) else None
    return Form(tuple(_variables(listed if isinstance(listed, list) else [])))


def _variables(listed: list[Any]) -> Iterator[Variable]:
    for entry in listed:
        for outer, facts in entry.items() if isinstance(entry, dict) else ():
            if not isinstance(facts, dict):
                continue
            name, kind = facts.get("variable"), facts.get("type")
            if isinstance(name, str) and name:
                yield Variable(name, kind if isinstance(kind, str) else str(outer), facts)


def _shaped(value: Any, variable: Variable) -> Any:
    items = value if isinstance(value, list) else [value]
    files = [_file(item, variable) for item in items]
    if variable.kind == "file-list":
        return files
    if len(files) != 1:
        raise InputError(f"{variable.name} takes one file, not {len(files)}", field=variable.name)
    return files[0]


def _file(item: Any, variable: Variable) -> dict[str, Any]:
    listed = variable.facts.get("allowed_file_types")
    allowed = [it for it in listed if isinstance(it, str)] if isinstance(listed, list) else []
    if isinstance(item, str) and item.startswith(("http://", "https://")):
        file = remote_file(item, allowed[0] if allowed else "image")
    elif isinstance(item, dict):
        file = dict(item)
    else:
        raise InputError(
            f"{variable.name} takes a file, not {item!r:.60}",
            field=variable.name,
            hint="give a pathlib.Path, bytes, a PIL image, media of a result, or an address of http; "
            "in a cell, {{name}} of a variable that holds one",
        )
    kind = file.get("type")
    if allowed and kind not in allowed:
        if "custom" in allowed:
            file["type"] = "custom"
        elif kind in _MEDIA:  # of documents the server knows more kinds than this machine
            raise InputError(f"{variable.name} takes {', '.join(allowed)}, not {kind}", field=variable.name)
    return file
