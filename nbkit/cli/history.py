"""`nbkit history`: the runs of the past, from a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nbkit.display.escape import clean, without_harm
from nbkit.errors import InputError

if TYPE_CHECKING:
    import argparse

_EXAMPLES = """\
examples:
  nbkit history red cat --since 7d
  nbkit history --status failed --json
  nbkit history show 5ae0b0b8
  nbkit history prune --older-than 90d --yes
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    import argparse

    from nbkit.history.asking import add_arguments

    parser = subparsers.add_parser(
        "history",
        help="list the runs of this machine, or show, mark and prune them",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Tell what was asked; gives the exit code."""
    from nbkit.history.asking import answer

    try:
        print(without_harm(answer(arguments)["text/plain"]))
    except InputError as error:
        print(f"nbkit history: {clean(error)}", file=sys.stderr)
        return 2
    return 0
