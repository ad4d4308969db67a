"""Keys and connections, asked for without showing what is typed."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from nbkit.credentials import connect
from nbkit.errors import CredentialsError
from nbkit.magics.command import Command, Told

if TYPE_CHECKING:
    from nbkit.magics.command import Call


def connect_fal(_call: Call) -> Told:
    """Ask for the key for fal, without showing it, and offer to keep it in the keyring."""
    from IPython.core.error import StdinNotImplementedError

    try:
        return Told("key for fal", [(connect(getpass.getpass, input),)])
    except StdinNotImplementedError:
        raise CredentialsError("nobody can be asked for a key here", hint="set FAL_KEY instead") from None


COMMANDS = (Command("connect fal", connect_fal),)
