from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbkit.errors import InputError
from nbkit.widgets.watch import watch
from tests.widgets.test_gallery import new_run
from tests.widgets.test_live import Outputs, ended, eventually, notebook

if TYPE_CHECKING:
    from tests.widgets.conftest import MakeResult

__all__ = ["notebook"]


def test_runs_begun_elsewhere_get_cards(notebook: type[Outputs], make_result: MakeResult) -> None:
    """Each run has its card, the call returns at once, and what is over shows its end."""
    over, going = new_run(), new_run()
    over._settle(make_result(4))
    watch(over)
    assert eventually(lambda: len(ended(notebook)) == 1)
    watch([going])
    assert ended(notebook) == []

    going._settle(make_result(5))

    assert eventually(lambda: len(ended(notebook)) == 1)
    assert "seed  5" in ended(notebook)[0]["text/plain"]


@pytest.mark.usefixtures("notebook")
def test_only_runs_can_be_watched(make_result: MakeResult) -> None:
    """A result is told apart from a run before anything is shown."""
    with pytest.raises(InputError, match="Result is not a run"):
        watch(new_run(), make_result(1))
