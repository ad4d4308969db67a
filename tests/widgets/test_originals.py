from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nbkit.display.card import Card, Step
from nbkit.display.figure import Figure
from nbkit.widgets.originals import Originals

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stored(tmp_path: Path) -> Figure:
    """A file in the store."""
    path = tmp_path / "store.png"
    path.write_bytes(b"picture")
    return Figure(path, name="a.png", sha256="ab" * 32)


def test_a_picture_links_to_its_original_beside_the_notebook(tmp_path: Path, stored: Figure) -> None:
    """The whole file lies in `nbkit_files`, named by its content, without taking space twice."""
    kept = Originals(tmp_path).keep(stored)

    assert kept.original == "nbkit_files/abababababababab.png"
    assert (tmp_path / kept.original).read_bytes() == b"picture"
    assert stored.path
    assert (tmp_path / kept.original).samefile(stored.path)
    assert Originals(tmp_path).keep(stored) == kept


def test_without_links_it_is_copied(tmp_path: Path, stored: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another disk the file is copied, and nothing half-written is left."""

    def refuse(*_paths: Path) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    kept = Originals(tmp_path).keep(stored)

    assert (tmp_path / kept.original).read_bytes() == b"picture"
    assert len(list((tmp_path / "nbkit_files").iterdir())) == 1


def test_the_name_needs_no_hash_from_outside(tmp_path: Path, stored: Figure) -> None:
    """A file without a known hash is hashed."""
    assert stored.path
    kept = Originals(tmp_path).keep(Figure(stored.path, name="a.png"))

    assert kept.original.startswith("nbkit_files/2cea274d0bedc39e")


def test_pages_are_made_inert(tmp_path: Path) -> None:
    """A page from outside cannot be opened as a page of the notebook server."""
    path = tmp_path / "x.svg"
    path.write_text("<svg onload=alert(1)>")

    assert Originals(tmp_path).keep(Figure(path, sha256="cd" * 32)).original.endswith(".svg.txt")


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path, stored: Figure) -> None:
    """Without write access the picture is shown without a link."""
    (tmp_path / "nbkit_files").write_text("a file is in the way")

    assert Originals(tmp_path).keep(stored) == stored
    assert Originals(tmp_path).keep(Figure(name="missing")) == Figure(name="missing")


def test_every_picture_of_a_card_is_linked(tmp_path: Path, stored: Figure) -> None:
    """Files of steps are kept as well as those of the result."""
    card = Originals(tmp_path).of(Card("a/b", figures=(stored,), steps=(Step("scene", figures=(stored,)),)))

    assert card.figures[0].original == card.steps[0].figures[0].original != ""
