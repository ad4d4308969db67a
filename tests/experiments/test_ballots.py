from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import InputError, MediaError, NbkitError
from nbkit.experiments.ballots import BallotBox, read_ballots
from nbkit.experiments.judging import Ballot


def saved(path: Path, ballots: Any) -> Path:
    """A file as the explorer page saves it."""
    path.write_text(json.dumps({"kind": "nbkit ballots", "sweep": "cats", "ballots": ballots}))
    return path


def test_what_the_page_saved_is_read(tmp_path: Path) -> None:
    """Each ballot of the page has its sides, its choice and its voter."""
    rows = [
        {"left": "a", "right": "b", "choice": "tie", "voter": "ann", "pair": "0 | 1"},
        {"left": "b", "right": "c", "choice": "left"},
    ]

    assert read_ballots(saved(tmp_path / "ballots.json", rows)) == [
        Ballot("a", "b", "tie", "ann", "0 | 1"),
        Ballot("b", "c", "left"),
    ]


def test_ballots_outlive_their_kernel(tmp_path: Path) -> None:
    """Each ballot is on the disk at once; what was taken back is not counted, and a cut line costs no other."""
    path = tmp_path / "a" / "box.jsonl"
    box = BallotBox(path)
    for choice in ("left", "right", "tie"):
        box.add(Ballot("a", "b", choice, "ann"))
    assert box.undo() == Ballot("a", "b", "tie", "ann")
    with path.open("a") as file:
        file.write('{"id": "x", "left": "a", "ri')
    later = BallotBox(path)
    assert later.undo() is None, "the ballots of another kernel are not taken back"
    later.add(Ballot("b", "a", "tie", "ben"))

    assert [ballot.choice for ballot in read_ballots(path)] == ["left", "right", "tie"]
    assert BallotBox(path).ballots == later.ballots == read_ballots(path)


def test_a_ballot_that_cannot_be_kept_does_not_count(tmp_path: Path) -> None:
    """Where the folder cannot be written, one error says so."""
    (tmp_path / "file").write_text("")
    box = BallotBox(tmp_path / "file" / "box.jsonl")
    with pytest.raises(MediaError, match="the ballot cannot be kept"):
        box.add(Ballot("a", "b", "left"))

    assert box.ballots == []


@pytest.mark.parametrize(
    ("ballots", "words"),
    [
        ("many", "has no list of ballots"),
        ([{"left": "a", "right": "b", "choice": "both"}], "ballot 1: a choice is 'left', 'right' or 'tie'"),
        ([{"left": "a", "right": "a", "choice": "tie"}], "ballot 1: 'a' cannot be judged against itself"),
        ([{"left": "a", "right": ["b"], "choice": "tie"}], "ballot 1 is none"),
        ([{"left": "a" * 5000, "right": "b", "choice": "tie"}], "ballot 1 is none"),
        ([7], "ballot 1 is none"),
    ],
)
def test_a_hostile_file_is_one_error(ballots: Any, words: str, tmp_path: Path) -> None:
    """What is no ballot is told with its number."""
    with pytest.raises(InputError, match=words):
        read_ballots(saved(tmp_path / "ballots.json", ballots))


def test_other_files_are_no_ballots(tmp_path: Path) -> None:
    """A picture, nesting without an end and a missing file are one error each; an empty file is no ballots."""
    path = tmp_path / "x"
    for content in (b"\x89PNG\r\n", b"[" * 100_000, b'{"kind": "else"', b"[1, 2]"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="x holds no ballots"):
            read_ballots(path)
    path.write_bytes(b"")
    assert read_ballots(path) == []
    with pytest.raises(MediaError, match="cannot read"):
        read_ballots(tmp_path / "none")


@given(
    st.binary(max_size=200) | st.dictionaries(st.text(), st.text()).map(lambda it: json.dumps(it).encode())
)
def test_any_file_gives_ballots_or_one_error(content: bytes) -> None:
    """No content of a file leads to anything else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(content)
        with contextlib.suppress(NbkitError):
            assert all(isinstance(ballot, Ballot) for ballot in read_ballots(path))
