"""The options by which a command speaks with one nbkit server: where it is, and the key that it wants."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nbkit.errors import InputError

if TYPE_CHECKING:
    import argparse

    from nbkit.client.client import Client


def add_options(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add them.

    Args:
        parser: The command.
        meaning: What naming a server is for.
    """
    parser.add_argument("--base-url", metavar="URL", help=meaning)
    parser.add_argument(
        "--key-env", metavar="VARIABLE", help="the environment variable that has your key of that server"
    )


def client_of(arguments: argparse.Namespace) -> Client | None:
    """A client of the server that was named, None where none was.

    Raises:
        InputError: The variable is not set, or there is no server for its key.
    """
    from nbkit.client.client import Client

    if arguments.key_env and not arguments.base_url:
        raise InputError(
            "--key-env is the key of a server, and none is named", hint="name it with --base-url URL"
        )
    if not arguments.base_url:
        return None
    key = os.environ.get(arguments.key_env or "")
    if arguments.key_env and not key:
        raise InputError(f"--key-env names {arguments.key_env[:60]!r}, which is not set or is empty")
    return Client(base_url=arguments.base_url, key=key)
