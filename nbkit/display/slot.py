"""A place in a cell's output that can be written more than once."""

from __future__ import annotations

import sys
import uuid
from typing import Any


def _kernel() -> Any:
    """The Jupyter kernel of this process, None in a terminal and in a script."""
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs the code, so that what is displayed can be replaced later."""
    return _kernel() is not None


def in_ipython() -> bool:
    """Whether IPython shows what is displayed, in a notebook or in a terminal."""
    from IPython import get_ipython

    return get_ipython() is not None


def cell_count() -> int:
    """The number of the cell that runs now, 0 outside of IPython."""
    if "IPython" not in sys.modules:
        return 0
    from IPython import get_ipython

    return int(getattr(get_ipython(), "execution_count", 0))


def hears_clicks_while_blocked() -> bool:
    """Whether buttons work while a cell runs: kernels with subshells (ipykernel 7 and newer) can do that."""
    return bool(getattr(_kernel(), "_supports_kernel_subshells", False))


class Shown:
    """A MIME bundle that shows itself."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def _repr_mimebundle_(self, **_choice: object) -> dict[str, Any]:
        return self._content


class Slot:
    """One output of the cell that runs now.

    In a notebook it is replaced by whatever comes next, also after the cell has ended; a terminal cannot take
    back what it printed, so there only the last word is written.
    """

    def __init__(self) -> None:
        self._id = f"nbkit-{uuid.uuid4().hex}"
        self._filled = False

    def fill(self, thing: object) -> None:
        """Show something that will be replaced, in place of what was shown before."""
        from IPython.display import display

        if in_notebook():
            display(thing, display_id=self._id, update=self._filled)  # type: ignore[no-untyped-call]
            self._filled = True

    def end(self, bundle: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        """Replace what is shown by a MIME bundle that stays.

        Args:
            bundle: Content by MIME type.
            metadata: Facts about it by MIME type, saved beside it in the notebook.
        """
        from IPython.display import display, update_display

        if self._filled:
            update_display(bundle, metadata=metadata, display_id=self._id, raw=True)  # type: ignore[no-untyped-call]
        else:
            display(bundle, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
