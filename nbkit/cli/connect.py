"""`nbkit connect`: keep a key in this machine's keyring."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from nbkit.credentials import connect
from nbkit.errors import CredentialsError

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("connect", help="ask for a key and keep it in this machine's keyring")
    parser.add_argument("service", choices=["fal"], help="whose key")
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace) -> int:
    """Ask for the key, without showing it, and keep it."""
    if not sys.stdin.isatty():  # getpass would show what it reads
        raise CredentialsError("a key is typed in a terminal", hint="in a program, set FAL_KEY")
    try:
        print(connect(getpass.getpass, input, needs_keyring=True))
    except EOFError:  # Ctrl-D: nothing was typed
        return 1
    return 0
