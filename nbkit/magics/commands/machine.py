"""What is here on this machine, and what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit import __version__
from nbkit.config import data_dir
from nbkit.credentials import find_fal_key, held_keys
from nbkit.display import slot
from nbkit.engines import weights
from nbkit.errors import CredentialsError, InputError
from nbkit.history.fetching import check
from nbkit.magics.command import Command, Told
from nbkit.magics.known import LOCAL, STAND_INS
from nbkit.providers.embedded import NEEDED
from nbkit.stores.address import shown
from nbkit.stores.chosen import chosen_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.magics.command import Call


def models(_call: Call) -> Told:
    """What answers on this machine without a key."""
    if missing := _missing():
        absent = f"not installed: {', '.join(missing)}; pip install 'nbkit-media[local]'"
        return Told("no endpoint answers on this machine", [(absent,)])
    rows = [(name, what, _weights(needed)) for name, (what, needed) in LOCAL.items()]
    rows += [(name, f"stand-in: {own} answers where there is no key", "") for name, own in STAND_INS.items()]
    return Told("endpoints that answer on this machine", rows, ("endpoint", "what it does", "weights"))


def doctor(call: Call) -> Told:
    """Whether everything that is needed is here; with `--scan`, whether a file or folder holds keys."""
    if not call.text:
        return Told("doctor", checks(), ("", "", ""))
    option, _, path = call.text.partition(" ")
    path = path.strip().strip("\"'")
    if option != "--scan" or not path:
        raise InputError(f"`%nbkit doctor` takes `--scan PATH`, and not {call.text[:60]!r}")
    from nbkit import leaks

    report = leaks.scan(Path(path).expanduser(), held_keys(with_keyring=True))
    rows = [(leak.file, leak.place, leak.kind, leak.masked) for leak in report.leaks]
    rows += [(name, "skipped", why, "") for name, why in report.skipped]
    return Told(report.summary, rows, ("file", "place", "kind", "key"))


def checks() -> list[tuple[str, str, str]]:
    """Each thing that is needed: a mark, its name, and how it stands."""
    missing = _missing()
    absent = [name for name in weights.WEIGHTS if not weights.is_present(name)]
    clicks = slot.hears_clicks_while_blocked()
    return [
        ("✓", "nbkit", f"{__version__}, Python {platform.python_version()} on {sys.platform}"),
        ("✕" if missing and find_fal_key() is None else "✓", "key for fal", where_the_key_is()),
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
        *_store(),
    ]


def _store() -> list[tuple[str, str, str]]:
    """Whether the store that files are shared through can be written and read back; nothing where there is none."""
    store = chosen_store()
    told = [("✕", "store", problem) for problem in store.problems]
    if store.url:
        problem = check(store.url)
        told.append(
            ("✕" if problem else "✓", "store", problem or f"{shown(store.url)}: written and read back")
        )
    return told


def where_the_key_is() -> str:
    """Where the key for fal comes from, in words, and what answers without one."""
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


def _is_writable(folder: Path) -> bool:
    """Whether files can be made there, or where it will be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)


COMMANDS = (Command("models", models), Command("doctor", doctor, takes="[--scan PATH]"))
