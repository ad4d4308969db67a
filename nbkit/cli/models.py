"""`nbkit models`: the weights of the local models, and how to get them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_BAR = 24


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("models", help="list the local models' weights, or fetch them")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="say which weights are on this machine (the default)")
    pull = actions.add_parser("pull", help="fetch the weights that are missing")
    pull.add_argument("names", nargs="*", metavar="NAME", help="which; all of them when none is named")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List weights, or pull them."""
    from nbkit.engines.weights import WEIGHTS

    if arguments.action != "pull":
        _list()
        return 0
    if unknown := set(arguments.names) - WEIGHTS.keys():
        known = ", ".join(WEIGHTS)
        print(
            f"nbkit models pull: no weights are called {', '.join(sorted(unknown))}; known: {known}",
            file=sys.stderr,
        )
        return 2
    _pull(arguments.names or list(WEIGHTS))
    return 0


def _list() -> None:
    from nbkit.engines.weights import WEIGHTS, is_present

    for weights in WEIGHTS.values():
        state = "here" if is_present(weights.name) else "missing"
        print(
            f"{weights.name:10} {weights.purpose:24} {weights.size / 1e6:5.1f} MB  {state:8} {weights.licence}"
        )


def _pull(names: list[str]) -> None:
    from nbkit.engines.weights import is_present, pull

    missing = [name for name in names if not is_present(name)]
    shown = sys.stderr.isatty()
    for name in missing:
        if not is_present(name):  # may have come with the one before, out of the same package
            pull([name], on_progress=_draw if shown else None)
            if shown:
                print(file=sys.stderr)
    for name, path in zip(names, pull(names), strict=True):
        print(f"{name:10} {path}")


def _draw(name: str, done: int, in_all: int) -> None:
    share = min(1.0, done / in_all) if in_all else 0.0
    filled = "█" * round(share * _BAR)
    print(f"\r{name:10} {filled:<{_BAR}} {done / 1e6:4.1f} of {in_all / 1e6:.1f} MB", end="", file=sys.stderr)
