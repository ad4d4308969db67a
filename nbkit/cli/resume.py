"""`nbkit resume`: collects what became of runs whose program has ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

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
    parser.add_argument("--base-url", metavar="URL", help="the nbkit server to ask")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Resume; gives 0 where every run came back."""
    from nbkit.client.client import Client
    from nbkit.client.resume import resume

    client = Client(base_url=arguments.base_url) if arguments.base_url else None
    try:
        told = resume(*arguments.ids, resend=arguments.resend, client=client)
    except InputError as error:
        print(f"nbkit resume: {clean(error)}", file=sys.stderr)
        return 2
    print(without_harm(told._repr_mimebundle_()["text/plain"]))
    return int(len(told.results) < len(told))
