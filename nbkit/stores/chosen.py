"""Which store a user shares files through, and who says so.

Results may be private, and a project's file may come from anybody. So a project can name a store only where the
user's own settings allow that one; that nothing is shared it may always say.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit import config
from nbkit.errors import ConfigError
from nbkit.stores.address import check_url, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbkit.config import Setting

SETTING, ALLOWED, VARIABLE = "store", "allowed_stores", "NBKIT_STORE"
_NONE = ("", "off")
_LOOK_AGAIN = 2  # seconds after which settings are read again: that takes as long as keeping a file


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is set.

    Attributes:
        url: The store's address, an empty string for none.
        source: What says so: a file, or the variable.
        problems: What is set and does not count, and why.
    """

    url: str = ""
    source: str = "built in"
    problems: tuple[str, ...] = ()


def chosen_store() -> Chosen:
    """The store that files are shared through now: `NBKIT_STORE`, else the project's where allowed, else the user's."""
    try:
        place = (str(config.config_file()), str(Path.cwd()))
    except (OSError, RuntimeError):  # a folder that is gone, a home that cannot be found
        place = ("", "")
    return _chosen(*place, os.environ.get(VARIABLE), int(time.monotonic() / _LOOK_AGAIN))


def forget() -> None:
    """Look into the settings anew, since they were changed."""
    _chosen.cache_clear()


@lru_cache(maxsize=4)
def _chosen(_own: str, _folder: str, variable: str | None, _moment: int) -> Chosen:
    try:
        own, found = config.own_settings(), config.settings()
    except (ConfigError, OSError, RuntimeError):  # told where settings are shown
        own, found = {}, {}
    ways: list[tuple[Any, str, bool]] = []
    if variable is not None:
        ways.append((variable, VARIABLE, True))
    ways += [
        (setting.value, str(setting.source), setting.is_own)
        for setting in (found.get((SETTING,)), own.get((SETTING,)))
        if setting is not None
    ]
    problems: list[str] = []
    for value, source, is_own in ways:
        if value in _NONE:
            return Chosen("", source, tuple(problems))
        try:
            url = check_url(value)
        except ConfigError as error:
            problems.append(f"{source}: {SETTING}: {' '.join(str(error).split())}")
            continue
        if is_own or is_allowed(url, allowed(own)):
            return Chosen(url, source, tuple(problems))
        problems.append(
            f"{source}: {SETTING} {shown(url)} is not used, because a project's store counts once you allow it "
            f"→ %nbkit config store allow {shown(url)}"
        )
    return Chosen(problems=tuple(problems))


def allowed(own: Mapping[tuple[str, ...], Setting]) -> list[str]:
    """The stores that projects may name: those that the user's own settings list, and the user's own."""
    mine = own[(SETTING,)].value if (SETTING,) in own else ""
    return [*listed(own), *([mine] if isinstance(mine, str) and mine else [])]


def listed(own: Mapping[tuple[str, ...], Setting]) -> list[str]:
    """The stores that the user's own settings list."""
    value = own[(ALLOWED,)].value if (ALLOWED,) in own else []
    return [it for it in (value if isinstance(value, list) else [value]) if isinstance(it, str) and it]


def is_allowed(url: str, places: Iterable[str]) -> bool:
    """Whether an address is one of some places, or below one of them."""
    if {".", ".."} & set(url.replace("\\", "/").split("/")) or "%" in url:
        return url in places  # what leads elsewhere is not below what it begins with
    return any(url == place or url.startswith(f"{place.rstrip('/')}/") for place in places)
