"""What a cell left behind is cleared away when the cell is run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_left: dict[str, list[Callable[[], None]]] = {}
_watched: set[int] = set()


def when_run_again(clear: Callable[[], None]) -> None:
    """Have a function called when the cell that runs now is run again.

    Where nobody says which cell runs, as in a terminal, it is never called.
    """
    from IPython import get_ipython

    shell = get_ipython()
    cell = _cell_of(shell)
    if not cell:
        return
    if id(shell) not in _watched:
        _watched.add(id(shell))
        shell.events.register("pre_run_cell", lambda _info: _clear(_cell_of(shell)))
    _left.setdefault(cell, []).append(clear)


def _clear(cell: str) -> None:
    for clear in _left.pop(cell, ()):
        clear()


def _cell_of(shell: Any) -> str:
    """The id that the front end gives the cell, an empty string where it gives none."""
    kernel: Any = getattr(shell, "kernel", None)
    try:
        return str(kernel.get_parent("shell")["metadata"]["cellId"])
    except (AttributeError, KeyError, TypeError):
        return ""
