"""`nbkit unpack`: a notebook out of a bundle, and its runs into the history of this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("unpack", help="take a notebook and its runs out of such a file")
    parser.add_argument(
        "bundle", metavar="FILE.zip", help="a path, or an address such as s3://bucket/FILE.zip"
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: here")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check and take in, and say what the bundle lacks."""
    from nbkit.history.unpacking import unpack

    unpacked = unpack(arguments.bundle, arguments.folder)
    print(unpacked)
    for output in unpacked.missing:
        print(f"not in the bundle: {output}", file=sys.stderr)
    for file in unpacked.lost:
        print(f"not kept: {file}", file=sys.stderr)
    return 0
