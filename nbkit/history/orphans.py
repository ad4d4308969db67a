"""How many runs their kernel left behind: asked when a notebook begins, so it loads next to nothing."""

from __future__ import annotations

from nbkit.history.database import history_path, open_for_reading
from nbkit.history.process import is_alive


def count_orphans(notebook: str) -> int:
    """How many runs of a notebook were under way when their kernel ended.

    Args:
        notebook: The notebook's path as its runs have it; an empty string for those of which it is not known.

    Raises:
        ConfigError: The history cannot be read.
    """
    path = history_path()
    if not path.exists():
        return 0
    # Written as the index of open runs is, so that it is used.
    query = (
        "SELECT pid, process FROM runs WHERE state NOT IN ('succeeded', 'failed', 'cancelled')"
        " AND state != 'unknown' AND notebook = ?"
    )
    with open_for_reading(path) as connection:
        return sum(not is_alive(*row) for row in connection.execute(query, (notebook,)).fetchall())
