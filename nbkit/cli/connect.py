"""`nbkit connect`: keep a key in this machine's keyring, and where the key belongs."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from nbkit.credentials import connect
from nbkit.errors import CredentialsError
from nbkit.model.endpoint import Endpoint
from nbkit.providers.dify_connection import DEFAULT, keep_connection
from nbkit.wire.dify.addresses import CLOUD

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("connect", help="ask for a key and keep it in this machine's keyring")
    services = parser.add_subparsers(dest="service", required=True, metavar="SERVICE", title="services")
    fal = services.add_parser("fal", help="fal")
    fal.set_defaults(run=run_fal)
    dify = services.add_parser("dify", help="a workflow app of Dify: dify/NAME from then on")
    dify.add_argument("name", nargs="?", default=DEFAULT, metavar="NAME", help=f"its name here ({DEFAULT})")
    dify.add_argument("--base-url", default="", metavar="URL", help=f"where its server is ({CLOUD})")
    dify.add_argument(
        "--key-env", default="", metavar="VARIABLE", help="the environment variable that has its key"
    )
    dify.set_defaults(run=run_dify)


def run_fal(_arguments: argparse.Namespace) -> int:
    """Ask for the key, without showing it, and keep it."""
    _need_terminal("set FAL_KEY")
    try:
        print(connect(getpass.getpass, input, needs_keyring=True))
    except EOFError:  # Ctrl-D: nothing was typed
        return 1
    return 0


def run_dify(arguments: argparse.Namespace) -> int:
    """Ask for the key of an app, without showing it, and keep it, and where it belongs."""
    name = Endpoint.parse(f"dify/{arguments.name}").alias
    if not arguments.key_env:
        _need_terminal("name its environment variable with --key-env")
    try:
        told = keep_connection(
            name,
            arguments.base_url,
            getpass.getpass,
            input,
            key_env=arguments.key_env,
            needs_keyring=True,
        )
    except EOFError:
        return 1
    print(told)
    return 0


def _need_terminal(instead: str) -> None:
    if not sys.stdin.isatty():  # getpass would show what it reads
        raise CredentialsError("a key is typed in a terminal", hint=f"in a program, {instead}")
