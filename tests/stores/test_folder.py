from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from nbkit.errors import MediaError
from nbkit.stores.folder import FolderStore

if TYPE_CHECKING:
    from pathlib import Path


def test_a_draft_is_moved(tmp_path: Path) -> None:
    """A file that was received beside the folder is not copied."""
    draft = tmp_path / "draft"
    draft.write_bytes(b"film")
    number = draft.stat().st_ino
    store = FolderStore(tmp_path / "there")
    store.write("files/other", b"makes the folder")

    store.take("files/film", draft)

    assert not draft.exists()
    assert store.path("files/film").stat().st_ino == number


def test_a_secret_is_its_owners(tmp_path: Path) -> None:
    """What is created can be read by nobody else."""
    store = FolderStore(tmp_path / "there")
    assert store.create("secret", b"x")
    assert stat.S_IMODE(store.path("secret").stat().st_mode) == 0o600


def test_links_are_no_files(tmp_path: Path) -> None:
    """A link in the folder leads nowhere: who can make one there must not read other files by it."""
    (tmp_path / "outside").write_bytes(b"private")
    store = FolderStore(tmp_path / "there")
    store.write("a", b"1")
    store.path("link").symlink_to(tmp_path / "outside")

    assert store.size("link") is None
    assert [listed.name for listed in store.listing("")] == ["a"]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """Where a file stands in the way, writing says so and reading finds nothing else."""
    (tmp_path / "there").write_bytes(b"")
    with pytest.raises(MediaError, match=r"a cannot be written to .*there: "):
        FolderStore(tmp_path / "there").write("a", b"1")
