"""Which runs of the history a notebook was made with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from nbkit.history.scrub import scrub_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

ENDED = ("succeeded", "failed", "cancelled", "unknown")
"""The states of runs that are over."""


@dataclass(slots=True)
class Made:
    """The runs of a notebook.

    Attributes:
        rows: Their rows, by number, the oldest first.
        missing: The outputs whose run is not in the history: cell, endpoint and request id.
    """

    rows: list[int] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def parsed_notebook(data: bytes) -> dict[str, Any] | None:
    """A notebook's JSON; None where it is none, or its cells and outputs are not what they should be."""
    try:
        notebook = json.loads(data)
        for cell in notebook["cells"]:
            is_whole = isinstance(cell.get("source", ""), (str, list))
            for output in cell.get("outputs", ()):
                is_whole &= isinstance(output.get("metadata", {}), dict)
            if not is_whole:
                return None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return notebook if isinstance(notebook, dict) else None


def runs_told(notebook: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the outputs of a notebook tell of the runs that made them, each with the number of its cell, from 1."""
    for number, cell in enumerate(notebook["cells"], 1):
        for output in cell.get("outputs", ()):
            html = output.get("metadata", {}).get("text/html", {})
            told = html.get("nbkit", []) if isinstance(html, dict) else []
            for about in [told] if isinstance(told, dict) else told:
                if isinstance(about, dict):
                    yield number, about


def runs_of(connection: sqlite3.Connection, notebook: Mapping[str, Any], name: str) -> Made:
    """Find the runs that a notebook was made with.

    These are the runs that its outputs name. To them come those that its cells made without showing them, as far
    as the history knows the cell: from the kernels that made the named ones, else from the last kernel that ran
    the cell. Of a cell that was executed again, what its outputs no longer show is left out.

    Args:
        connection: The history.
        notebook: The notebook.
        name: Its file's name.
    """
    made = Made()
    named: dict[int, list[sqlite3.Row]] = {}
    for number, about in runs_told(notebook):
        row = _named(connection, about)
        if row is not None:
            named.setdefault(number, []).append(row)
        elif (told := _missing(number, about)) not in made.missing:
            made.missing.append(told)
    rows = {row["seq"] for many in named.values() for row in many}
    kernels = {_kernel(row) for many in named.values() for row in many}
    by_text: dict[str, list[int]] = {}
    for number, cell in enumerate(notebook["cells"], 1):
        if cell.get("cell_type") == "code":
            by_text.setdefault(_text(cell), []).append(number)
    found = _of_cells(connection, set(by_text) - {""}, name)
    for text, many in found.items():
        shown = {_request(row) for number in by_text[text] for row in named.get(number, ())}
        wanted = kernels or {_kernel(many[-1])}
        rows |= {row["seq"] for row in many if _kernel(row) in wanted and _request(row) not in shown}
    made.rows = sorted(rows)
    return made


_ABOUT = "SELECT runs.seq, runs.endpoint, runs.way, runs.input_sha256, runs.pid, runs.process"


def _named(connection: sqlite3.Connection, about: Mapping[str, Any]) -> sqlite3.Row | None:
    request_id, endpoint = str(about.get("request_id", "")), str(about.get("endpoint", ""))
    if request_id:
        query = f"{_ABOUT} FROM runs WHERE request_id = ? AND endpoint = ? ORDER BY seq DESC LIMIT 1"
        row: sqlite3.Row | None = connection.execute(query, (request_id, endpoint)).fetchone()
        return row
    files = about.get("files") or [{}]
    sha256 = files[0].get("sha256", "") if isinstance(files, list) and isinstance(files[0], dict) else ""
    query = (
        f"{_ABOUT} FROM files JOIN runs ON runs.seq = files.run"
        " WHERE files.sha256 = ? AND files.sha256 != '' AND files.role = 'output' AND runs.endpoint = ?"
        " ORDER BY runs.seq DESC LIMIT 1"
    )
    same: sqlite3.Row | None = connection.execute(query, (str(sha256), endpoint)).fetchone()
    return same


def _of_cells(connection: sqlite3.Connection, texts: set[str], name: str) -> dict[str, list[sqlite3.Row]]:
    """Runs by the text of the cell that made them, the oldest first."""
    found: dict[str, list[sqlite3.Row]] = {}
    marks = ", ".join("?" * len(ENDED))
    query = f"{_ABOUT}, cell, notebook FROM runs WHERE cell != '' AND state IN ({marks}) ORDER BY seq"
    for row in connection.execute(query, ENDED):
        text = row["cell"].strip()
        if text in texts and file_name(row["notebook"]) in ("", name):
            found.setdefault(text, []).append(row)
    return found


def file_name(path: str) -> str:
    """The last part of a path, whichever system wrote it."""
    return PurePosixPath(path.replace("\\", "/")).name


def _text(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return scrub_text("".join(map(str, source)) if isinstance(source, list) else str(source)).strip()


def _kernel(row: sqlite3.Row) -> tuple[int, str]:
    return row["pid"], row["process"]


def _request(row: sqlite3.Row) -> tuple[str, str, str]:
    return row["endpoint"], row["way"], row["input_sha256"]


def _missing(number: int, about: Mapping[str, Any]) -> str:
    request = f", request {about['request_id']}" if about.get("request_id") else ""
    return f"cell {number}: {about.get('endpoint') or 'a run'}{request}"
