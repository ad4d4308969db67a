"""What happens when a cell ends, and what it left behind is cleared away when it is run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_left: dict[str, list[Callable[[], None]]] = {}
_watched: set[int] = set()
_at_end: list[Callable[[], bool]] = []


def before_a_cell_ends(settle: Callable[[], bool]) -> None:
    """Have a function called whenever a cell is about to end, until it says that there is nothing more to do.

    What is shown then still belongs to the cell: clients without a screen drop what comes later.
    """
    from IPython import get_ipython

    if (shell := get_ipython()) is not None:
        _hear(shell)
        _at_end.append(settle)


def _hear(shell: Any) -> None:
    if id(shell) not in _watched:
        _watched.add(id(shell))
        shell.events.register("pre_run_cell", lambda _info: _clear(_cell_of(shell)))
        shell.events.register("post_run_cell", lambda _result: _settle())


def _settle() -> None:
    _at_end[:] = [settle for settle in _at_end if not settle()]


def when_run_again(clear: Callable[[], None]) -> None:
    """Have a function called when the cell that runs now is run again.

    Where nobody says which cell runs, as in a terminal, it is never called.
    """
    from IPython import get_ipython

    shell = get_ipython()
    cell = _cell_of(shell)
    if not cell:
        return
    _hear(shell)
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
