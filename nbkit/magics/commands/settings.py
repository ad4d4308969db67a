"""How nbkit is set up."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit.config import cache_dir, config_file, data_dir, keep_value, own_settings, shows_progress
from nbkit.display.output import written
from nbkit.errors import ConfigError, InputError
from nbkit.history.sharing import waiting
from nbkit.magics.command import Command, Told
from nbkit.magics.commands.machine import where_the_key_is
from nbkit.magics.generate import default_endpoint
from nbkit.magics.settings import Chosen
from nbkit.providers.dify_connection import connections
from nbkit.stores.address import check_url, has_password, shown
from nbkit.stores.chosen import ALLOWED, SETTING, VARIABLE, chosen_store, forget, listed
from nbkit.stores.opening import open_store

if TYPE_CHECKING:
    from nbkit.magics.command import Call


def config(call: Call) -> Told:
    """What is set, and where each value comes from; `store` sets where files are shared."""
    if call.words:
        _change(call.words)
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
        _shared(),
        ("weights", _named("NBKIT_CACHE"), str(cache_dir())),
        ("live card", _named("NBKIT_PROGRESS"), "on" if shows_progress() else "off"),
        *(("✕", "", problem) for problem in settings.problems),
    ]
    return Told("settings", rows, ("", "from", "value"))


def _shared() -> tuple[str, str, str]:
    store = chosen_store()
    if not store.url:
        return "store", Path(store.source).name, "none: files are on this machine alone"
    count = waiting(data_dir() / "files")
    return (
        "store",
        Path(store.source).name,
        shown(store.url) + (f", {count} files wait for it" if count else ""),
    )


def _change(words: list[str]) -> None:
    """Set the store, or a store that projects may name; one whose driver is missing is refused now, not later."""
    if has_password(words[-1]):
        raise InputError(
            "a password in a cell stays in the notebook",
            hint=f'write the address into {config_file()}, as {SETTING} = "…", or into the variable {VARIABLE}',
        )
    match words:
        case ["store", "allow", url]:
            open_store(url)
            own = own_settings()
            keep_value(ALLOWED, list(dict.fromkeys([*listed(own), check_url(url)])))
        case ["store", "off"]:
            keep_value(SETTING, "")
        case ["store", url]:
            open_store(url)
            keep_value(SETTING, check_url(url))
        case _:
            raise InputError(
                f"`%nbkit config` takes `store URL`, `store off` or `store allow URL`, and not {' '.join(words)[:60]!r}"
            )
    forget()


def _connections() -> dict[str, str]:
    with contextlib.suppress(ConfigError):  # told among the problems
        return connections()
    return {}


def _named(variable: str) -> str:
    return variable if os.environ.get(variable) else "built in"


COMMANDS = (Command("config", config, "[store URL|off|allow URL]", lambda _call: ("store",)),)
