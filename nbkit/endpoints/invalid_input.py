"""What is wrong with the input of a user's function, field by field."""

from __future__ import annotations

from typing import Any, NamedTuple

from nbkit.errors import InputError


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        place: Where in the input, outermost first.
        message: What, for people.
        kind: The same in one word, as pydantic says it.
        context: The limit that was passed.
        value: What stands there.
    """

    place: tuple[str | int, ...]
    message: str
    kind: str
    context: dict[str, Any]
    value: Any


class InvalidInput(InputError):
    """An input that does not fit a function's parameters.

    Attributes:
        problems: What is wrong with it.
    """

    def __init__(self, problems: list[Problem]) -> None:
        said = "; ".join(f"{'.'.join(map(str, it.place))}: {it.message}" for it in problems)
        super().__init__(said, field=".".join(map(str, problems[0].place)) if problems else "")
        self.problems = problems
