"""What a cell means where it does not say: settings from `%config`, the environment, the project and the user.

They count in this order, each before the next: `%config Nbkit.…`, `NBKIT_ENDPOINT` and `NBKIT_SHOW`, `[tool.nbkit]` of
the project's `pyproject.toml`, the user's `config.toml`. A setting that makes no sense is told and left out.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Dict, Enum, Unicode
from traitlets.config import Configurable

from nbkit import config
from nbkit.errors import ConfigError, InputError
from nbkit.magics.grammar import REUSED, SHOWN, parse_alias
from nbkit.magics.template import nearest
from nbkit.model.endpoint import Endpoint
from nbkit.stores.chosen import ALLOWED, SETTING, chosen_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbkit.config import Setting
    from nbkit.magics.grammar import Request

TABLES = ("alias", "defaults", "dify")
VALUES = ("endpoint", "show", "reuse")
_VARIABLES = {"endpoint": "NBKIT_ENDPOINT", "show": "NBKIT_SHOW"}
_IN_CELLS = "%config"
_READ_ELSEWHERE = ("dify", SETTING, ALLOWED)  # where they are used


class Nbkit(Configurable):
    """What cells use where they do not say otherwise. An empty value leaves the choice to the files of settings."""

    endpoint = Unicode("", help="What answers a cell that names no endpoint; may be an alias.").tag(
        config=True
    )
    show = Enum(["", *SHOWN], "", help="What a card holds in the end.").tag(config=True)
    defaults = Dict(help="Input by endpoint: {'fal-ai/flux/dev': {'num_images': 2}}.").tag(config=True)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A value, and where it comes from, in words."""

    value: Any
    source: str

    @property
    def place(self) -> str:
        """Where it comes from, in few words: of a file its name and line."""
        return Path(self.source).name


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is set at one moment.

    Attributes:
        values: `endpoint` and `show`, where they are set.
        aliases: Short names for endpoints with options.
        defaults: Input by endpoint and name.
        problems: What makes no sense and is left out: what, where, and what was probably meant.
    """

    values: dict[str, Chosen] = field(default_factory=dict)
    aliases: dict[str, Chosen] = field(default_factory=dict)
    defaults: dict[str, dict[str, Chosen]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def requests(self) -> dict[str, Request]:
        """What each alias stands for."""
        return {name: parse_alias(chosen.value) for name, chosen in self.aliases.items()}

    def input_of(self, endpoint: str) -> dict[str, Any]:
        """The default input of an endpoint."""
        return {key: chosen.value for key, chosen in self.defaults.get(endpoint, {}).items()}


def read(traits: Nbkit, aliases: Mapping[str, str]) -> Settings:
    """What is set now.

    Args:
        traits: What `%config` set.
        aliases: Those of this session.
    """
    found = Settings()
    try:
        files = config.settings()
    except ConfigError as error:
        files = {}
        found.problems.append(" ".join(str(error).split()))
    found.problems.extend(chosen_store().problems)
    layers = _layers(files)
    for leaves in layers:
        _take_files(found, leaves)
    for name, variable in _VARIABLES.items():
        if value := os.environ.get(variable):
            _take(found, name, Chosen(value, variable))
    for name in _VARIABLES:
        if value := getattr(traits, name):
            _take(found, name, Chosen(value, _IN_CELLS))
    for endpoint, given in traits.defaults.items():
        for key, value in given.items() if isinstance(given, dict) else ():
            _take_default(found, endpoint, key, Chosen(value, _IN_CELLS))
    found.aliases.update({name: Chosen(text, "this session") for name, text in aliases.items()})
    return found


def _layers(files: Mapping[tuple[str, ...], Setting]) -> list[dict[tuple[str, ...], Setting]]:
    """The user's own settings, and then the project's, which count more."""
    return [
        {name: setting for name, setting in files.items() if setting.is_own is own} for own in (True, False)
    ]


def _take_files(found: Settings, leaves: Mapping[tuple[str, ...], Setting]) -> None:
    defaults: dict[tuple[str, str], tuple[Any, Setting]] = {}
    for (table, *rest), setting in leaves.items():
        if not rest and table in VALUES:
            _take(found, table, Chosen(setting.value, _place(setting, table)))
        elif table == "alias" and len(rest) == 1:
            _take_alias(found, rest[0], setting)
        elif table == "defaults" and len(rest) > 1:
            endpoint, key, *inner = rest
            before = defaults.get((endpoint, key), ({}, setting))[0]
            defaults[endpoint, key] = _nested(before, inner, setting.value), setting
        elif table == "reuse" and rest:
            found.problems.extend(_reuse_problems(rest, setting))
        elif table not in _READ_ELSEWHERE:
            found.problems.append(_unknown(table, rest, setting))
    for (endpoint, key), (value, setting) in defaults.items():
        _take_default(found, endpoint, key, Chosen(value, _place(setting, key)))


def _reuse_problems(endpoint: list[str], setting: Setting) -> list[str]:
    """What is wrong with a setting for one endpoint; it is used by every client, not by cells alone."""
    if len(endpoint) == 1 and not _reuse_problem(setting.value):
        return []
    return [
        f"{_place(setting, endpoint[0])}: reuse {_reuse_problem(setting.value) or 'names an endpoint in quotes'}"
    ]


def _take(found: Settings, name: str, chosen: Chosen) -> None:
    if name not in _PROBLEMS:
        return  # it is used elsewhere
    if problem := _PROBLEMS[name](chosen.value):
        found.problems.append(f"{chosen.source}: {name} {problem}")
    else:
        found.values[name] = chosen


def _take_alias(found: Settings, name: str, setting: Setting) -> None:
    place = _place(setting, name)
    try:
        check_alias(name, setting.value)
    except InputError as error:
        found.problems.append(f"{place}: alias {name}: {' '.join(str(error).split())}")
    else:
        found.aliases[name] = Chosen(setting.value, place)


def _take_default(found: Settings, endpoint: str, key: str, chosen: Chosen) -> None:
    try:
        name = str(Endpoint.parse(endpoint))
    except InputError as error:
        found.problems.append(f"{chosen.source}: defaults: {' '.join(str(error).split())}")
    else:
        found.defaults.setdefault(name, {})[key] = chosen


def check_alias(name: str, text: Any) -> None:
    """Whether a short name can stand for a text.

    Raises:
        InputError: It cannot; says why.
    """
    if not _ALIAS.fullmatch(name):
        raise InputError(f"{name[:60]!r} cannot be an alias: a word of letters, digits, - and _ can")
    if not isinstance(text, str):
        raise InputError(f"an alias is text, an endpoint and options, not {text!r:.60}")
    parse_alias(text)


_ALIAS = re.compile(r"[^\W\d][\w-]*")


def _endpoint_problem(value: Any) -> str:
    if isinstance(value, str) and _ALIAS.fullmatch(value):
        return ""  # whether there is such an alias is known when it is used
    try:
        Endpoint.parse(value)
    except InputError as error:
        return f"is not one: {' '.join(str(error).split())}"
    return ""


def _show_problem(value: Any) -> str:
    if value in SHOWN:
        return ""
    return " → ".join(
        filter(None, (f"is {', '.join(SHOWN)}, not {value!r:.60}", nearest(str(value), list(SHOWN))))
    )


def _reuse_problem(value: Any) -> str:
    return "" if value in REUSED else f"is {', '.join(REUSED)}, not {value!r:.60}"


_PROBLEMS = {"endpoint": _endpoint_problem, "show": _show_problem, "reuse": _reuse_problem}


def _unknown(table: str, rest: list[str], setting: Setting) -> str:
    place = _place(setting, rest[-1] if rest else table)
    if table in TABLES:
        example = 'defaults."owner/name".input = value' if table == "defaults" else f'{table}.name = "…"'
        return f"{place}: {table} is a table: {example}"
    advice = (
        nearest(table, [*VALUES, *TABLES]) or f"known are {', '.join((*VALUES, SETTING, ALLOWED, *TABLES))}"
    )
    return f"{place}: there is no setting {'.'.join((table, *rest))[:80]!r} → {advice}"


def _nested(before: Any, names: list[str], value: Any) -> Any:
    """A value with another one put into its tables."""
    if not names:
        return value
    table = before if isinstance(before, dict) else {}
    return {**table, names[0]: _nested(table.get(names[0]), names[1:], value)}


def _place(setting: Setting, name: str) -> str:
    """The file of a setting, and its line where it can be found."""
    key = re.compile(rf"""(^|[\s.\["'{{,]){re.escape(name)}["']?\s*[=.\]]""")
    number = next((number for number, line in _lines(setting) if key.search(line)), 0)
    return f"{setting.source}, line {number}" if number else str(setting.source)


def _lines(setting: Setting) -> Iterator[tuple[int, str]]:
    try:
        text = setting.source.read_text("utf-8-sig")
    except (OSError, ValueError):
        return
    inside = setting.is_own
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("[") and not setting.is_own:
            inside = "tool.nbkit" in line
        if inside:
            yield number, line
