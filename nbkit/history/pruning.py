"""Letting old runs go, with the files that nothing else needs. Nothing goes by itself."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.history.database import changing, history_path, open_for_reading
from nbkit.history.files import FileStore
from nbkit.history.process import is_alive
from nbkit.history.times import Moment, seconds_since_1970
from nbkit.history.writer import flush

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

_STALE = (
    86400.0  # seconds after which nobody is receiving a file any more, and a run that uses it has its row
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go.

    Attributes:
        runs: How many runs.
        files: How many files.
        bytes: How large these are together.
        dry_run: Whether all of it is still there.
    """

    runs: int
    files: int
    bytes: int
    dry_run: bool

    def __str__(self) -> str:
        said = f"{self.runs} runs and {self.files} files of {self.bytes / 1e6:.1f} MB"
        return (
            f"{said} would go; prune(…, dry_run=False) lets them go" if self.dry_run else f"{said} are gone"
        )

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        from nbkit.display import table

        return table.bundle(str(self), [])


def prune(older_than: Moment = "90d", *, keep_starred: bool = True, dry_run: bool = True) -> Pruned:
    """Let old runs go, and the files that no run needs any more.

    A run under way stays, however old.

    Args:
        older_than: An age as `90d`, or a moment: runs from before it go.
        keep_starred: Whether runs with a star stay.
        dry_run: Whether only to tell what would go.

    Raises:
        InputError: That is no age and no moment.
        ConfigError: The history cannot be written.
    """
    limit = seconds_since_1970(older_than, "older_than")
    flush()
    path = history_path()
    store = FileStore(path.parent / "files")
    if not path.exists():
        return Pruned(0, 0, 0, dry_run)
    with open_for_reading(path) if dry_run else changing(path) as connection:
        old = list(_old(connection, limit, keep_starred=keep_starred))
        doomed = [*_unneeded(connection, old, store), *_stale(store)]
        size = sum(file.stat().st_size for file in doomed)
        if not dry_run:
            for table, column in (("events", "run"), ("files", "run"), ("runs", "seq")):
                connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(seq,) for seq in old])  # noqa: S608
    if not dry_run:
        # After the rows: a file without a row is waste, a row without its file a lost result.
        for file in doomed:
            with contextlib.suppress(OSError):
                file.unlink()
        with changing(path) as connection:
            connection.execute("PRAGMA incremental_vacuum")
    return Pruned(len(old), len(doomed), size, dry_run)


def _old(connection: sqlite3.Connection, limit: float, *, keep_starred: bool) -> Iterator[int]:
    rows = connection.execute(
        "SELECT seq, state, pid, process FROM runs WHERE created < ? AND NOT (starred AND ?)",
        (limit, keep_starred),
    )
    for seq, state, pid, process in rows.fetchall():
        if state not in ("sending", "accepted", "running") or not is_alive(pid, process):
            yield seq


def _unneeded(connection: sqlite3.Connection, old: list[int], store: FileStore) -> Iterator[Path]:
    """Files of these runs that no other run has."""
    going = set(old)
    needed: dict[str, bool] = {}
    query = (
        "SELECT run, path FROM files WHERE path != '' UNION ALL "
        "SELECT seq, substr(result_sha256, 1, 2) || '/' || result_sha256 || '.json' FROM runs WHERE result_sha256 != ''"
    )
    for run, name in connection.execute(query):
        needed[name] = needed.get(name, False) or run not in going
    for name, is_needed in needed.items():
        file = store.folder / name
        is_inside = file.is_relative_to(store.folder) and ".." not in file.parts
        if not is_needed and is_inside and file.is_file() and _is_stale(file):
            yield file


def _stale(store: FileStore) -> Iterator[Path]:
    """What a process that ended was still receiving."""
    return filter(_is_stale, store.folder.glob(".incoming-*"))


def _is_stale(file: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - file.stat().st_mtime > _STALE
    return False
