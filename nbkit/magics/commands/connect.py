"""Keys and connections, asked for without showing what is typed."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from nbkit.credentials import connect
from nbkit.errors import CredentialsError, InputError
from nbkit.magics.command import Command, Told
from nbkit.model.endpoint import Endpoint
from nbkit.providers.dify_connection import DEFAULT, connections, keep_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.magics.command import Call


def connect_fal(_call: Call) -> Told:
    """Ask for the key for fal, without showing it, and offer to keep it in the keyring."""
    return Told("key for fal", [(_asking("FAL_KEY", lambda: connect(getpass.getpass, input)),)])


def connect_dify(call: Call) -> Told:
    """Ask for the key of a Dify app, without showing it: it is `dify/NAME` from then on."""
    words = call.words
    base_url = ""
    if "--base-url" in words:
        at = words.index("--base-url")
        base_url = next(iter(words[at + 1 :]), "")
        del words[at : at + 2]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        raise InputError(
            f"`%nbkit connect dify` does not know {words[-1][:60]!r}", hint="NAME --base-url URL"
        )
    name = Endpoint.parse(f"dify/{next(iter(words), DEFAULT)}").alias
    told = _asking(
        f"DIFY_…_API_KEY for dify/{name}", lambda: keep_connection(name, base_url, getpass.getpass, input)
    )
    return Told(f"dify/{name}", [(told,)])


def _asking(variable: str, ask: Callable[[], str]) -> str:
    from IPython.core.error import StdinNotImplementedError

    try:
        return ask()
    except StdinNotImplementedError:
        raise CredentialsError("nobody can be asked for a key here", hint=f"set {variable} instead") from None


COMMANDS = (
    Command("connect fal", connect_fal),
    Command("connect dify", connect_dify, "[NAME] [--base-url URL]", lambda _call: connections()),
)
