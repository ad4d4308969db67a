"""The body of a request to run a workflow, as its server reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.wire.dify.field_errors import FieldProblem, missing, not_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.wire.dify.era import Era

BLOCKING, STREAMING = "blocking", "streaming"
PAYLOAD = "WorkflowRunPayload"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is asked for.

    Attributes:
        inputs: The inputs, as they came.
        mode: `blocking` or `streaming`.
        files: The files beside the inputs, as they came.
    """

    inputs: dict[str, Any]
    mode: str
    files: list[Any]


def read_run_request(payload: Mapping[str, Any], era: Era) -> RunRequest | list[FieldProblem]:
    """Read a body; gives what is wrong with it where something is."""
    inputs, mode, files = (payload.get(name) for name in ("inputs", "response_mode", "files"))
    problems: list[FieldProblem] = []
    if inputs is None:
        problems.append(missing("inputs", payload, "JSON body"))
    elif not isinstance(inputs, dict):
        inputs, plain = (None, "") if era.parses_strictly else _forced(inputs)
        if inputs is None:
            words = "Input should be a valid dictionary"
            problems.append(FieldProblem("inputs", "dict_type", words, payload["inputs"], plain))
    if files is not None and not isinstance(files, list):
        words = "Input should be a valid list"
        problems.append(FieldProblem("files", "list_type", words, files, f"{files!r} is not a list"))
    if mode is not None and mode not in (BLOCKING, STREAMING):
        problems.append(not_one_of("response_mode", mode, (BLOCKING, STREAMING)))
    return problems or RunRequest(inputs or {}, mode or BLOCKING, files or [])


def _forced(value: Any) -> tuple[dict[str, Any] | None, str]:
    """What the older parser makes of a value that is no object: an empty list is an empty object to it."""
    try:
        return dict(value), ""
    except (TypeError, ValueError) as error:
        return None, str(error)
