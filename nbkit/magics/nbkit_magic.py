"""`%nbkit SUBCOMMAND`: what is here, how it is set up, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError  # noqa: TID253 - this file is loaded inside IPython only
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand  # noqa: TID253

from nbkit import __version__
from nbkit.display import slot, table
from nbkit.errors import InputError
from nbkit.magics.command import Call, Command, Told
from nbkit.magics.commands import (
    aliases,
    connect,
    dify,
    history,
    jobs,
    machine,
    recall,
    settings,
)
from nbkit.magics.generate import one_line
from nbkit.magics.template import nearest

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


def find(line: str) -> tuple[Command, str]:
    """The subcommand that a line begins with, and what follows its name.

    Raises:
        InputError: There is none of that name, or it takes nothing.
    """
    words = line.split(maxsplit=2)
    for count in (2, 1):  # names have one word or two
        command = COMMANDS.get(" ".join(words[:count]) or "help")
        if command is not None:
            text = " ".join(words[count:])
            if text and not command.takes:
                raise InputError(f"`%nbkit {command.name}` takes nothing, and here stands {text[:60]!r}")
            return command, text
    asked = " ".join(line.split())[:60]
    known = list(COMMANDS)
    bare = asked.lstrip("-")
    advice = nearest(bare, known) or nearest(bare.split(" ")[0], known) or f"known are {', '.join(known)}"
    raise InputError(f"there is no `%nbkit {asked}`", hint=advice)


def show_help(_call: Call) -> Told:
    """This list."""
    rows = [
        ("%%generate", "send a prompt, written below; %%generate? shows how"),
        ("%generate", "the same in one line"),
        *((command.usage, command.summary) for command in COMMANDS.values()),
    ]
    return Told(f"nbkit {__version__}", rows)


_GROUPS = (
    machine.COMMANDS,
    settings.COMMANDS,
    connect.COMMANDS,
    dify.COMMANDS,
    aliases.COMMANDS,
    jobs.COMMANDS,
    history.COMMANDS,
    recall.COMMANDS,
)
COMMANDS = {
    command.name: command
    for command in (Command("help", show_help), *(command for group in _GROUPS for command in group))
}
