"""A function's parameters: as a schema for those who call it, and from an input to arguments."""

from __future__ import annotations

import inspect
import json
import math
import secrets
import warnings
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import PydanticJsonSchemaWarning

from nbkit.endpoints.files_in import readable
from nbkit.endpoints.invalid_input import InvalidInput, Problem
from nbkit.errors import InputError
from nbkit.model.references import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbkit.endpoints.job import Job

SEED = "seed"
_MOST_PROBLEMS = 100  # of an input; a long list may have one for each of its values
_LARGEST_SEED = 2**31 - 1
_KINDS = inspect.Parameter
_WRITE = "write its type, as in `prompt: str`, `steps: int = 4` or `picture: PIL.Image.Image`"


class Arguments(NamedTuple):
    """What a function is called with.

    Attributes:
        positional: Values of those parameters that have no name for callers.
        named: Name → value of all others.
        seed: The seed among them, None where there is none.
    """

    positional: list[Any]
    named: dict[str, Any]
    seed: int | None


class Parameters:
    """What a function takes.

    Args:
        function: The function.
        hints: Its parameters' types, by name, with nothing left to be resolved.
        docs: What is said of each parameter.

    Attributes:
        schema: JSON Schema of the input, without references.

    Raises:
        InputError: A parameter cannot be given by an input; says which, and what to do.
    """

    def __init__(
        self, function: Callable[..., Any], hints: Mapping[str, Any], docs: Mapping[str, str]
    ) -> None:
        self._name = getattr(function, "__qualname__", repr(function))
        self._parameters = list(inspect.signature(function).parameters.values())
        for parameter in self._parameters:
            self._check(parameter, hints)
        title = "".join(part.capitalize() for part in function.__name__.split("_")) + "Input"
        model = [it for it in hints.values() if isinstance(it, type) and issubclass(it, BaseModel)]
        self._whole = len(self._parameters) == 1 and len(model) == 1
        with warnings.catch_warnings():
            # What cannot be written as JSON is left out of the schema: a default is none then.
            warnings.simplefilter("ignore", PydanticJsonSchemaWarning)
            try:
                self._model = readable(model[0]) if self._whole else self._made(title, hints, docs)
                self.schema = _flat(self._model, title)
            except InputError:
                raise
            except Exception as error:
                raise InputError(
                    f"the parameters of {self._name} cannot be described: {_first_line(error)}",
                    hint="use plain types, pydantic models, PIL.Image.Image, Path or bytes",
                ) from error

    def read(self, given: Mapping[str, Any], job: Job) -> Arguments:
        """Turn an input into arguments; a seed that is left out is drawn.

        Raises:
            InvalidInput: It does not fit.
        """
        try:
            values = self._model.model_validate(given, context=job)
        except ValidationError as error:
            told = error.errors(include_url=False)[:_MOST_PROBLEMS]
            raise InvalidInput([_problem(it) for it in told]) from error
        field = self._seed_field
        if field and getattr(values, field) is None and (drawn := self._drawn()) is not None:
            values = values.model_copy(update={field: drawn})
        seed = getattr(values, field) if field else None
        seed = seed if isinstance(seed, int) else None
        if self._whole:
            return Arguments([values], {}, seed)
        found = {it.name: getattr(values, f"p{number}") for number, it in enumerate(self._parameters)}
        positional = [found.pop(it.name) for it in self._parameters if it.kind is _KINDS.POSITIONAL_ONLY]
        return Arguments(positional, found, seed)

    @property
    def _seed_field(self) -> str:
        """What the model calls the seed; an empty string where there is none."""
        if self._whole:
            return SEED if SEED in self._model.model_fields else ""
        names = (f"p{number}" for number, it in enumerate(self._parameters) if it.name == SEED)
        return next(names, "")

    def _check(self, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> None:
        where = f"the parameter {str(parameter).partition(':')[0].partition('=')[0]!r} of {self._name}"
        if parameter.kind in (_KINDS.VAR_POSITIONAL, _KINDS.VAR_KEYWORD):
            raise InputError(
                f"{where} takes any arguments, and an input has names that are known",
                field=parameter.name,
                hint="give each its own parameter, or take a dict: `options: dict[str, float]`",
            )
        if parameter.name not in hints:
            raise InputError(f"{where} has no annotation", field=parameter.name, hint=_WRITE)

    def _made(self, title: str, hints: Mapping[str, Any], docs: Mapping[str, str]) -> type[BaseModel]:
        # pydantic's own names for fields are narrower than Python's for parameters, so theirs are numbers.
        fields: dict[str, Any] = {}
        for number, parameter in enumerate(self._parameters):
            annotation, default = readable(hints[parameter.name]), parameter.default
            facts: dict[str, Any] = {"alias": parameter.name}
            if parameter.name in docs:
                facts["description"] = docs[parameter.name]
            if isinstance(default, FieldInfo):  # as pydantic's users write defaults
                fields[f"p{number}"] = (Annotated[annotation, default], Field(**facts))
            else:
                value = ... if default is _KINDS.empty else default
                fields[f"p{number}"] = (annotation, Field(value, **facts))
        made: type[BaseModel] = create_model(title, __config__=ConfigDict(extra="ignore"), **fields)
        return made

    def _drawn(self) -> int | None:
        """A seed within the bounds of its parameter, None where it is no whole number."""
        rule = self.schema["properties"].get(SEED, {})
        if rule.get("type") != "integer":
            return None
        low, high = (
            max(0, int(rule.get("minimum", 0))),
            min(_LARGEST_SEED, int(rule.get("maximum", _LARGEST_SEED))),
        )
        return low + secrets.randbelow(high - low + 1) if low <= high else None


def _flat(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The schema of a model, without references, as fal writes them."""
    document = model.model_json_schema()
    schema = _plain(Resolver(document).resolve(document))
    schema.pop("$defs", None)
    properties = schema.setdefault("properties", {})
    for rule in properties.values():
        items = rule.get("items")
        if isinstance(items, dict) and "ui" in items:
            rule["ui"] = items["ui"]
        if "default" in rule and not _can_be_given(rule["default"], rule):
            del rule["default"]
    schema.setdefault("type", "object")
    schema.setdefault("title", title)
    schema["x-fal-order-properties"] = list(properties)
    json.dumps(schema, allow_nan=False)
    return schema


def _can_be_given(default: Any, rule: Mapping[str, Any]) -> bool:
    """Whether a caller can say what is the default: JSON has no infinity, and a file of the server has no address."""
    is_file = rule.get("ui", {}).get("field") in ("image", "file")
    return (default is None or not is_file) and not (
        isinstance(default, float) and not math.isfinite(default)
    )


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without the words that forms and TAB do not read: one value is a choice of one."""
    plain = dict(schema)
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    plain.pop("discriminator", None)
    if isinstance(found := plain.get("properties"), dict):
        plain["properties"] = {name: _plain(rule) for name, rule in found.items()}
    if isinstance(branches := plain.get("anyOf"), list):
        plain["anyOf"] = [_plain(branch) for branch in branches]
    for name in ("items", "additionalProperties"):
        if isinstance(inner := plain.get(name), dict):
            plain[name] = _plain(inner)
    return plain


def _problem(error: Any) -> Problem:
    context = {name: _json(value) for name, value in error.get("ctx", {}).items() if name != "message"}
    return Problem(tuple(error["loc"]), error["msg"], error["type"], context, _json(error.get("input")))


def _json(value: Any) -> Any:
    """A value as it can stand in an answer."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)[:500]
    return value


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, PydanticUserError) else str(error)
    return f"{text.strip().partition(chr(10))[0][:300]}"
