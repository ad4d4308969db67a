from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from nbkit import history
from nbkit.errors import InputError
from nbkit.history.database import history_path
from nbkit.history.files import FileStore
from nbkit.history.recorder import Recorder
from nbkit.model.endpoint import Endpoint
from nbkit.model.media import Media

if TYPE_CHECKING:
    from pathlib import Path

    from tests.history.conftest import Record


def kept(content: bytes, *, is_old: bool = True) -> Media:
    """A file in the store, as a run gave it."""
    incoming = FileStore(history_path().parent / "files").incoming()
    incoming.write(content)
    stored = incoming.keep(".png")
    if is_old:
        age(stored.path)
    return Media(
        "https://files.example/a.png", "image/png", path=stored.path, sha256=stored.sha256, place="a"
    )


def age(path: Path) -> None:
    """Have a file look two days old."""
    os.utime(path, (time.time() - 172800,) * 2)


def test_old_runs_go_with_the_files_that_nobody_else_needs(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes is told first, and goes only when one says so; what others need stays."""
    own, shared, starred = kept(b"own"), kept(b"shared"), kept(b"starred")
    monkeypatch.setattr("nbkit.history.recorder.time.time", lambda now=time.time: now() - 100 * 86400)
    old = record({"prompt": "an old word"}, output={"text": "x" * 400_000}, media=(own, shared))
    history.star(record(media=(starred,)).id)
    monkeypatch.undo()
    monkeypatch.setenv("NBKIT_HOME", str(own.path.parents[2]) if own.path else "")
    new = record(media=(shared,))
    for path in (history_path().parent / "files").rglob("*.json"):
        age(path)

    told = history.prune()
    assert (told.runs, told.files, told.dry_run) == (1, 2, True)
    assert "would go" in str(told)
    assert len(history.search()) == 3
    done = history.prune(dry_run=False)
    assert (done.runs, done.files, done.bytes, done.dry_run) == (1, 2, told.bytes, False)
    assert own.path
    assert shared.path
    assert starred.path
    assert (own.path.exists(), shared.path.exists(), starred.path.exists()) == (False, True, True)
    assert [found.id for found in history.search(starred=False)] == [new.id]
    assert list(history.search("word")) == []
    with pytest.raises(InputError):
        history.get(old.id)
    assert history.prune(keep_starred=False).runs == 1


def test_a_file_that_just_came_stays(record: Record) -> None:
    """A run that is at this moment getting the same file does not lose it."""
    fresh = kept(b"fresh", is_old=False)
    record(media=(fresh,))

    done = history.prune("0d", dry_run=False)
    assert (done.runs, done.files) == (1, 0)
    assert fresh.path
    assert fresh.path.exists()


def test_a_run_under_way_stays() -> None:
    """However old it is, a run that is waited for keeps its row."""

    async def begin() -> None:
        await Recorder(Endpoint.parse("acme/imgen")).begin({"prompt": "x"}, "queue", "")

    asyncio.run(begin())
    assert history.prune("0d", dry_run=False).runs == 0


def test_what_was_never_received_to_its_end_goes(record: Record) -> None:
    """The half files of processes that ended are swept, those of today are not."""
    record()
    store = FileStore(history_path().parent / "files")
    stale, recent = store.incoming(), store.incoming()
    age(stale.path)
    assert history.prune(dry_run=False).files == 1

    assert (stale.path.exists(), recent.path.exists()) == (False, True)
    stale.drop()
    recent.drop()


def test_a_file_outside_of_the_store_is_never_touched(record: Record, tmp_path: Path) -> None:
    """Whatever a row says, only nbkit's own files go."""
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"mine")
    age(mine)
    (history_path().parent / "files").mkdir(parents=True)
    record(
        media=(
            Media("x", path=mine),
            Media("y", path=history_path().parent / "files" / ".." / "z", place="b"),
        )
    )

    assert history.prune("0d", dry_run=False).files == 0
    assert mine.exists()


def test_where_nothing_ran_nothing_goes() -> None:
    """Letting go of nothing is no error; an age that is none is one."""
    assert history.prune().runs == 0
    with pytest.raises(InputError, match="older_than"):
        history.prune("long ago")
