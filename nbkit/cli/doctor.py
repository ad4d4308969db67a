"""`nbkit doctor`: whether everything that is needed is here, and whether files that are passed on hold keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("doctor", help="say what is missing here, or find keys in files")
    parser.add_argument(
        "--scan",
        metavar="PATH",
        type=Path,
        help="look for keys in notebooks, texts, pictures and bundles; the exit code is 1 where there is one",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check this machine, or look for keys."""
    if arguments.scan is not None:
        return _scan(arguments.scan.expanduser())
    from nbkit.magics.commands.machine import checks

    rows = checks()
    for mark, name, state in rows:
        print(f"{mark} {name:16} {state}")
    return int(any(mark == "✕" for mark, _, _ in rows))


def _scan(path: Path) -> int:
    from nbkit.credentials import held_keys
    from nbkit.leaks import scan

    report = scan(path, held_keys(with_keyring=True))
    for leak in report.leaks:
        print(_printable(str(leak)))
    for name, why in report.skipped:
        print(_printable(f"skipped {name}: {why}"))
    print(report.summary)
    return int(bool(report.leaks))


def _printable(text: str) -> str:
    """A line that a terminal shows and does not obey, whatever a file is called."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
