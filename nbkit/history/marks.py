"""Stars and notes: what a person says about a run."""

from __future__ import annotations

from nbkit.history.database import changing, history_path
from nbkit.history.queries import get
from nbkit.history.scrub import scrub_text


def star(run_id: str) -> None:
    """Give a run a star: it is found by `search(starred=True)`, and `prune` keeps it.

    Args:
        run_id: The history's id, the service's, or the beginning of either.

    Raises:
        InputError: There is no such run.
        ConfigError: The history cannot be written.
    """
    _set(run_id, "starred", 1)


def unstar(run_id: str) -> None:
    """Take the star away again; raises as `star` does."""
    _set(run_id, "starred", 0)


def note(run_id: str, text: str) -> None:
    """Write something down about a run, in place of what was noted before; raises as `star` does."""
    _set(run_id, "note", scrub_text(str(text).encode("utf-8", "replace").decode("utf-8")))


def _set(run_id: str, column: str, value: str | int) -> None:
    record = get(run_id)
    with changing(history_path()) as connection:
        connection.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", (value, record.id))  # noqa: S608 - our own names
