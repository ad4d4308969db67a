"""Ballots on the disk: written as they come, and read again from wherever they were cast."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError, MediaError
from nbkit.experiments import lines
from nbkit.experiments.judging import Ballot

if TYPE_CHECKING:
    from collections.abc import Iterable

KIND = "nbkit ballots"
_LARGEST = 50_000_000
_LONGEST = 1_000
_FIELDS = ("left", "right", "choice", "voter", "pair")


class BallotBox:
    """The ballots of one question, in a file of JSON lines: each is on the disk before the next pair is shown.

    Args:
        path: The file; made with the first ballot.

    Raises:
        InputError: It holds something else.
        MediaError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._earlier = read_ballots(path) if path.exists() else []
        self._own: list[tuple[str, Ballot]] = []

    @property
    def ballots(self) -> list[Ballot]:
        """All of them, oldest first: also those of earlier kernels and of other voters."""
        return [*self._earlier, *(ballot for _, ballot in self._own)]

    def add(self, ballot: Ballot) -> None:
        """Keep a ballot.

        Raises:
            MediaError: It cannot be written; it does not count then.
        """
        name = uuid.uuid4().hex
        self._write({"id": name, **asdict(ballot)})
        self._own.append((name, ballot))

    def undo(self) -> Ballot | None:
        """Take the last ballot of this kernel back; None where there is none.

        Raises:
            MediaError: That cannot be written; the ballot still counts then.
        """
        if not self._own:
            return None
        name, ballot = self._own[-1]
        self._write({"undo": name})
        self._own.pop()
        return ballot

    def _write(self, row: dict[str, Any]) -> None:
        try:
            lines.append(self.path, [row])
        except OSError as error:
            raise MediaError(f"the ballot cannot be kept: {error.strerror or error}") from error


def read_ballots(path: str | Path) -> list[Ballot]:
    """Ballots that the explorer page saved, or that `nbkit.vote` kept, oldest first.

    Args:
        path: `ballots.json` of the page, or a file of JSON lines of `nbkit.vote`; a last line that was cut is left out.

    Raises:
        InputError: It is no such file, or something in it is no ballot.
        MediaError: It cannot be read.
    """
    source = Path(path).expanduser()
    try:
        if source.stat().st_size > _LARGEST:
            raise InputError(f"{source.name} is too large to hold ballots", field="path")
        content = source.read_bytes()
    except OSError as error:
        raise MediaError(f"cannot read {source}: {error.strerror or error}") from error
    whole = lines.parsed(content)
    if isinstance(whole, dict) and whole.get("kind") == KIND:
        rows = whole.get("ballots")
        if not isinstance(rows, list):
            raise InputError(f"{source.name} has no list of ballots", field="path")
        return [_ballot(row, number, source.name) for number, row in enumerate(rows, 1)]
    told = [row for line in content.splitlines() if isinstance(row := lines.parsed(line), dict)]
    if not told and content.strip():
        raise InputError(
            f"{source.name} holds no ballots", field="path", hint="give what the explorer page saved"
        )
    return _counted(told, source.name)


def _counted(rows: Iterable[dict[str, Any]], name: str) -> list[Ballot]:
    """The ballots that were not taken back."""
    found: dict[str, Ballot] = {}
    for number, row in enumerate(rows, 1):
        if "undo" in row:
            found.pop(str(row["undo"]), None)
        else:
            found[str(row.get("id", number))] = _ballot(row, number, name)
    return list(found.values())


def _ballot(row: Any, number: int, name: str) -> Ballot:
    given = {it: row.get(it, "") for it in _FIELDS} if isinstance(row, dict) else {"left": None}
    if not all(isinstance(value, str) and len(value) <= _LONGEST for value in given.values()):
        raise InputError(f"{name}: ballot {number} is none", field="path")
    try:
        return Ballot(**given)
    except InputError as error:
        raise InputError(f"{name}: ballot {number}: {error.args[0]}", field="path") from error
