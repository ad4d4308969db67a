"""The statements by which servers keep their requests in one database, and tell each other of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from nbkit.server.database import CHANNEL, FORGETTING, LOCKS
from nbkit.server.journal import COLUMNS, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    Connection = psycopg.Connection[Any]

_IDS_AT_ONCE = 150  # in one message, which may have 8000 bytes
READ = COLUMNS.replace("options", "options::text")
_TYPES = {
    "seq": "bigint",
    "priority": "integer",
    "options": "jsonb",
    "starts": "integer",
    "status": "integer",
    "body": "bytea",
} | dict.fromkeys(("submitted", "ended", "expires", "seconds"), "double precision")
_ROWS = ", ".join(f"%s::{_TYPES.get(name, 'text')}[]" for name in Entry._fields)
_CHANGING = [name for name in Entry._fields if name not in ("id", "seq", "endpoint", "app", "submitted")]
_INSERT = f"INSERT INTO requests ({COLUMNS}, owner) SELECT v.*, %s FROM unnest({_ROWS}) AS v"  # noqa: S608 - our own words
_UPDATE = (
    f"UPDATE requests r SET {', '.join(f'{name} = v.{name}' for name in _CHANGING)},"  # noqa: S608
    " begun = CASE WHEN v.starts = r.starts THEN r.begun ELSE v.starts > r.starts END"
    f" FROM unnest({_ROWS}) AS v ({COLUMNS}) WHERE r.id = v.id AND r.owner = %s RETURNING r.id"
)
_CLAIM = (
    "UPDATE requests SET owner = %s, begun = false,"  # noqa: S608
    " options = CASE WHEN cancel_asked THEN jsonb_set(options, '{cancelled}', 'true') ELSE options END"
    f" WHERE owner = ANY(%s) AND (ended IS NULL OR webhook IS NOT NULL) RETURNING {READ}"
)
_FORGET = (
    "DELETE FROM requests WHERE id IN (SELECT id FROM (SELECT id,"
    " row_number() OVER newest AS place, sum(length(body)) OVER newest AS size"
    " FROM requests WHERE ended IS NOT NULL WINDOW newest AS (ORDER BY ended DESC, seq DESC)) AS aged"
    " WHERE place > %s OR size > %s)"
)
_SHOW = (
    "INSERT INTO live SELECT v.id, %s, v.position, v.logs"
    " FROM unnest(%s::text[], %s::integer[], %s::text[]) AS v (id, position, logs)"
    " WHERE EXISTS (SELECT FROM requests r WHERE r.id = v.id AND r.owner = %s AND r.ended IS NULL)"
    " ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, position = excluded.position, logs = excluded.logs"
)
_ELSEWHERE = (
    f"SELECT {', '.join(f'r.{name}' for name in Entry._fields).replace('r.options', 'r.options::text')},"  # noqa: S608
    " r.owner, r.begun, l.position, l.logs FROM requests r"
    " LEFT JOIN live l ON l.id = r.id AND l.owner = r.owner WHERE r.id = ANY(%s)"
)


class Elsewhere(NamedTuple):
    """A request as any server sees it.

    Attributes:
        entry: What is written down of it.
        owner: The number of the server that sees to it.
        begun: Whether it is being computed.
        position: How many are ahead of it in its server's queue; None where its server has not told.
        logs: Its log entries so far, as JSON; None where its server has not told.
    """

    entry: Entry
    owner: int
    begun: bool
    position: int | None
    logs: str | None


def insert(connection: Connection, owner: int, entries: list[Entry], given: dict[str, bytes | None]) -> None:
    """Write new requests of a server down, with the inputs that are to be kept."""
    if entries:
        connection.execute(_INSERT, (owner, *_columns(entries)))
    kept = {id_: body for id_, body in given.items() if body is not None}
    if kept:
        query = "INSERT INTO inputs SELECT * FROM unnest(%s::text[], %s::bytea[])"
        connection.execute(query, (list(kept), list(kept.values())))


def update(connection: Connection, owner: int, entries: list[Entry]) -> set[str]:
    """Change requests that are a server's own; gives the ids of those that are."""
    if not entries:
        return set()
    changed = {row[0] for row in connection.execute(_UPDATE, (*_columns(entries), owner))}
    ended = [entry.id for entry in entries if entry.ended is not None and entry.id in changed]
    if ended:
        connection.execute("DELETE FROM inputs WHERE id = ANY(%s)", (ended,))
        connection.execute("DELETE FROM live WHERE id = ANY(%s)", (ended,))
    return changed


def claim(connection: Connection, owner: int) -> list[Entry]:
    """Let a server take over what those have left that are gone; what somebody asked to cancel is marked so."""
    gone = connection.execute(
        "SELECT number FROM servers WHERE number <> %s AND pg_try_advisory_xact_lock(%s, number)",
        (owner, LOCKS),
    ).fetchall()
    if not gone:
        return []
    numbers = [row[0] for row in gone]
    claimed = [Entry(*row) for row in connection.execute(_CLAIM, (owner, numbers))]
    ids = [entry.id for entry in claimed]
    connection.execute("DELETE FROM live WHERE id = ANY(%s)", (ids,))
    connection.execute("DELETE FROM servers WHERE number = ANY(%s)", (numbers,))
    say(connection, "changed", ids)
    return claimed


def keep(connection: Connection, owner: int, before: int, ids: set[str], *, never: set[str]) -> set[str]:
    """Let a server go on under another number, with what is still its own; gives the ids of that.

    Args:
        connection: The connection that has the new number.
        owner: The new number.
        before: The number that it had.
        ids: What was its own.
        never: What its callers were told not to be taken; it goes, if it was written after all.
    """
    connection.execute("DELETE FROM requests WHERE id = ANY(%s) AND owner = %s", (list(never), before))
    kept = connection.execute(
        "UPDATE requests SET owner = %s WHERE id = ANY(%s) AND owner = %s RETURNING id",
        (owner, list(ids), before),
    )
    return {row[0] for row in kept}


def forget(connection: Connection, runs: int, size: int) -> None:
    """Drop results whose time is over, then the oldest; where another server is at it, that is enough."""
    query = "SELECT pg_try_advisory_xact_lock(%s, %s)"
    free = connection.execute(query, (LOCKS, FORGETTING)).fetchone()
    if free and free[0]:
        connection.execute("DELETE FROM requests WHERE expires <= %s", (time.time(),))
        connection.execute(_FORGET, (runs, size))


def elsewhere(connection: Connection, ids: list[str]) -> list[Elsewhere]:
    """Requests as they are now, whichever server they belong to."""
    width = len(Entry._fields)
    return [Elsewhere(Entry(*row[:width]), *row[width:]) for row in connection.execute(_ELSEWHERE, (ids,))]


def show(connection: Connection, owner: int, states: list[tuple[str, int, str]]) -> None:
    """Show how things stand with requests of a server: id, place in its queue, and log entries as JSON."""
    connection.execute(_SHOW, (owner, *_columns(states), owner))
    say(connection, "changed", [state[0] for state in states])


def say(connection: Connection, word: str, ids: Iterable[str]) -> None:
    """Tell all servers something about requests, once the transaction is done."""
    listed = list(ids)
    for first in range(0, len(listed), _IDS_AT_ONCE):
        message = json.dumps({word: listed[first : first + _IDS_AT_ONCE]})
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, message))


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
