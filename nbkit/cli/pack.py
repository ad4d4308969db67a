"""`nbkit pack`: one file of a notebook, the runs it was made with, and their files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("pack", help="put a notebook and its runs into one file")
    parser.add_argument("notebook", type=Path)
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE.zip",
        help="a path, or an address such as s3://bucket/folder/ (default: NOTEBOOK.zip beside it)",
    )
    parser.add_argument(
        "--allow-secrets", action="store_true", help="pack it although a key stands in the notebook"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Pack, and say what was not found."""
    from nbkit.history.packing import pack

    packed = pack(arguments.notebook, arguments.out, allow_secrets=arguments.allow_secrets)
    print(packed)
    for output in packed.missing:
        print(f"not in the history: {output}", file=sys.stderr)
    for file in packed.lost:
        print(f"not kept: {file}", file=sys.stderr)
    return 0
