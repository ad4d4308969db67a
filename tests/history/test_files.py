from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import MediaError
from nbkit.history.files import FileStore, Stored

if TYPE_CHECKING:
    from pathlib import Path


def keep(store: FileStore, *chunks: bytes, suffix: str = ".png") -> Stored:
    """Put bytes into a store."""
    incoming = store.incoming()
    for chunk in chunks:
        incoming.write(chunk)
    return incoming.keep(suffix)


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_files_are_named_by_what_is_in_them(tmp_path: Path) -> None:
    """The same bytes are kept once, whatever pieces they came in."""
    store = FileStore(tmp_path / "new" / "files")
    kept = keep(store, b"ab", b"", b"c")

    assert kept.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert (kept.size, kept.path.read_bytes()) == (3, b"abc")
    assert keep(store, b"abc") == kept
    assert files(tmp_path) == [kept.path]


def test_nobody_sees_half_a_file(tmp_path: Path) -> None:
    """Until it is whole a file has a hidden name, and one that is dropped is gone, twice if need be."""
    incoming = FileStore(tmp_path).incoming()
    incoming.write(b"half")
    assert incoming.flush().name.startswith(".")
    assert incoming.path.read_bytes() == b"half"
    incoming.drop()
    incoming.drop()

    assert files(tmp_path) == []


@given(st.text())
def test_no_suffix_leads_out_of_the_folder(suffix: str) -> None:
    """An ending from outside is an ending or nothing."""
    from pathlib import Path

    path = FileStore(Path("/store")).path_of("ab" * 32, suffix)

    assert path.parent == Path("/store/ab")
    assert path.name.startswith("ab" * 32)
    assert len(path.name) <= 64 + 9


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The message names the folder and how to choose another."""
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(MediaError, match=r"cannot write to .*taken") as caught:
        FileStore(tmp_path / "taken" / "files").incoming()

    assert "NBKIT_HOME" in caught.value.hint


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("size", [10, 10_000_000])
def test_a_full_disk(size: int, tmp_path: Path) -> None:
    """A full disk is an error of ours at whatever step it shows, and can be dropped."""
    incoming = FileStore(tmp_path).incoming()
    incoming._file.close()
    incoming._file = open("/dev/full", "wb")  # noqa: PTH123, SIM115

    def store() -> None:
        incoming.write(b"x" * size)
        incoming.flush()

    with pytest.raises(MediaError, match=os.strerror(errno.ENOSPC)):
        store()
    incoming.drop()
    assert files(tmp_path) == []
