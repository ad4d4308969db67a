"""Which of this machine's models a request may name: those below folders that the server's owner allowed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit.server.field_refused import FieldRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE = "NBKIT_MODELS_DIR"


def allowed_folders(named: Iterable[Path], *, all_too: bool = False) -> tuple[Path, ...]:
    """The folders that an owner allows, as absolute paths.

    Args:
        named: Those of the command line. Where there are none, those of the variable, separated as in PATH.
        all_too: Whether to allow every other folder as well, with paths from the current one.
    """
    folders = list(named) or [
        Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder
    ]
    if all_too:
        folders += [Path(), Path(os.sep)]
    found = []
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):  # the current folder may be gone
            found.append(Path(os.path.abspath(os.path.expanduser(folder))))  # noqa: PTH100, PTH111 - resolving links would change the names
    return tuple(found)


def find_model(name: str, field: str, folders: Iterable[Path]) -> Path:
    """Find the model that an input names.

    Args:
        name: Its path; one that is not absolute is looked for in each of the folders.
        field: The input's field, for errors.
        folders: Where models may lie, as absolute paths.

    Returns:
        The path without symbolic links.

    Raises:
        FieldRefused: There is none below the folders. That is also said of what lies elsewhere, so that nobody learns
            what else is on this machine.
    """
    allowed = list(folders)
    for folder in allowed:
        # Judged by its words first: merely looking at a path can reach other machines.
        wanted = Path(os.path.normpath(folder / os.path.expanduser(name)))  # noqa: PTH111 - Path's own raises where there is no such user
        if any(wanted.is_relative_to(one) for one in allowed) and (found := _real(wanted, allowed)):
            return found
    raise FieldRefused(
        f"There is no {name[:200]!r} in the folders of models that this server may read"
        if allowed
        else "This server may read no models; its owner allows a folder of them by: nbkit serve --models-dir DIR",
        field=field,
        kind="value_error",
    )


def _real(wanted: Path, allowed: list[Path]) -> Path | None:
    """Where a path leads, if that is below one of the folders."""
    try:
        found = wanted.resolve(strict=True)
    except (OSError, ValueError, RuntimeError):  # not there, not readable, no path at all, a circle of links
        return None
    return found if any(found.is_relative_to(folder.resolve()) for folder in allowed) else None
