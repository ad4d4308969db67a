"""The runs of the past in a notebook: listing, marking and passing them on, and going on where a kernel ended."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, NoReturn

from nbkit.display import slot
from nbkit.display.cell import current_cell
from nbkit.errors import InputError
from nbkit.magics.command import Command, Told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbkit.magics.command import Call


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are those of a cell."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"`%nbkit {self.prog}`: {message}")


def history(call: Call) -> None:
    """The runs of this machine by words, endpoint, status or date; show, star, note or prune them."""
    from nbkit.history.asking import add_arguments, answer

    parser = _Parser("history", add_help=False)
    add_arguments(parser)
    slot.Slot().end(answer(parser.parse_args(_words(call))))


def resume(call: Call) -> None:
    """Collect the results of runs that were under way when the kernel ended; nothing is sent again by itself."""
    from nbkit.client.resume import resume as go_on

    parser = _Parser("resume", add_help=False)
    parser.add_argument("ids", nargs="*")
    parser.add_argument("--resend", action="append", default=[])
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args(_words(call))
    notebook = None if given.all else current_cell().notebook or None
    told, place = go_on(*given.ids, resend=given.resend, notebook=notebook, timeout=0), slot.Slot()
    try:
        if told.going_on:
            place.fill(told)
        told.wait()
    finally:
        place.end(told._repr_mimebundle_())


def pack(call: Call) -> Told:
    """A notebook, its runs and their files as one file, here or at an address such as s3://bucket/folder/."""
    from nbkit.history.packing import pack as write

    parser = _Parser("pack", add_help=False)
    parser.add_argument("notebook")
    parser.add_argument("-o", "--out")
    parser.add_argument("--allow-secrets", action="store_true")
    given = parser.parse_args(_words(call))
    packed = write(given.notebook, given.out, allow_secrets=given.allow_secrets)
    rows = [("not in the history", output) for output in packed.missing]
    return Told(str(packed), rows + [("not kept", file) for file in packed.lost])


def unpack(call: Call) -> Told:
    """A notebook out of such a file, and its runs into the history of this machine."""
    from nbkit.history.unpacking import unpack as take

    parser = _Parser("unpack", add_help=False)
    parser.add_argument("bundle")
    parser.add_argument("folder", nargs="?", default=".")
    given = parser.parse_args(_words(call))
    unpacked = take(given.bundle, given.folder)
    rows = [("not in the bundle", output) for output in unpacked.missing]
    return Told(str(unpacked), rows + [("not kept", file) for file in unpacked.lost])


def _words(call: Call) -> list[str]:
    try:
        return shlex.split(call.text)
    except ValueError as error:
        raise InputError(f"{call.text[:60]!r} cannot be read: {error}") from None


def _actions(_call: Call) -> Iterable[str]:
    from nbkit.history.asking import ACTIONS

    return (*ACTIONS, "--endpoint", "--status", "--since", "--limit")


COMMANDS = (
    Command("history", history, "[TEXT|show ID|star ID|note ID TEXT|prune]", _actions),
    Command("resume", resume, "[ID…] [--all] [--resend ID]", lambda _call: ("--all", "--resend")),
    Command(
        "pack", pack, "NOTEBOOK [-o FILE|URL] [--allow-secrets]", lambda _call: ("-o", "--allow-secrets")
    ),
    Command("unpack", unpack, "FILE|URL [FOLDER]"),
)
