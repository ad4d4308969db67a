"""`nbkit keys`: the keys of a server's users."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.config import data_dir

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to a command line.

    Args:
        subparsers: What `argparse.ArgumentParser.add_subparsers` gave.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "keys",
        help="keys of the users of `nbkit serve --keys-file`",
        description="Make, list and revoke keys. The file holds their hashes; a running server takes changes itself.",
    )
    orders = parser.add_subparsers(dest="order", required=True, metavar="add|list|revoke")
    for order, help_, run in (
        ("add", "make a key, show it once and keep its hash", _add),
        ("list", "the users and when their keys were made", _list),
        ("revoke", "take all keys of a user away", _revoke),
    ):
        sub = orders.add_parser(order, help=help_)
        if order != "list":
            sub.add_argument("name", metavar="NAME", help="the user")
        sub.add_argument(
            "--file",
            type=Path,
            metavar="FILE",
            help="file of keys (default: server-keys in nbkit's data folder)",
        )
        sub.set_defaults(run=run)


def _file(options: argparse.Namespace) -> Path:
    path: Path = options.file or data_dir() / "server-keys"
    return path


def _add(options: argparse.Namespace) -> int:
    from nbkit.server.key_file import add_key

    path = _file(options)
    if options.file is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    print(add_key(path, options.name))
    return 0


def _list(options: argparse.Namespace) -> int:
    from nbkit.server.key_file import read_keys

    for key in read_keys(_file(options)):
        print(f"{key.added}  {key.name}")
    return 0


def _revoke(options: argparse.Namespace) -> int:
    from nbkit.errors import ConfigError
    from nbkit.server.key_file import revoke_keys

    count = revoke_keys(_file(options), options.name)
    if not count:
        raise ConfigError(f"{options.name[:80]!r} has no key in {_file(options)}")
    print(f"{count} {'key' if count == 1 else 'keys'} of {options.name} revoked")
    return 0
