"""The subcommands of `%nbkit`: loaded when the first of them is used or completed, not with the extension."""

from __future__ import annotations

from nbkit import __version__
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
    workflow,
)
from nbkit.magics.template import nearest


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
    workflow.COMMANDS,
)
COMMANDS = {
    command.name: command
    for command in (Command("help", show_help), *(command for group in _GROUPS for command in group))
}
