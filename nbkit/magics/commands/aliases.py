"""Short names for endpoints with options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit import config
from nbkit.errors import InputError
from nbkit.magics.command import Command, Told
from nbkit.magics.settings import check_alias
from nbkit.magics.template import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbkit.magics.command import Call

_RESERVED = ("keep", "remove")


def alias(call: Call) -> Told:
    """Call an endpoint with options by a short name; alone, list the names."""
    if not call.text:
        found = call.notebook.settings().aliases
        rows = [(name, chosen.value, chosen.place) for name, chosen in sorted(found.items())]
        return Told(
            "aliases" if rows else "there are no aliases",
            rows,
            ("alias", "stands for", "from") if rows else (),
        )
    name, _, text = call.text.partition(" ")
    if name in _RESERVED:
        raise InputError(f"{name!r} cannot be an alias: `%nbkit alias {name} NAME` is a command of its own")
    check_alias(name, text.strip())
    call.notebook.aliases[name] = text.strip()
    return Told(f"%%generate {name} stands for {text.strip()}, in this session", ())


def keep(call: Call) -> Told:
    """Write aliases of this session into your own settings, for all notebooks."""
    names = _named(call)
    own = _own() | {name: call.notebook.settings().aliases[name].value for name in names}
    path = config.keep(("alias",), own)
    return Told(f"{', '.join(names)} kept in {path}", ())


def remove(call: Call) -> Told:
    """Forget aliases, also in your own settings."""
    names = _named(call)
    own = _own()
    if any(name in own for name in names):
        config.keep(("alias",), {name: text for name, text in own.items() if name not in names})
    for name in names:
        call.notebook.aliases.pop(name, None)
    still = [
        f"{name} ({found.source})"
        for name, found in call.notebook.settings().aliases.items()
        if name in names
    ]
    if still:
        raise InputError(f"still set elsewhere: {', '.join(still)}", hint="remove it there")
    return Told(f"{', '.join(names)} forgotten", ())


def _named(call: Call) -> list[str]:
    known = call.notebook.settings().aliases
    if not call.words:
        raise InputError(
            "say which alias", hint=f"known are {', '.join(known)}" if known else "there are none"
        )
    for name in call.words:
        if name not in known:
            raise InputError(f"there is no alias {name[:60]!r}", hint=nearest(name, list(known)))
    return call.words


def _own() -> dict[str, str]:
    """The aliases in the user's own settings, as they stand there."""
    return {
        name[1]: setting.value
        for name, setting in config.own_settings().items()
        if name[0] == "alias" and len(name) > 1
    }


def _names(call: Call) -> Iterable[str]:
    return call.notebook.settings().aliases


COMMANDS = (
    Command("alias", alias, "[NAME ENDPOINT [OPTIONS]]"),
    Command("alias keep", keep, "NAME…", _names),
    Command("alias remove", remove, "NAME…", _names),
)
