"""How nbkit is set up."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from nbkit.config import cache_dir, config_file, data_dir, shows_progress
from nbkit.display.output import written
from nbkit.errors import ConfigError
from nbkit.magics.command import Command, Told
from nbkit.magics.commands.machine import where_the_key_is
from nbkit.magics.generate import default_endpoint
from nbkit.magics.settings import Chosen
from nbkit.providers.dify_connection import connections

if TYPE_CHECKING:
    from nbkit.magics.command import Call


def config(call: Call) -> Told:
    """What is set, and where each value comes from."""
    settings = call.notebook.settings()
    endpoint = default_endpoint(settings)
    show = settings.values.get("show", Chosen("all", "built in"))
    rows = [
        ("key for fal", "", where_the_key_is()),
        *((f"dify/{name}", "", told) for name, told in _connections().items()),
        ("default endpoint", endpoint.place, endpoint.value),
        ("show", show.place, show.value),
        *((f"alias {name}", chosen.place, chosen.value) for name, chosen in settings.aliases.items()),
        *(
            (f"{name}: {key}", chosen.place, written(chosen.value))
            for name, given in settings.defaults.items()
            for key, chosen in given.items()
        ),
        ("settings", _named("NBKIT_HOME"), str(config_file())),
        ("results", _named("NBKIT_HOME"), str(data_dir())),
        ("weights", _named("NBKIT_CACHE"), str(cache_dir())),
        ("live card", _named("NBKIT_PROGRESS"), "on" if shows_progress() else "off"),
        *(("✕", "", problem) for problem in settings.problems),
    ]
    return Told("settings", rows, ("", "from", "value"))


def _connections() -> dict[str, str]:
    with contextlib.suppress(ConfigError):  # told among the problems
        return connections()
    return {}


def _named(variable: str) -> str:
    return variable if os.environ.get(variable) else "built in"


COMMANDS = (Command("config", config),)
