from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbkit import history
from nbkit.errors import ConfigError
from nbkit.history.database import history_path, open_for_writing
from nbkit.history.migrations import STEPS
from nbkit.history.recorder import Recorder
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Queued, Started

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.history.conftest import Record

VERSIONS = sorted(Path(__file__).with_name("versions").glob("v*.sql"), key=lambda path: int(path.stem[1:]))


def restore(version: Path) -> Path:
    """Put a file of an earlier nbkit where the history is."""
    path = history_path()
    path.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(version.read_text("utf-8"))
    return path


def tables(path: Path) -> set[tuple[str, str]]:
    """What is in a file, by name, without the way it is laid out."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(name, " ".join(sql.split())) for name, sql in found}


def begin() -> list[str]:
    """Begin a run, and return what its user is told."""
    return asyncio.run(Recorder(Endpoint.parse("acme/new")).begin({"prompt": "new"}, "queue", ""))


def test_each_step_has_its_file() -> None:
    """No change of the tables is released without a file to prove that older ones are read."""
    assert [path.stem for path in VERSIONS] == [f"v{number}" for number in range(1, len(STEPS) + 1)]


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_a_released_step_is_never_changed(number: int, tmp_path: Path) -> None:
    """A file that was made by an earlier nbkit is what today's steps would have made of it."""
    made = tmp_path / "made.sqlite"
    with contextlib.closing(sqlite3.connect(made)) as connection:
        for step in STEPS[:number]:
            for statement in step:
                connection.execute(statement)

    assert tables(restore(VERSIONS[number - 1])) == tables(made)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.stem)
def test_a_history_of_every_earlier_version_is_read_and_gone_on_with(version: Path, record: Record) -> None:
    """Whatever nbkit wrote the file, its runs are found, and today's runs stand beside them."""
    path = restore(version)
    (old,) = history.search(seed=7)

    assert (old.endpoint, old.state, old.input, old.cost) == (
        "acme/imgen",
        "succeeded",
        {"prompt": "a red cat", "seed": 7},
        0.01,
    )
    assert old.events == (Queued(2), Started())
    assert [media.sha256 for media in old.images] == ["ab12"]
    assert old.result
    assert old.result.data == {"seed": 7, "images": []}
    assert [found.id for found in history.search("broke")] == [history.get("ffee").id]
    new = record({"prompt": "a new cat"})
    assert [found.id for found in history.search("cat")] == [new.id, old.id]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS),)


@pytest.fixture
def opened_anew(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have this process let go of the file, as a kernel does that is started again."""

    def let_go() -> None:
        home = history_path().parent
        monkeypatch.setenv("NBKIT_HOME", str(home / "other"))
        assert begin() == []
        monkeypatch.setenv("NBKIT_HOME", str(home))

    return let_go


def test_the_file_of_a_newer_nbkit_is_read_and_not_written(
    record: Record, opened_anew: Callable[[], None]
) -> None:
    """After going back to an older nbkit runs work, what is there is found, nothing is broken, and one is told."""
    old = record()
    with contextlib.closing(sqlite3.connect(history_path())) as connection:
        connection.execute("ALTER TABLE runs ADD COLUMN mood TEXT")
        connection.execute(f"PRAGMA user_version={len(STEPS) + 1}")
    opened_anew()

    (told,) = begin()
    assert "written by a newer nbkit" in told
    assert begin() == []
    assert [found.id for found in history.search()] == [old.id]
    with pytest.raises(ConfigError, match="written by a newer nbkit"):
        history.star(old.id)


def test_a_damaged_file_is_set_aside_and_never_deleted(record: Record) -> None:
    """What the disk spoilt stays for those who can mend it; runs go on in a new file, and one is told."""
    history_path().parent.mkdir(parents=True)
    history_path().write_bytes(b"this is no database, " * 500)
    with pytest.raises(
        ConfigError, match=r"cannot be used: file is not a database\n.*next run sets it aside"
    ):
        history.search()
    (told,) = begin()
    (aside,) = history_path().parent.glob("history.sqlite.corrupt-*[0-9]")

    assert aside.name in told
    assert aside.read_bytes().startswith(b"this is no database")
    assert begin() == []
    assert record().id in [found.id for found in history.search()]


def test_a_file_that_breaks_in_its_middle_is_set_aside_too(
    record: Record, opened_anew: Callable[[], None]
) -> None:
    """A file whose head is whole and whose rest is not is damaged as well."""
    for _ in range(30):
        record({"prompt": "word " * 500})
    opened_anew()
    content = bytearray(history_path().read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    history_path().write_bytes(content)

    told = [line for _ in range(3) for line in begin()]
    assert ["damaged" in line for line in told] == [True]
    assert len(list(history_path().parent.glob("history.sqlite.corrupt-*[0-9]"))) == 1
    assert history.search("new")


def test_only_its_owner_reads_it(record: Record) -> None:
    """Prompts are their owner's business."""
    record()

    assert history_path().stat().st_mode & 0o077 == 0 or os.name == "nt"


def test_two_kernels_may_begin_the_file_at_once(tmp_path: Path) -> None:
    """The tables are made once."""
    path = tmp_path / "deep" / "history.sqlite"
    with contextlib.closing(open_for_writing(path)), contextlib.closing(open_for_writing(path)) as second:
        assert second.execute("SELECT count(*) FROM runs").fetchone() == (0,)
