"""Which Dify server an endpoint means, and the key of its app: one key is one app.

A key goes to the address that it stands beside. One that stands alone goes to an address of the environment or of the
user's own settings, and never to one that a folder brings along.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbkit.config import keep, own_settings
from nbkit.credentials import Key, Lock, connect, kept_key, shown_path, typed_key
from nbkit.dotenv import find_dotenv, read_dotenv
from nbkit.errors import ConfigError, CredentialsError
from nbkit.wire.dify.addresses import CLOUD, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DEFAULT = "default"
_BASE, _KEY = "BASE_URL", "API_KEY"
_FIELDS = ("base_url", "key_env")
_VARIABLE = re.compile(r"[A-Za-z_]\w{0,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Connection:
    """One app at one server.

    Attributes:
        place: Where the server is.
        key: The app's key.
        source: What says where the server is.
    """

    place: Place
    key: Key
    source: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class _Source:
    """Something that says where servers are, and what their keys are.

    Attributes:
        title: What it is called.
        names: What it says, by the names of the environment variables that would say the same.
        is_own: Whether the user alone writes it: a `.env` file may have come with a folder.
        key_env: The environment variable that it says has the key, where it does not have it itself.
    """

    title: str
    names: Mapping[str, str]
    is_own: bool = True
    key_env: str = ""


def find_connection(name: str, environ: Mapping[str, str] | None = None) -> Connection:
    """The connection of a name: from the environment, else from `.env` files, else from `config.toml`.

    `default` is `DIFY_BASE_URL` with `DIFY_API_KEY`. Any other, `my-cat` say, is `DIFY_MY_CAT_BASE_URL` with
    `DIFY_MY_CAT_API_KEY`; where it has no address of its own, its app is at the default one's server. In
    `config.toml` it is the table `[dify.my-cat]`. Its key may also be one that was typed, or is in the keyring.

    Args:
        name: Its name.
        environ: The environment; the process's where it is not given.

    Raises:
        CredentialsError: There is no such connection, or its key cannot be one.
        ConfigError: Its address is not one, or a file of settings cannot be read.
    """
    sources = list(_sources(os.environ if environ is None else environ))
    own = _prefix(name)
    level, source = next(
        (
            (prefix, source)
            for prefix in dict.fromkeys((own, _prefix(DEFAULT)))
            for source in sources
            if source.names.get(prefix + _BASE)
        ),
        (own, None),
    )
    if source is None:
        raise CredentialsError(
            f"dify/{name} is not connected: {own}{_BASE} is not set",
            hint=f"`nbkit connect dify {name}`, or set {own}{_BASE} ({CLOUD} for Dify's cloud) and {own}{_KEY}",
        )
    place = Place.of(source.names[level + _BASE])
    key = next(_keys(lock_of(name, place), sources, source, level), None)
    if key is None:
        held_back = any(own + _KEY in it.names for it in sources)
        raise CredentialsError(
            f"dify/{name} is not connected: {own}{_KEY} is not set"
            + (f" beside the address, which is from {source.title}" if held_back else ""),
            hint=f"`nbkit connect dify {name}`, or set {own}{_KEY} (the app's key, app-…)"
            + (": a key goes only to the address that it stands beside" if held_back else ""),
        )
    return Connection(place, key, source.title)


def connections() -> dict[str, str]:
    """Every connection that is named anywhere → its address, and where that and its key are from, or what is missing.

    Raises:
        ConfigError: A file of settings cannot be read.
    """
    names = {_prefix(name): name for name in _tables()}
    for source in _sources(os.environ):
        for variable in source.names:
            if found := re.fullmatch(rf"DIFY_(?:(\w+)_)?(?:{_BASE}|{_KEY})", variable):
                names.setdefault(f"DIFY_{found[1]}_" if found[1] else "DIFY_", _spoken(found[1]))
    return {name: _told(name) for name in sorted(names.values())}


def keep_connection(
    name: str,
    base_url: str,
    ask: Callable[[str], str],
    confirm: Callable[[str], str],
    *,
    key_env: str = "",
    needs_keyring: bool = False,
) -> str:
    """Keep the address of a connection in `config.toml`, and its key elsewhere.

    Args:
        name: Its name.
        base_url: Where its server is; where it is empty, it stays where it was, or is Dify's cloud.
        ask: Asks for the key without showing what is typed.
        confirm: Asks whether to keep it in the keyring.
        key_env: The environment variable that has the key; then it is not asked for.
        needs_keyring: Whether a key that is not kept is of no use.

    Returns:
        What became of it, as a sentence.

    Raises:
        ConfigError: The address is not one, or the file cannot be written.
        CredentialsError: What was typed cannot be a key, or cannot be kept and needs to be.
    """
    place = Place.of(base_url or _tables().get(name, {}).get("base_url") or CLOUD)
    lock = lock_of(name, place)
    if key_env:
        told = f"the key is taken from {_variable(name, key_env)}"
    else:
        told = connect(ask, confirm, lock, needs_keyring=needs_keyring)
    path = keep(("dify", name), {"base_url": place.base} | ({"key_env": key_env} if key_env else {}))
    before = "; the environment's address goes before it" if os.environ.get(_prefix(name) + _BASE) else ""
    return f"dify/{name} is {place.base}, in {shown_path(path)}; {told}{before}"


def lock_of(name: str, place: Place) -> Lock:
    """What the key of a connection is kept for: this server and no other."""
    return Lock(f"dify/{name} at {place.base}", f"dify/{name} {place.base}", _prefix(name) + _KEY)


def _keys(lock: Lock, sources: list[_Source], chosen: _Source, level: str) -> Iterator[Key]:
    """The keys that may go to the chosen address, the first of them first."""
    environment, *others = sources
    for source in (environment, None, *others):
        if source is None:
            if typed := typed_key(lock):
                yield typed
        elif (value := source.names.get(lock.variable)) and _goes_to(source, chosen, level):
            named = f"{source.key_env} of the environment, as {source.title} says"
            yield Key(value, named if source.key_env else f"{lock.variable} of {source.title}")
    if kept := kept_key(lock):
        yield kept


def _goes_to(source: _Source, chosen: _Source, level: str) -> bool:
    own, address = source.names.get(level + _BASE), chosen.names[level + _BASE]
    if source is chosen or (own and Place.of(own) == Place.of(address)):
        return True
    return not own and chosen.is_own


def _sources(environ: Mapping[str, str]) -> Iterator[_Source]:
    """What is set, with what counts most at the beginning."""
    yield _Source("the environment", {name: value for name, value in environ.items() if value})
    if environ.get("NBKIT_KEYS") != "environment":
        files = list(find_dotenv())
        merged = {
            name: value for path in reversed(files) for name, value in read_dotenv(path).items() if value
        }
        yield _Source(shown_path(files[0]) if files else ".env", merged, is_own=False)
    for name, table in _tables().items():
        key = environ.get(_variable(name, table["key_env"]), "") if "key_env" in table else ""
        said = {_prefix(name) + _BASE: table.get("base_url", ""), _prefix(name) + _KEY: key}
        names = {variable: value for variable, value in said.items() if value}
        yield _Source("config.toml", names, key_env=table.get("key_env", ""))


def _tables() -> dict[str, dict[str, str]]:
    """The connections of `config.toml`; a project's file brings none, since keys would go where it says."""
    tables: dict[str, dict[str, str]] = {}
    for (first, *rest), setting in own_settings().items():
        if first != "dify":
            continue
        name, *entry = rest or [""]
        if len(entry) != 1 or entry[0] not in _FIELDS or not isinstance(setting.value, str):
            raise ConfigError(
                f"{shown_path(setting.source)}: {'.'.join([first, *rest])[:80]} is not a setting",
                hint="[dify.NAME] has the texts base_url and key_env; a key itself does not belong there",
            )
        tables.setdefault(name, {})[entry[0]] = setting.value
    return tables


def _variable(name: str, key_env: str) -> str:
    if not _VARIABLE.fullmatch(key_env):
        raise ConfigError(
            f"key_env of dify/{name} is not the name of an environment variable",
            hint=f"as {_prefix(name)}{_KEY}; a key itself does not belong there",
        )
    return key_env


def _prefix(name: str) -> str:
    return "DIFY_" if name == DEFAULT else f"DIFY_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_"


def _spoken(word: str | None) -> str:
    return word.lower().replace("_", "-") if word else DEFAULT


def _told(name: str) -> str:
    try:
        found = find_connection(name)
    except ConfigError as error:
        return str(error.args[0])
    return f"{found.place.base} (from {found.source}), its key from {found.key.source}"
