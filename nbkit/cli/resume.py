"""`nbkit resume`: collects what became of runs whose program has ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nbkit.cli.named_server import add_options, client_of
from nbkit.display.escape import clean, without_harm
from nbkit.errors import InputError

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "resume",
        help="collect the results of runs that were under way when their program ended",
        description="Collect the results of runs that were under way when their program ended. Nothing is sent "
        "again without --resend. Ctrl-C stops the waiting; the runs go on.",
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="which runs; all of them where none is named")
    parser.add_argument(
        "--resend",
        action="append",
        default=[],
        metavar="ID",
        help="send this one again; it may be billed twice",
    )
    add_options(parser, "the nbkit server to ask")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Resume; gives 0 where every run came back."""
    from nbkit.client.resume import resume

    try:
        told = resume(*arguments.ids, resend=arguments.resend, client=client_of(arguments))
    except InputError as error:
        print(f"nbkit resume: {clean(error)}", file=sys.stderr)
        return 2
    print(without_harm(told._repr_mimebundle_()["text/plain"]))
    return int(len(told.results) < len(told))
