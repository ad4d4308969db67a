"""What a sweep checks before the first request, against the schema of a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit import history
from nbkit.errors import InputError

if TYPE_CHECKING:
    from nbkit.server.host import Host


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"second": [1, 2]}, 'the axis "second" is not an input of lab/wait\n  → did you mean "seconds"'),
        ({"seconds": [0, 1, 1000]}, "1 of 3 requests would be refused; nothing was sent\n  1000: "),
        ({"endpoint": ["lab/wait", "lab/nothing/at all"]}, "lab/nothing/at all"),
    ],
)
def test_a_slip_is_told_before_anything_is_sent(lab: Host, axes: dict[str, Any], words: str) -> None:
    """An axis that the endpoint does not have, and a value out of its range, cost nothing."""
    with nbkit.Client(base_url=lab.url) as client, pytest.raises(InputError, match=words):
        nbkit.Sweep("lab/wait", {}, axes, client=client).run()

    assert list(history.search(limit=None)) == []


def test_it_tells_what_runs_took(lab: Host) -> None:
    """Seconds come from the runs of the history, and a cost that nobody told is unknown."""
    with nbkit.Client(base_url=lab.url) as client:
        before = nbkit.Sweep("lab/wait", {}, {"seconds": [0, 0.01]}, client=client)
        assert "unknown" in before.dry_run()._repr_mimebundle_()["text/plain"]
        before.run()
        rehearsal = nbkit.Sweep("lab/wait", {}, {"seconds": [0, 0.02, 0.03]}, client=client).dry_run()

    low, high = rehearsal.seconds
    assert (rehearsal.requests, rehearsal.in_history) == ({"lab/wait": 2}, 1)
    assert 0 < low <= high
    assert "2 requests of 3 combinations, 1 in the history" in str(rehearsal._repr_mimebundle_())
