"""Files of JSON lines: what is written stays, whatever happens to the kernel afterwards."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_LARGEST = 200_000_000


def append(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add a line for each row, in one write, and see them to the disk.

    Raises:
        OSError: They cannot be written.
    """
    text = "".join(f"{json.dumps(row, ensure_ascii=False, allow_nan=False)}\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # somebody was stopped in the middle of a line
                text = f"\n{text}"
        file.write(text.encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, none where there is no file; a line that is no whole object is left out.

    Raises:
        OSError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST)
    except FileNotFoundError:
        return []
    return [row for line in content.splitlines() if isinstance(row := parsed(line), dict)]


def parsed(content: bytes) -> Any:
    """JSON from outside; None for what is none, for numbers that JSON does not have, and for endless nesting."""
    try:
        return json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> Any:
    raise ValueError(name)
