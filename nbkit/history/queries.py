"""Asking the history."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.history.database import history_path, open_for_reading
from nbkit.history.record import COLUMNS, RunRecord
from nbkit.history.rows import searchable
from nbkit.history.runs import Runs
from nbkit.history.times import Moment, seconds_since_1970
from nbkit.history.writer import flush
from nbkit.model.saving import read_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbkit.model.recipe import Recipe

Condition = tuple[str, tuple[Any, ...]]

STATES = ("sending", "accepted", "running", "succeeded", "failed", "cancelled", "unknown")
_SHORTEST_PREFIX = 4
_LARGEST = 2**63 - 1


def search(
    text: str | None = None,
    *,
    endpoint: str | None = None,
    after: Moment | None = None,
    before: Moment | None = None,
    status: str | Sequence[str] | None = None,
    seed: int | None = None,
    notebook: str | None = None,
    starred: bool | None = None,
    sweep: str | None = None,
    input_sha256: str | Sequence[str] | None = None,
    limit: int | None = 50,
) -> Runs:
    """Find runs, the latest first.

    Args:
        text: Words, or beginnings of words, that stand in the input, the endpoint, the error or the note; all of them.
        endpoint: What was called, or the beginning of it up to a slash: `fal-ai/flux` finds `fal-ai/flux/schnell`.
        after: Only runs since this moment: a datetime, `2026-11-22`, or an age as `7d`.
        before: Only runs until this moment.
        status: One state or several of `sending`, `accepted`, `running`, `succeeded`, `failed`, `cancelled`, `unknown`.
        seed: The seed, given or told by the model.
        notebook: The end of the notebook's path.
        starred: Only those with a star, or only those without.
        sweep: The sweep they belong to.
        input_sha256: The hash that equal inputs share (`record.input_sha256`), or several.
        limit: How many at the most; None for all.

    Raises:
        InputError: An argument is not what it should be.
        ConfigError: The history cannot be read.
    """
    conditions = [
        *_since_and_until(after, before),
        *_states(status),
        *_equal(seed=None if seed is None else str(seed), sweep=sweep),
        *_one_of("input_sha256", input_sha256),
    ]
    words = _words(text or "")
    if text and text.strip() and not words:  # the index knows letters and digits alone
        conditions.append(("(instr(runs.text, ?) OR instr(runs.note, ?))", (text.strip(), text.strip())))
    if endpoint:
        name = endpoint.strip().strip("/")
        below = "runs.endpoint > ? AND runs.endpoint < ?"
        # "0" is the character after "/".
        conditions.append((f"(runs.endpoint = ? OR ({below}))", (name, f"{name}/", f"{name}0")))
    if notebook:
        conditions.append(("substr(notebook, -length(?)) = ?", (notebook, notebook)))
    if starred is not None:
        conditions.append(("starred" if starred else "NOT starred", ()))
    return Runs(_found(conditions, _limit(limit), words))


def get(run_id: str) -> RunRecord:
    """One run, by the history's id, by the service's, or by the beginning of either.

    Raises:
        InputError: There is none, or more than one.
        ConfigError: The history cannot be read.
    """
    name = str(run_id).strip()
    found = _found([("(id = ? OR request_id = ?)", (name, name))], _LARGEST)
    if not found and len(name) >= _SHORTEST_PREFIX:
        end = f"{name}\U0010ffff"
        found = _found(
            [("((id > ? AND id < ?) OR (request_id > ? AND request_id < ?))", (name, end, name, end))],
            _LARGEST,
        )
    if not found:
        raise InputError(
            f"no run of the history is called {name[:60]!r}",
            field="run_id",
            hint="nbkit.history.search() lists the latest",
        )
    if len({record.request_id or record.id for record in found}) > 1:
        raise InputError(
            f"{len(found)} runs are called {name[:60]!r}…", field="run_id", hint="write more of it"
        )
    return found[0]


def from_file(path: str | Path) -> RunRecord | Recipe | None:
    """How a file was made: the latest run that gave it, else what its recipe says; None where nothing is known.

    Args:
        path: A file that a run gave, or one that was saved with its recipe.

    Raises:
        MediaError: The file cannot be read.
        ConfigError: The history cannot be read.
    """
    recipe = read_recipe(path)
    with Path(path).expanduser().open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    gave = "runs.seq IN (SELECT run FROM files WHERE sha256 = ? AND role = 'output')"
    found = _found([(gave, (sha256,))], 1)
    if recipe and not found and recipe.request_id:
        found = _found([("request_id = ?", (recipe.request_id,))], 1)
    return found[0] if found else recipe


def _since_and_until(after: Moment | None, before: Moment | None) -> Iterator[Condition]:
    if after is not None:
        yield "created >= ?", (seconds_since_1970(after, "after"),)
    if before is not None:
        yield "created < ?", (seconds_since_1970(before, "before"),)


def _states(status: str | Sequence[str] | None) -> Iterator[Condition]:
    states = [status] if isinstance(status, str) else list(status or ())
    if strange := [state for state in states if state not in STATES]:
        raise InputError(
            f"{strange[0]!r:.60} is not a status", field="status", hint=f"one of {', '.join(STATES)}"
        )
    yield from _one_of("state", states or None)


def _one_of(name: str, values: str | Sequence[str] | None) -> Iterator[Condition]:
    if values is not None:
        listed = [values] if isinstance(values, str) else list(values)
        yield f"{name} IN ({', '.join('?' * len(listed))})", tuple(listed)


def _equal(**values: str | None) -> Iterator[Condition]:
    yield from ((f"{name} = ?", (value,)) for name, value in values.items() if value is not None)


def _found(conditions: Sequence[Condition], limit: int, words: str = "") -> list[RunRecord]:
    flush()
    path = history_path()
    if not path.exists():
        return []
    tables, number = "runs", "runs.seq"
    if words:
        tables = "words CROSS JOIN runs ON runs.seq = words.rowid" if conditions else "words"
        number = "words.rowid"
        conditions = [("words MATCH ?", (words,)), *conditions]
    where = " AND ".join(condition for condition, _ in conditions) or "1"
    # Numbers are put in order, and only the rows that are wanted are read.
    chosen = f"SELECT {number} FROM {tables} WHERE {where} ORDER BY {number} DESC LIMIT ?"  # noqa: S608 - our own names
    query = f"SELECT {COLUMNS} FROM runs WHERE seq IN ({chosen}) ORDER BY seq DESC"  # noqa: S608 - our own names
    values = [_sendable(value) for _, many in conditions for value in many]
    with open_for_reading(path) as connection:
        try:
            return [RunRecord.of(row, path) for row in connection.execute(query, (*values, limit))]
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # another process is making it at this moment
                return []
            raise


def _words(text: str) -> str:
    """Any text as a query of the index. Each word is quoted, so that nothing in it means something there."""
    words = (searchable(word).replace('"', " ").split() for word in text.split())
    known = (parts for parts in words if any(map(str.isalnum, "".join(parts))))
    return " ".join(f'"{" ".join(parts)}"*' for parts in known)


def _limit(limit: int | None) -> int:
    if limit is None:
        return _LARGEST
    if isinstance(limit, bool) or limit < 0:
        raise InputError("limit is a number of runs, or None for all", field="limit")
    return min(limit, _LARGEST)


def _sendable(value: Any) -> Any:
    """Text as SQLite takes it: half a character has no form there."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
