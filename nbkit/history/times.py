"""Moments and ages as people write them."""

from __future__ import annotations

import re
import time
from datetime import date, datetime, timedelta

from nbkit.errors import InputError

_AGE = re.compile(r"\s*(\d{1,6})\s*(m|h|d|w|y)\s*", re.IGNORECASE)
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31557600}

Moment = datetime | date | timedelta | float | str


def seconds_since_1970(given: Moment, field: str) -> float:
    """A moment as a number.

    Args:
        given: A `datetime` (of this machine's zone where it names none), a `date`, seconds since 1970, how long ago
            (a `timedelta`, or `30m`, `12h`, `90d`, `4w`, `1y`), or a date as text, `2026-11-22` or with a time.
        field: What it is called where it was given.

    Raises:
        InputError: It is none of these.
    """
    try:
        if isinstance(given, datetime):
            return given.timestamp()
        if isinstance(given, date):
            return datetime.combine(given, datetime.min.time()).timestamp()
        if isinstance(given, timedelta):
            return time.time() - given.total_seconds()
        if not isinstance(given, str):
            return float(given)
        if age := _AGE.fullmatch(given):
            return time.time() - int(age[1]) * _SECONDS[age[2].lower()]
        return datetime.fromisoformat(given.strip()).timestamp()
    except (ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise InputError(
            f"{field}={given!r:.60} is not a moment",
            field=field,
            hint="write a date as 2026-11-22, an age as 90d or 12h, or give a datetime",
        ) from error
