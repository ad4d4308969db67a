from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbkit import history
from nbkit.errors import InputError

if TYPE_CHECKING:
    from tests.history.conftest import Record


def test_a_star_is_given_and_taken(record: Record) -> None:
    """What was good is found again by its star."""
    run = record()
    history.star(run.request_id[:8])
    assert history.get(run.id).starred
    history.unstar(run.id)

    assert not history.get(run.id).starred


def test_a_note_is_found_and_replaced(record: Record) -> None:
    """A note is one text, and the search knows the one that stands."""
    run = record()
    history.note(run.id, "first thought")
    history.note(run.id, "second \ud800 \0 thought")

    assert "second" in history.get(run.id).note
    assert [found.id for found in history.search("second")] == [run.id]
    assert list(history.search("first")) == []


def test_a_run_that_is_not_there_is_told() -> None:
    """A slip in an id is no silent success."""
    with pytest.raises(InputError, match="no run of the history"):
        history.star("nothing-like-it")
