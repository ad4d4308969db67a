"""`nbkit.endpoint`: a typed function as an endpoint of the embedded server, and still the same function."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import re
import sys
import typing
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from nbkit.endpoints import running
from nbkit.endpoints.docstrings import read_docstring
from nbkit.endpoints.gives import output_schema
from nbkit.endpoints.output import output_of
from nbkit.errors import ConfigError, InputError, NbkitError
from nbkit.model.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbkit.endpoints.job import Job
    from nbkit.endpoints.parameters import Parameters

P = ParamSpec("P")
R = TypeVar("R")

_TAKEN = ("local", "dify", "fal-ai", "fal")
_SERVED = ("requests", "stream", "realtime")
_SIZES = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4} | {
    "KI": 2**10,
    "MI": 2**20,
    "GI": 2**30,
    "TI": 2**40,
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?\s*", re.IGNORECASE)

_here: dict[str, Declared[Any, Any]] = {}
_keeps_faulty = False


class Faulty(NbkitError):
    """A function that cannot be an endpoint as it is written."""


class Declared(Generic[P, R]):
    """A function that is an endpoint. Called as a function it is what it was.

    Attributes:
        id: The endpoint's id.
        function: The function.
        problem: Why it cannot be called as an endpoint; an empty string where it can.
        facts: What a server's catalogue says of it: `title`, `description`, `category`, `input`, `output`, `resources`,
            `time_limit` and `memory_limit`.
    """

    __name__: str

    def __init__(
        self, function: Callable[P, R], hints: dict[str, Any], name: str, facts: dict[str, Any]
    ) -> None:
        self.id = name
        self.function = function
        self.problem = ""
        self._hints = hints
        self._asked = facts
        self._parameters: Parameters | None = None
        functools.update_wrapper(self, function)
        said = read_docstring(function.__doc__)
        title = "".join(part.capitalize() for part in function.__name__.split("_"))
        given: dict[str, Any] = {"type": "object", "title": f"{title}Input", "properties": {}}
        try:
            self._parameters = _parameters(function, hints, said.parameters)
            given = self._parameters.schema
        except InputError as error:
            if not _keeps_faulty:
                raise
            self.problem = str(error)
        gives = output_schema(
            hints.get("return", Any), f"{title}Output", tells_seed="seed" in given["properties"]
        )
        self.facts = {
            **facts,
            "title": facts["title"]
            or name.rpartition("/")[2].replace("-", " ").replace("_", " ").capitalize(),
            "description": facts["description"] or said.summary,
            "category": facts["category"] or _category(given, gives),
            "input": given,
            "output": gives,
        }

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function as if it were no endpoint."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self.function.__get__(instance, owner)

    def __repr__(self) -> str:
        return f"<endpoint {self.id}: {self.__wrapped__.__qualname__}{inspect.signature(self.function)}>"  # type: ignore[attr-defined]

    def __reduce__(self) -> Any:
        hints = {name: hint for name, hint in self._hints.items() if name != "return"}
        return Declared, (self.function, hints, self.id, self._asked)

    def compute(self, given: Mapping[str, Any], job: Job) -> dict[str, Any]:
        """Answer one request.

        Args:
            given: Its input.
            job: The request.

        Raises:
            InvalidInput: The input does not fit the parameters.
            Faulty: The function cannot be an endpoint as it is written.
            BadResult: It gave what is no output.
            Exception: Whatever the function raises.
        """
        if self._parameters is None:
            raise Faulty(self.problem)
        arguments = self._parameters.read(given, job)
        with running.telling(job):
            called: Any = self.function
            result = running.run(called(*arguments.positional, **arguments.named), job)
        return output_of(result, job, self.id.rpartition("/")[2], arguments.seed)


def endpoint(
    name: str,
    *,
    title: str = "",
    description: str = "",
    category: str = "",
    resources: Mapping[str, float] | None = None,
    time_limit: float | None = None,
    memory_limit: int | str | None = None,
) -> Callable[[Callable[P, R]], Declared[P, R]]:
    """Make a typed function an endpoint of the embedded server; called as a function it stays what it is.

    Its parameters are the input: plain annotations, pydantic's, `PIL.Image.Image`, `Path` and `bytes` for files, or one
    pydantic model. What it returns is the output. A generator yields pictures and progress on its way.

    Args:
        name: The endpoint's id, as `me/my-model`.
        title: Its name for people; by default made of the id.
        description: What it does; by default the docstring's first part.
        category: fal's word for its kind, as `text-to-image`; by default told by what goes in and comes out.
        resources: What a worker must have to compute it, as `{"GPU": 1}`.
        time_limit: Seconds that one request may compute; by default as many as the server allows.
        memory_limit: Bytes that its worker may hold, or text as `"4 GB"`; by default as many as the server allows.

    Raises:
        InputError: The id, a limit or a parameter cannot be used; says which, and what to do.
        ConfigError: pydantic is not installed.
    """
    if callable(name):
        raise InputError("nbkit.endpoint needs an id", hint="write @nbkit.endpoint('me/my-model')")
    facts = {
        "title": title,
        "description": description,
        "category": category,
        "resources": _amounts(resources),
        "time_limit": _positive(time_limit, "time_limit"),
        "memory_limit": None if memory_limit is None else bytes_of(memory_limit, "memory_limit"),
    }
    check_id(name)
    local = sys._getframe(1).f_locals  # noqa: SLF001 - annotations may name types of the function around

    def declare(function: Callable[P, R]) -> Declared[P, R]:
        if not inspect.isfunction(function) or function.__name__ == "<lambda>":
            kind = "a lambda" if inspect.isfunction(function) else f"{function!r:.60}"
            raise InputError(
                f"{name} is declared on {kind}", hint="write a function: `def draw(prompt: str): …`"
            )
        made: Declared[P, R] = Declared(function, _hints(function, local), name, facts)
        _here[name] = made
        return made

    return declare


def declared(name: str) -> Declared[Any, Any] | None:
    """The function that was declared in this process under an id, None where there is none."""
    return _here.get(name)


def declared_names() -> tuple[str, ...]:
    """The ids that were declared in this process, in the order of their coming."""
    return tuple(_here)


@contextlib.contextmanager
def keeping_faulty() -> Iterator[None]:
    """Have functions that cannot be endpoints say so when they are called, and not where they are declared."""
    global _keeps_faulty  # noqa: PLW0603
    before, _keeps_faulty = _keeps_faulty, True
    try:
        yield
    finally:
        _keeps_faulty = before


def check_id(name: str) -> None:
    """See to it that an id is one that users may give.

    Raises:
        InputError: It is none, or belongs to somebody else.
    """
    parsed = Endpoint.parse(name)
    advice = "choose an owner of your own, as in me/my-model"
    if str(parsed) != name:
        raise InputError(f"{name[:80]!r} is not an endpoint's id as it is told", hint=f"write {parsed}")
    if parsed.namespace or parsed.owner in _TAKEN:
        owner = parsed.namespace or parsed.owner
        raise InputError(
            f"{name[:80]!r} cannot be declared: {owner}/… is not yours", field="endpoint", hint=advice
        )
    if taken := next((part for part in name.split("/") if part in _SERVED), ""):
        raise InputError(
            f"{name[:80]!r} cannot be declared: {taken!r} is a word of the server's own addresses",
            field="endpoint",
            hint="leave it out",
        )


def bytes_of(size: Any, what: str) -> int:
    """A size in bytes, of a number or of text as `512 MB` or `4GiB`.

    Raises:
        InputError: It is no size.
    """
    if isinstance(size, str) and (match := _SIZE.fullmatch(size)):
        size = int(float(match[1]) * _SIZES[(match[2] or "").upper()])
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise InputError(
            f"{what} is {size!r:.60}, which is no size", field=what, hint="write bytes, or text as '4 GB'"
        )
    return size


def _positive(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise InputError(f"{what} is {value!r:.60}; it takes seconds, more than 0", field=what)
    return float(value)


def _amounts(resources: Mapping[Any, Any] | None) -> dict[str, float]:
    found = dict(resources or {})
    for name, amount in found.items():
        good = isinstance(amount, (int, float)) and not isinstance(amount, bool) and 0 < amount < math.inf
        if not isinstance(name, str) or not name or not good:
            raise InputError(
                f"resources says {name!r:.40}: {amount!r:.40}", field="resources", hint="write {'GPU': 1}"
            )
    return found


def _hints(function: Callable[..., Any], local: Mapping[str, Any]) -> dict[str, Any]:
    """A function's annotations, those that are text read."""
    try:
        return typing.get_type_hints(function, localns=dict(local), include_extras=True)
    except Exception as error:
        raise InputError(
            f"an annotation of {function.__qualname__} cannot be read: {str(error)[:200]}",
            hint="import what it names before the function is declared",
        ) from error


def _parameters(
    function: Callable[..., Any], hints: Mapping[str, Any], docs: Mapping[str, str]
) -> Parameters:
    try:
        from nbkit.endpoints.parameters import Parameters
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"nbkit.endpoint needs {error.name}", hint="pip install 'nbkit-media[local]'"
        ) from error
    taken = {name: hint for name, hint in hints.items() if name != "return"}
    return Parameters(function, taken, docs)


def _category(given: Mapping[str, Any], gives: Mapping[str, Any]) -> str:
    takes = any(rule.get("ui", {}).get("field") == "image" for rule in given["properties"].values())
    makes = any(name in gives.get("properties", {}) for name in ("image", "images"))
    return f"{'image' if takes else 'text'}-to-{'image' if makes else 'text'}"
