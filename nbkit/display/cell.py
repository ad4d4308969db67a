"""The cell that runs now, and its notebook, as far as they are known."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a call was made.

    Attributes:
        source: The text of the cell, an empty string outside of IPython.
        notebook: The notebook's path as its server or editor names it, an empty string where nobody says.
    """

    source: str = ""
    notebook: str = ""


def current_cell() -> Cell:
    """The cell that runs now. Nothing here may fail: it is asked in the middle of a call."""
    if "IPython" not in sys.modules:
        return Cell()
    from IPython import get_ipython

    try:
        shell: Any = get_ipython()
        return Cell(_source(shell), _notebook(shell)) if shell is not None else Cell()
    except Exception:  # noqa: BLE001 - other programs build shells of their own
        return Cell()


def _source(shell: Any) -> str:
    """The text: what the front end asked to be executed, or the last line of a terminal."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    content = parent.get("content") if isinstance(parent, dict) else None
    asked = content.get("code") if isinstance(content, dict) else None
    typed = getattr(shell.history_manager, "input_hist_raw", None) if asked is None else None
    return str(asked if asked is not None else typed[-1] if typed else "")


def _notebook(shell: Any) -> str:
    """The path: Visual Studio Code tells it to the kernel, a Jupyter server to the kernel's environment."""
    told = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "")
    return told if isinstance(told, str) and told.endswith(".ipynb") else ""
