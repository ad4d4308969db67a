from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from nbkit.errors import InputError
from nbkit.history.times import seconds_since_1970


def test_moments_are_taken_as_people_write_them() -> None:
    """Dates, times and ages are all understood."""
    day = datetime(2026, 11, 22)  # noqa: DTZ001 - a date as people write it is one of their own zone
    for given in (day, date(2026, 11, 22), "2026-11-22", " 2026-11-22 00:00", day.timestamp()):
        assert seconds_since_1970(given, "after") == day.timestamp()
    assert seconds_since_1970(datetime(1970, 1, 2, tzinfo=UTC), "after") == 86400


@pytest.mark.parametrize(
    ("age", "seconds"), [("30m", 1800), ("2H", 7200), (" 1 d", 86400), (timedelta(1), 86400)]
)
def test_an_age_counts_from_now(age: Any, seconds: int) -> None:
    """`7d` is seven days ago."""
    assert abs(time.time() - seconds - seconds_since_1970(age, "after")) < 60


@pytest.mark.parametrize(
    "given", ["yesterday", "", "7", "7 days", "9" * 400, True.__class__, [], b"1d", "999999y"]
)
def test_what_is_no_moment_is_told(given: Any) -> None:
    """A slip gets one sentence that shows how to write it."""
    if given == "999999y":  # an age that reaches before all times is one
        assert seconds_since_1970(given, "after") < 0
        return
    with pytest.raises(InputError, match=r"after=.* is not a moment"):
        seconds_since_1970(given, "after")
