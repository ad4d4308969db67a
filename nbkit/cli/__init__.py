"""The command line: `nbkit` and the name of one of the commands, each a file of this folder."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from nbkit import __version__
from nbkit.errors import NbkitError

SUBCOMMANDS = (
    "run",
    "resume",
    "history",
    "serve",
    "keys",
    "demo",
    "models",
    "connect",
    "webhooks",
    "doctor",
    "pack",
    "unpack",
)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 well, 1 failed, 2 wrongly asked, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="nbkit", description="Generative-media APIs in Jupyter, and a server for them on this machine."
    )
    parser.add_argument("--version", action="version", version=f"nbkit {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for name in SUBCOMMANDS:
        import_module(f"nbkit.cli.{name}").add_parser(subparsers)
    arguments, late = parser.parse_known_args(argv)
    if late and ("input" not in arguments or any(word.startswith("-") for word in late)):
        parser.error(f"unrecognized arguments: {' '.join(late)}")
    if late:  # argparse takes the words of a list only where they stand together
        arguments.input += late
    try:
        code: int = arguments.run(arguments)
    except NbkitError as error:
        print(f"nbkit {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code
