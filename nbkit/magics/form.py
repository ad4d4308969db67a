"""A form for an endpoint, which can write itself as a cell."""

from __future__ import annotations

from pathlib import Path
from pprint import pformat
from typing import TYPE_CHECKING, Any

from nbkit.client.client import Client
from nbkit.magics.cell import cell_for
from nbkit.widgets.form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADDRESSES = ("_url", "_urls")  # in these, the text of a path means the file


def form(endpoint: str, client: Client | None = None) -> Form:
    """Show the inputs of an endpoint as controls, with a button that runs it.

    Args:
        endpoint: What to call.
        client: Who calls it; by default a new `nbkit.Client()`.

    Raises:
        InputError: The endpoint is not one.
        ServiceError: The service does not know the endpoint.
        ConnectionFailed: The service was never reached, and it was not asked before.
    """
    caller = client or Client()
    made = Form(caller.schema(endpoint), caller, write_cell)
    made.ask_price()
    return made


def write_cell(endpoint: str, given: Mapping[str, Any]) -> str:
    """The cell that sends an input, in which files may stand as paths; Python where a cell cannot say it."""
    plain = {name: _as_text(value) if name.endswith(_ADDRESSES) else value for name, value in given.items()}
    if not any(map(_holds_path, plain.values())):
        return cell_for(endpoint, plain)
    kind = type(Path()).__name__
    call = f"nbkit.Client().subscribe({endpoint!r}, {pformat(dict(given), sort_dicts=False)})"
    return f"import nbkit\nfrom pathlib import {kind}\n\n{call}"


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def _holds_path(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_path, value.values()))
    if isinstance(value, list):
        return any(map(_holds_path, value))
    return isinstance(value, Path)
