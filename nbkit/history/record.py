"""One run as the history has it."""

from __future__ import annotations

import json
import mimetypes
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbkit.history.database import changing, open_for_reading
from nbkit.history.fetching import fetch
from nbkit.history.files import FileStore
from nbkit.history.process import is_alive, this_process
from nbkit.history.rows import EVENTS
from nbkit.model.event import Event, Unrecognised
from nbkit.model.media import Files, Media
from nbkit.model.result import Result

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

EMBEDDED = "embedded"
"""What the history calls the server that a kernel has for itself: its address means nothing once it has ended."""
_UNDER_WAY = ("sending", "accepted", "running")


@dataclass(frozen=True)
class RunRecord:
    """A run of the past, or one that is under way.

    Attributes:
        id: The history's own id.
        endpoint: What was called.
        provider: Who answered: `fal`, `dify` or `local`.
        way: How it was called: `queue`, `direct`, `stream`, `realtime`, or `attach` for one that was begun elsewhere.
        origin: Scheme, host and port of the service; `embedded` for the server that a kernel has for itself.
        state: `sending`, `accepted`, `running`, `succeeded`, `failed`, `cancelled` or `unknown`.
        request_id: The service's id, an empty string where none is known.
        task_id: The id by which a Dify run is stopped, else an empty string.
        status_url: Where the service tells its status, an empty string where it has no such address.
        response_url: Where its result is, likewise.
        cancel_url: Where it is cancelled, likewise.
        input: What was sent, without secrets, long texts cut and inline files replaced by their hashes.
        input_sha256: The hash that all equal inputs share.
        seed: The seed that was given, else the one that the model says it used; None where there is neither.
        created: When it was about to be sent, in seconds since 1970.
        accepted: When the service gave it an id, None where it has none.
        ended: When its end was known, None where it is not.
        seconds: How long it took, None where that is not known.
        billable_units: What the service said it bills, None where it did not say.
        cost: Money, None where unknown.
        metrics: What the service measured.
        stand_in: The local model that answered in place of the endpoint, an empty string for the real one.
        error: Why it ended badly, an empty string where it did not.
        error_type: The class of that error, and the service's word for it.
        notebook: The notebook it was called from, an empty string where that is not known.
        cell: The text of the cell, without secrets.
        sweep: The sweep it belongs to, None where it belongs to none.
        starred: Whether it has a star.
        note: What was noted about it.
        nbkit: The version of nbkit that called it.
        python: The version of Python.
    """

    id: str
    endpoint: str
    provider: str
    way: str
    origin: str
    state: str
    request_id: str
    task_id: str
    status_url: str
    response_url: str
    cancel_url: str
    input: dict[str, Any] = field(repr=False)
    input_sha256: str
    seed: int | None
    created: float
    accepted: float | None
    ended: float | None
    seconds: float | None
    billable_units: float | None
    cost: float | None
    metrics: dict[str, Any] = field(repr=False)
    stand_in: str
    error: str
    error_type: str
    notebook: str
    cell: str = field(repr=False)
    sweep: str | None
    starred: bool
    note: str
    nbkit: str
    python: str
    _seq: int = field(repr=False)
    _process: tuple[int, str] = field(repr=False)
    _path: Path = field(repr=False)

    @property
    def path(self) -> Path:
        """The history's file."""
        return self._path

    @property
    def status(self) -> str:
        """The state, by the name that runs have for it."""
        return self.state

    @property
    def when(self) -> datetime:
        """When it was sent, by the clock and zone of this machine."""
        return datetime.fromtimestamp(self.created, UTC).astimezone()

    @property
    def is_under_way(self) -> bool:
        """Whether a process of this machine still follows it. On Windows only this very process is known to."""
        return self.state in _UNDER_WAY and is_alive(*self._process)

    @property
    def is_orphan(self) -> bool:
        """Whether its end is not known and nobody follows it: its kernel ended before it did."""
        return self.state in (*_UNDER_WAY, "unknown") and not self.is_under_way

    def columns(self) -> dict[str, Any]:
        """Its row, as it would be written again."""
        values = {it.name: getattr(self, it.name) for it in fields(self) if it.name not in _OWN}
        seed = None if self.seed is None else str(self.seed)
        return values | {"seed": seed} | dict(zip(("pid", "process"), this_process(), strict=True))

    def claim(self) -> bool:
        """Take an orphan over, so that no other process does; False where another was quicker.

        Raises:
            ConfigError: The history cannot be written.
        """
        state = "accepted" if self.request_id else "sending"
        return self.is_orphan and self._change({"state": state}, self.state, self._process)

    def settle(self, state: str, error: str) -> bool:
        """Write down what was learnt of a run that this process has claimed and does not follow.

        Raises:
            ConfigError: The history cannot be written.
        """
        held = "accepted" if self.request_id else "sending"
        return self._change({"state": state, "error": error}, held, this_process())

    def found(self, request_id: str) -> RunRecord:
        """Write down the service's id of a run that this process has claimed, before it is followed by it.

        Raises:
            ConfigError: The history cannot be written.
        """
        held = "accepted" if self.request_id else "sending"
        self._change({"state": "accepted", "request_id": request_id}, held, this_process())
        return replace(self, state="accepted", request_id=request_id)

    def _change(self, values: dict[str, str], state: str, process: tuple[int, str]) -> bool:
        """Change its row where it is in a state and belongs to a process still; from then on it is this one's."""
        changed = values | dict(zip(("pid", "process"), this_process(), strict=True))
        names = ", ".join(f"{name} = ?" for name in changed)
        query = f"UPDATE runs SET {names} WHERE id = ? AND state = ? AND pid = ? AND process = ?"  # noqa: S608 - our own names
        with changing(self._path) as connection:
            return connection.execute(query, (*changed.values(), self.id, state, *process)).rowcount == 1

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened to it, oldest first."""
        found: list[Event] = []
        for (body,) in self._rows("SELECT body FROM events WHERE run = ? ORDER BY id"):
            told = json.loads(body)
            found += [_event(it) for it in told] if isinstance(told, list) else [Unrecognised(raw=told)]
        return tuple(found)

    @property
    def media(self) -> tuple[Media, ...]:
        """The files of its result, each with its recipe."""
        result = self.result
        return self._files("output") if result is None else result.media

    @property
    def images(self) -> Files:
        """The pictures among them."""
        return Files(media for media in self.media if media.is_image)

    @property
    def image(self) -> Media:
        """The first picture.

        Raises:
            IndexError: It gave no picture.
        """
        return self.images[0]

    @property
    def input_files(self) -> tuple[Media, ...]:
        """The files of its input: their hashes and addresses. Their bytes are not kept."""
        return self._files("input")

    @property
    def all_files(self) -> tuple[tuple[str, Media], ...]:
        """Every file with its role: `input`, `output`, or `step` for what came on the way."""
        rows = self._rows("SELECT * FROM files WHERE run = ? ORDER BY id")
        return tuple((row["role"], _media(row, self._path.parent / "files")) for row in rows)

    @property
    def result(self) -> Result | None:
        """What it gave; None where it gave nothing, or its output is gone."""
        rows = self._rows("SELECT result, result_sha256 FROM runs WHERE seq = ?")
        text, sha256 = rows[0] if rows else (None, None)
        if sha256:
            store = FileStore(self._path.parent / "files")
            path = store.path_of(sha256, ".json")
            found = path if path.is_file() else fetch(store, sha256, ".json")
            text = found.read_text("ascii") if found else None
        if text is None:
            return None
        return Result(
            json.loads(text),
            endpoint=self.endpoint,
            input=self.input,
            request_id=self.request_id,
            media=self._files("output"),
            seconds=self.seconds or 0.0,
            metrics=self.metrics,
            billable_units=self.billable_units,
            cost=self.cost,
            stand_in=self.stand_in,
            ended_at=self.ended or self.created,
        )

    @classmethod
    def of(cls, row: sqlite3.Row, path: Path) -> RunRecord:
        """A row of the table as a record."""
        plain = {name: row[name] for name in _COLUMNS if name not in _MADE}
        return cls(
            **plain,
            input=_object(row["input"]),
            metrics=_object(row["metrics"]),
            seed=int(row["seed"]) if row["seed"] is not None else None,
            starred=bool(row["starred"]),
            _seq=row["seq"],
            _process=(row["pid"], row["process"]),
            _path=path,
        )

    def _rows(self, query: str) -> list[sqlite3.Row]:
        with open_for_reading(self._path) as connection:
            return connection.execute(query, (self._seq,)).fetchall()

    def _files(self, role: str) -> tuple[Media, ...]:
        found = {media.place: media for held, media in self.all_files if held == role}
        return tuple(found.values())

    def _repr_mimebundle_(self, **choice: Any) -> Any:
        result = self.result
        if result is not None:
            return result._repr_mimebundle_(**choice)
        from nbkit.display.card import Card, bundle

        return bundle(
            Card(endpoint=self.endpoint, status=self.state, request_id=self.request_id, error=self.error)
        )


_MADE = frozenset({"input", "metrics", "seed", "starred", "seq", "pid", "process"})
_OWN = ("_seq", "_process", "_path")
_COLUMNS = ("seq", "pid", "process", *(it.name for it in fields(RunRecord) if it.name not in _OWN))
COLUMNS = ", ".join(f"runs.{name}" for name in _COLUMNS)
"""What a record is made of, as a query asks for it."""


def _object(text: str | None) -> dict[str, Any]:
    value = json.loads(text) if text else {}
    return value if isinstance(value, dict) else {}


def _event(told: Any) -> Event:
    """An event as it was told; one that this nbkit has no word for stays what it is."""
    try:
        kind, at, values, raw = told
        return EVENTS[kind](**values, raw=raw, at=at)
    except (KeyError, TypeError, ValueError):
        return Unrecognised(raw=told)


def _media(row: sqlite3.Row, folder: Path) -> Media:
    media = Media(
        row["url"],
        row["content_type"],
        row["file_name"],
        row["size"],
        place=row["place"],
        sha256=row["sha256"],
        width=row["width"],
        height=row["height"],
        problem=row["problem"],
    )
    path = folder / row["path"] if row["path"] else None
    if row["role"] != "input" and media.sha256 and (path is None or not path.is_file()):
        suffix = path.suffix if path else mimetypes.guess_extension(media.content_type) or ""
        if found := fetch(FileStore(folder), media.sha256, suffix, media.size):
            return replace(media, path=found, problem=media.problem if path else "")
    return replace(media, path=path) if path else media
