"""Where nbkit keeps things on this machine, and its settings: the user's own, and those of a project."""

from __future__ import annotations

import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from nbkit.dotenv import find_upwards
from nbkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def data_dir() -> Path:
    """Folder of what must not be lost (results, history): `NBKIT_HOME`, or the user's data folder."""
    home = os.environ.get("NBKIT_HOME")
    return Path(home).expanduser() if home else platformdirs.user_data_path("nbkit", appauthor=False)


def cache_dir() -> Path:
    """Folder of what can be fetched again (model weights): `NBKIT_CACHE`, or the user's cache folder."""
    cache = os.environ.get("NBKIT_CACHE")
    return Path(cache).expanduser() if cache else platformdirs.user_cache_path("nbkit", appauthor=False)


def config_file() -> Path:
    """The user's own settings: `config.toml` in `NBKIT_HOME`, or in the user's folder of settings."""
    home = os.environ.get("NBKIT_HOME")
    folder = Path(home).expanduser() if home else platformdirs.user_config_path("nbkit", appauthor=False)
    return folder / "config.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        value: What it is set to.
        source: The file that says so.
        is_own: Whether that is the user's own file, and not a project's, which may come from anybody.
    """

    value: Any
    source: Path
    is_own: bool


def settings() -> dict[tuple[str, ...], Setting]:
    """Every setting by its tables and name: those of `config.toml`, and `[tool.nbkit]` of the project, which wins.

    The project's is the nearest `pyproject.toml` of the working folder or above it.

    Raises:
        ConfigError: A file is there and cannot be read.
    """
    found = own_settings()
    for path in find_upwards("pyproject.toml"):
        tools = _read(path).get("tool")
        table = tools.get("nbkit") if isinstance(tools, dict) else None
        if isinstance(table, dict):
            return found | {name: Setting(value, path, is_own=False) for name, value in _leaves(table)}
    return found


def own_settings() -> dict[tuple[str, ...], Setting]:
    """The settings in `config.toml` alone, by tables and name.

    Raises:
        ConfigError: It is there and cannot be read.
    """
    path = config_file()
    return {name: Setting(value, path, is_own=True) for name, value in _leaves(_read(path))}


def keep(table: tuple[str, ...], values: Mapping[str, str]) -> Path:
    """Write a table of the user's own settings in place of the one that was; the rest of the file stays as it is.

    Returns:
        The file.

    Raises:
        ConfigError: It cannot be read or written.
    """
    import tomlkit

    def change(document: Any) -> None:
        place = document
        for name in table[:-1]:
            place = place.setdefault(name, tomlkit.table(is_super_table=True))
        place[table[-1]] = dict(values)

    return _edit(change)


def keep_value(name: str, value: str | list[str]) -> Path:
    """Write one of the user's own settings that stands in no table; the rest of the file stays as it is.

    Returns:
        The file.

    Raises:
        ConfigError: It cannot be read or written.
    """
    return _edit(lambda document: document.__setitem__(name, value))


def _edit(change: Callable[[Any], None]) -> Path:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = config_file()
    _read(path)
    try:
        document = tomlkit.parse(path.read_bytes().decode("utf-8-sig") if path.exists() else "")
        change(document)
        _write(path.resolve(), tomlkit.dumps(document).encode())
    except (OSError, TypeError, AttributeError, TOMLKitError) as error:
        raise ConfigError(f"{path} cannot be written: {error}") from error
    return path


def _write(path: Path, content: bytes) -> None:
    """Put a file there whole, or leave the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder) / path.name
        new.write_bytes(content)
        new.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="correct it, or move it away") from error


def _leaves(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def is_replay() -> bool:
    """Whether every call is answered from history and nothing is sent: `NBKIT_MODE=replay`.

    Raises:
        ConfigError: `NBKIT_MODE` is neither `replay` nor `live`.
    """
    mode = os.environ.get("NBKIT_MODE", "").strip().lower()
    if mode not in ("", "live", "replay"):
        raise ConfigError(f"NBKIT_MODE is {mode[:40]!r}", hint="set it to live or to replay")
    return mode == "replay"


def shows_progress() -> bool:
    """Whether runs show how far they are while they go on; `NBKIT_PROGRESS=off` (or 0) leaves only their end."""
    return os.environ.get("NBKIT_PROGRESS", "").strip().lower() not in ("0", "off", "false", "no")
