"""What a Dify server says of wrong fields in a body or a query: pydantic's words, or the older parser's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.wire.dify.answers import refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.wire.dify.era import Era

INVALID = "invalid_param"
_LONGEST_SHOWN = 50
_PLURAL = 2


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field.

    Attributes:
        name: The field.
        kind: pydantic's word for it (`missing`, `dict_type`, …).
        message: pydantic's sentence.
        given: The value; the whole body where the field is missing.
        plain: The older parser's sentence.
    """

    name: str
    kind: str
    message: str
    given: Any
    plain: str


def missing(name: str, given: Any, place: str) -> FieldProblem:
    """A field that is not there.

    Args:
        name: The field.
        given: The whole body or query.
        place: Where it was looked for: `JSON body` or `query string`.
    """
    return FieldProblem(
        name, "missing", "Field required", given, f"Missing required parameter in the {place}"
    )


def not_one_of(name: str, given: Any, allowed: Sequence[str]) -> FieldProblem:
    """A word that is none of those allowed."""
    *most, last = [repr(word) for word in allowed]
    message = f"Input should be {', '.join(most)} or {last}"
    return FieldProblem(name, "literal_error", message, given, f"{given} is not a valid choice")


def field_errors(payload: str, problems: Sequence[FieldProblem], era: Era) -> dict[str, Any]:
    """The body of the 400 for wrong fields.

    Args:
        payload: Dify's name for what was sent (`WorkflowRunPayload`).
        problems: What is wrong, at least one.
        era: Whose words.
    """
    if not era.parses_strictly:
        return refusal(400, INVALID, problems[0].plain[:600], field=problems[0].name)
    many = "s" if len(problems) >= _PLURAL else ""
    lines = [f"{len(problems)} validation error{many} for {payload}"]
    for it in problems:
        shown = f"input_value={_shown(it.given)}, input_type={type(it.given).__name__}"
        lines += [
            it.name,
            f"  {it.message} [type={it.kind}, {shown}]",
            f"    For further information visit https://errors.pydantic.dev/2.12/v/{it.kind}",
        ]
    return refusal(400, INVALID, "\n".join(lines))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:25]}...{text[-24:]}"
