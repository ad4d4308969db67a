"""What a Dify app tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.display import slot, table
from nbkit.errors import InputError, ServiceError
from nbkit.magics.command import Command
from nbkit.providers.dify_connection import DEFAULT, connections

if TYPE_CHECKING:
    from nbkit.magics.command import Call

_RUNS = 10


def dify(call: Call) -> None:
    """What a Dify app is, what it takes, and its last runs."""
    if len(call.words) > 1:
        raise InputError(f"`%nbkit dify` takes one name, and here stand {len(call.words)}")
    name = next(iter(call.words), DEFAULT).removeprefix("dify/")
    client = call.notebook.client
    app = client.dify(name)
    about = [
        (word.replace("_", " "), _words(value)) for word, value in app.info().items() if value not in ("", [])
    ]
    try:
        runs = app.logs(limit=_RUNS)
        last = table.bundle(f"last runs: {runs.title}", runs.to_rows(), runs.columns)
    except ServiceError as error:  # servers before 0.9 do not tell
        last = table.bundle(str(error), ())
    for shown in (
        table.bundle(f"dify/{name}", about),
        client.schema(f"dify/{name}")._repr_mimebundle_(),
        last,
    ):
        slot.Slot().end(shown)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


COMMANDS = (Command("dify", dify, "[NAME]", lambda _call: connections()),)
