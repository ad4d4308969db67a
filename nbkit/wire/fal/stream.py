"""What streams give: any JSON for models, four kinds of events for workflows.

Facts: fal's "Streaming" and "Workflows" pages. A model's stream has no sign of its end but the close of the
connection, and its last event is the whole result. A workflow's ends with `output` or `error`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbkit.errors import StreamBroken
from nbkit.model.event import Event, Failed, Output, StepFinished, StepStarted, Unrecognised

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 1e9


def parse(data: str) -> Any:
    """The JSON of one event.

    Raises:
        StreamBroken: It is not JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StreamBroken(f"the stream sent something that is not JSON: {data[:80]!r}") from error


def workflow_event(payload: Any) -> Event:
    """One event of a workflow's stream."""
    named = payload if isinstance(payload, dict) else {}
    node, kind = _text(named.get("node_id")), _text(named.get("type"))
    if kind == "submit":
        return StepStarted(node, _text(named.get("app_id")), _text(named.get("request_id")), raw=payload)
    if kind == "completion":
        output = named.get("output")
        return StepFinished(node, output, _text(named.get("app_id")), seconds=_worked(output), raw=payload)
    if kind == "output":
        return Output(named.get("output"), final=True, raw=payload)
    if kind == "error":
        return _failure(named, node, payload)
    return Unrecognised(kind[:80], raw=payload)


def model_event(payload: Any) -> Event:
    """One event of a model's stream.

    fal has no shape for a model that fails midway; an nbkit server sends what a workflow would.
    """
    named = payload if isinstance(payload, dict) else {}
    if named.get("type") == "error" and isinstance(named.get("error"), dict) and "message" in named:
        return _failure(named, "", payload)
    return Output(payload, raw=payload)


def _worked(output: Any) -> float | None:
    """How long a model says that it worked, as many do in their output; its queue and its start are not in it."""
    timings = output.get("timings") if isinstance(output, dict) else None
    seconds = timings.get("inference") if isinstance(timings, dict) else None
    is_time = isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds <= _LONGEST
    return float(seconds) if is_time and seconds is not None else None


def _failure(named: Mapping[str, Any], node: str, payload: Any) -> Failed:
    inner = named.get("error")
    inner = inner if isinstance(inner, dict) else {}
    status = inner.get("status")
    return Failed(
        _text(named.get("message")) or "it failed",
        status if isinstance(status, int) else 0,
        node=node,
        raw=payload,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
