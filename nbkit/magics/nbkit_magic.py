"""`%nbkit SUBCOMMAND`: what is here, how it is set up, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError  # noqa: TID253 - this file is loaded inside IPython only
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand  # noqa: TID253

from nbkit.display import slot, table
from nbkit.errors import InputError
from nbkit.magics.command import Call
from nbkit.magics.generate import one_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbkit.magics.notebook import Notebook


@magics_class
class NbkitMagics(Magics):
    """The magic that tells about nbkit itself."""

    def __init__(self, shell: InteractiveShell, notebook: Notebook) -> None:
        super().__init__(shell)
        self._notebook = notebook

    @no_var_expand
    @line_magic
    def nbkit(self, line: str) -> None:
        """Tell about nbkit itself; `%nbkit` alone lists the subcommands."""
        from nbkit.magics.subcommands import find

        try:
            command, text = find(line)
            told = command.run(Call(self._notebook, text))
        except InputError as error:
            # The plain class: IPython shows a traceback for its subclasses.
            raise UsageError(one_line(error)) from None
        if told is not None:
            slot.Slot().end(table.bundle(told.title, told.rows, told.columns))
            if told.error:
                raise told.error.with_traceback(None)
