"""A run from another machine: each of its values is what its column takes, or none of it is taken."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.history.bundle import FILE, SHA256
from nbkit.history.notebook import ENDED
from nbkit.model.endpoint import Endpoint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_LARGEST = 2**63
_LONGEST = 16 * 2**20
_NOBODY = {"pid": 0, "process": ""}  # no process of this machine follows it
_ELSEWHERE = ("status_url", "response_url", "cancel_url")  # nobody here asks where somebody else was answered
_KINDS: dict[str, tuple[type, ...]] = {"TEXT": (str,), "REAL": (int, float), "INTEGER": (int,)}
_ROLES = ("input", "output", "step")


class BadRun(Exception):
    """What is wrong with a run."""


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """A run, its events and its files, as they stand in a bundle.

    Attributes:
        run: The columns of its row.
        events: Batches of its events, each a JSON text.
        files: The columns of its files' rows.
    """

    run: dict[str, Any]
    events: list[str]
    files: list[dict[str, Any]]

    @classmethod
    def of(cls, told: Any) -> ImportedRun:
        """Read a run; its values are looked at when it is inserted.

        Raises:
            BadRun: It is none.
        """
        try:
            run, events, files = dict(told["run"]), list(told["events"]), [dict(it) for it in told["files"]]
            _check_run(run)
            for body in events:
                if not isinstance(json.loads(body), list):
                    raise BadRun("its events are no list")
            for file in files:
                _check_file(file)
        except (KeyError, TypeError, ValueError, RecursionError, InputError) as error:
            raise BadRun(f"it is not complete ({type(error).__name__}: {error})") from error
        return cls(run | dict.fromkeys(_ELSEWHERE, "") | _NOBODY, events, files)

    @property
    def id(self) -> str:
        """The history's id of it."""
        return str(self.run["id"])

    @property
    def created(self) -> float:
        """When it was sent, in seconds since 1970."""
        return float(self.run["created"])

    def insert(self, connection: sqlite3.Connection) -> bool:
        """Write it down, unless it is there; returns whether it was not.

        Raises:
            BadRun: A value is not what its column takes.
        """
        if connection.execute("SELECT 1 FROM runs WHERE id = ?", (self.id,)).fetchone():
            return False
        seq = _insert(connection, "runs", self.run)
        for body in self.events:
            _insert(connection, "events", {"run": seq, "body": body})
        for file in self.files:
            _insert(connection, "files", {"run": seq} | file)
        return True


def _insert(connection: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int:
    columns = {it["name"]: it for it in connection.execute(f"PRAGMA table_info({table})") if not it["pk"]}
    if strange := row.keys() - columns.keys():
        raise BadRun(f"nothing is called {min(strange)[:40]!r} here")
    for name, value in row.items():
        _check_value(columns[name], value)
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    missing = [
        name
        for name, it in columns.items()
        if it["notnull"] and it["dflt_value"] is None and row.get(name) is None
    ]
    if missing:
        raise BadRun(f"its {missing[0]} is missing")
    done = connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - columns that are there
    return int(done.lastrowid or 0)


def _check_value(column: sqlite3.Row, value: Any) -> None:
    name = column["name"]
    if value is None:
        if column["notnull"]:
            raise BadRun(f"its {name} is missing")
        return
    is_right = isinstance(value, _KINDS[column["type"]]) and not isinstance(value, bool)
    if isinstance(value, str):
        is_right &= len(value) <= _LONGEST and _encodes(value)
    elif is_right:
        is_right = math.isfinite(value) and abs(value) < _LARGEST
    if not is_right:
        raise BadRun(f"its {name} is no {column['type'].lower()}")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_run(run: Mapping[str, Any]) -> None:
    if not re.fullmatch("[0-9a-f]{32}", run["id"]):
        raise BadRun("its id is none")
    if run["state"] not in ENDED:
        raise BadRun("it is not over")
    endpoint = Endpoint.parse(run["endpoint"])
    if str(endpoint) != run["endpoint"] or endpoint.provider != run["provider"]:
        raise BadRun("its endpoint is none")
    if "/" in run["notebook"] or "\\" in run["notebook"]:
        raise BadRun("its notebook is a path")
    if not SHA256.fullmatch(run["input_sha256"]) or not SHA256.fullmatch(run["result_sha256"] or "0" * 64):
        raise BadRun("a hash is none")
    if run["seed"] is not None:
        int(run["seed"])
    float(run["created"])
    for name in ("input", "metrics", "result"):
        if run[name] is not None:
            json.loads(run[name])


def _check_file(file: Mapping[str, Any]) -> None:
    kept = FILE.fullmatch(f"files/{file['path']}")
    if file["path"] and not (kept and kept[3] == file["sha256"]):
        raise BadRun("a file of it is not where files are kept")
    if file["sha256"] and not SHA256.fullmatch(file["sha256"]):
        raise BadRun("a hash is none")
    if file["role"] not in _ROLES:
        raise BadRun("a file of it has no role")
