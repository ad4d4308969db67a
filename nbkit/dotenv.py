"""Reads `.env` files: lines of `NAME=value`. What is read stays here; nothing is put into the environment."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST = 1024 * 1024
_PROJECT = (".git", ".hg", "pyproject.toml")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)", re.ASCII)
_QUOTED = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")\s*(?:\#.*)?""", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


def find_upwards(name: str, folder: Path | None = None) -> Iterator[Path]:
    """The files of a name that belong to a folder: its own, and those above it up to its project or the user's home.

    A folder that is in neither has only its own: what lies further up, in `/tmp` say, anybody may have put there.

    Args:
        name: What they are called.
        folder: Where to begin; the working folder where it is not given.
    """
    try:
        start = (folder or Path.cwd()).resolve()
        home = Path.home().resolve()
    except (OSError, RuntimeError):  # the working folder is gone, or there is no home
        return
    above = [start, *start.parents]
    top = next((it for it in above if it == home or any((it / mark).exists() for mark in _PROJECT)), start)
    for place in above[: above.index(top) + 1]:
        path = place / name
        if path.is_file():
            yield path


def find_dotenv(folder: Path | None = None) -> Iterator[Path]:
    """The `.env` files that belong to a folder, as `find_upwards` finds them."""
    return find_upwards(".env", folder)


def read_dotenv(path: Path) -> dict[str, str]:
    """The names and values in a file; nothing where it cannot be read.

    `export`, comments, both kinds of quotes, every kind of line end and a byte order mark are understood. Values are
    taken as they stand: no variables are replaced in them.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    except OSError:
        return {}
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell writes it
    text = data.decode("utf-16" if wide else "utf-8-sig", "replace")
    lines = (_LINE.fullmatch(line) for line in re.split(r"\r\n|\r|\n", text))
    return {line[1]: _value(line[2].strip()) for line in lines if line}


def _value(text: str) -> str:
    if quoted := _QUOTED.fullmatch(text):
        if quoted[1] is not None:
            return quoted[1]
        return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), quoted[2])
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()
