"""`%nbkit SUBCOMMAND`: what is here, how it is set up, and what is missing."""

from __future__ import annotations

import getpass
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from IPython.core.error import UsageError  # noqa: TID253 - this file is loaded inside IPython only
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand  # noqa: TID253

from nbkit import __version__
from nbkit.config import cache_dir, data_dir
from nbkit.credentials import connect, find_fal_key
from nbkit.display import slot, table
from nbkit.engines import weights
from nbkit.errors import CredentialsError
from nbkit.magics.generate import default_endpoint
from nbkit.magics.known import LOCAL, STAND_INS
from nbkit.magics.template import nearest
from nbkit.providers.embedded import NEEDED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@magics_class
class NbkitMagics(Magics):
    """The magic that tells about nbkit itself."""

    @no_var_expand
    @line_magic
    def nbkit(self, line: str) -> None:
        """Tell about nbkit itself: `%nbkit help|models|config|doctor|connect fal`."""
        word = " ".join(line.split()) or "help"
        command = COMMANDS.get(word)
        if command is None:
            advice = nearest(word, list(COMMANDS)) or f"known are {', '.join(COMMANDS)}"
            raise UsageError(f"there is no `%nbkit {word[:60]}`: {advice}")
        told = command()
        slot.Slot().end(table.bundle(told.title, told.rows, told.columns))


@dataclass(frozen=True, slots=True)
class Told:
    """A line and a table."""

    title: str
    rows: Sequence[Sequence[str]]
    columns: Sequence[str] = ()


def show_help() -> Told:
    """This list."""
    rows = [
        ("%%generate", "send a prompt, written below; %%generate? shows how"),
        ("%generate", "the same in one line"),
        *((f"%nbkit {name}", str(command.__doc__).rstrip(".")) for name, command in COMMANDS.items()),
    ]
    return Told(f"nbkit {__version__}", rows)


def models() -> Told:
    """What answers on this machine without a key."""
    if missing := _missing():
        absent = f"not installed: {', '.join(missing)}; pip install 'nbkit-media[local]'"
        return Told("no endpoint answers on this machine", [(absent,)])
    rows = [(name, what, _weights(needed)) for name, (what, needed) in LOCAL.items()]
    rows += [(name, f"stand-in: {own} answers where there is no key", "") for name, own in STAND_INS.items()]
    return Told("endpoints that answer on this machine", rows, ("endpoint", "what it does", "weights"))


def config() -> Told:
    """Where things are kept, and what is set."""
    live = os.environ.get("NBKIT_PROGRESS", "1") != "0"
    rows = [
        ("key for fal", _key()),
        ("default endpoint", default_endpoint()),
        ("results", _place(data_dir(), "NBKIT_HOME")),
        ("weights", _place(cache_dir(), "NBKIT_CACHE")),
        ("live card", "on" if live else "off (NBKIT_PROGRESS)"),
    ]
    return Told("settings", rows)


def doctor() -> Told:
    """Whether everything that is needed is here."""
    missing = _missing()
    absent = [name for name in weights.WEIGHTS if not weights.is_present(name)]
    clicks = slot.hears_clicks_while_blocked()
    rows = [
        ("✓", "nbkit", f"{__version__}, Python {platform.python_version()} on {sys.platform}"),
        ("✕" if missing and find_fal_key() is None else "✓", "key for fal", _key()),
        (
            "✕" if missing else "✓",
            "local models",
            f"missing: {', '.join(missing)}; pip install 'nbkit-media[local]'" if missing else "installed",
        ),
        (
            "✕" if absent else "✓",
            "weights",
            f"missing: {', '.join(absent)}; {weights.PULL_HINT}" if absent else "all here",
        ),
        (
            "✓" if clicks else "○",
            "Cancel button",
            "works while a cell runs" if clicks else "works in the background; ■ always works",
        ),
        ("✓" if _is_writable(data_dir()) else "✕", "results", str(data_dir())),
    ]
    return Told("doctor", rows, ("", "", ""))


def connect_fal() -> Told:
    """Ask for the key for fal, without showing it, and offer to keep it in the keyring."""
    from IPython.core.error import StdinNotImplementedError

    try:
        return Told("key for fal", [(connect(getpass.getpass, input),)])
    except StdinNotImplementedError:
        raise CredentialsError("nobody can be asked for a key here", hint="set FAL_KEY instead") from None


def _key() -> str:
    try:
        key = find_fal_key()
    except CredentialsError as error:
        return str(error)
    if key:
        return f"from {key.source}"
    return "none, and no local models either" if _missing() else "none: local models answer"


def _missing() -> list[str]:
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def _weights(needed: Sequence[str]) -> str:
    absent = [name for name in needed if not weights.is_present(name)]
    return f"missing: {', '.join(absent)}" if absent else "here" if needed else "none needed"


def _place(folder: Path, variable: str) -> str:
    return f"{folder} ({variable})" if os.environ.get(variable) else str(folder)


def _is_writable(folder: Path) -> bool:
    """Whether files can be made there, or where it will be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)


COMMANDS: dict[str, Callable[[], Told]] = {
    "help": show_help,
    "models": models,
    "config": config,
    "doctor": doctor,
    "connect fal": connect_fal,
}
