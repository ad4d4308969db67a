"""How nbkit is set up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nbkit.config import cache_dir, config_file, data_dir, shows_progress
from nbkit.magics.command import Command, Told
from nbkit.magics.commands.machine import where_the_key_is
from nbkit.magics.generate import default_endpoint
from nbkit.providers.dify_connection import connections

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.magics.command import Call


def config(_call: Call) -> Told:
    """Where things are kept, and what is set."""
    rows = [
        ("key for fal", where_the_key_is()),
        *((f"dify/{name}", told) for name, told in connections().items()),
        ("default endpoint", default_endpoint()),
        ("settings", _place(config_file(), "NBKIT_HOME")),
        ("results", _place(data_dir(), "NBKIT_HOME")),
        ("weights", _place(cache_dir(), "NBKIT_CACHE")),
        ("live card", "on" if shows_progress() else "off (NBKIT_PROGRESS)"),
    ]
    return Told("settings", rows)


def _place(folder: Path, variable: str) -> str:
    return f"{folder} ({variable})" if os.environ.get(variable) else str(folder)


COMMANDS = (Command("config", config),)
