"""What servers of a version do otherwise, by what they call their version (`X-Version`)."""

from __future__ import annotations

import re

_NEW_ENGINE = (1, 9, 0)
_LAST_WITHOUT_ANSWERS = (1, 13, 2)


def loses_dropped_runs(version: str) -> bool:
    """Whether a server never records how a run ended whose stream was dropped.

    Up to 1.8 the code that stores the result ends with the connection, and the record stays `running` for ever
    (seen in 0.6.16, 0.15.3 and 1.8.1).
    """
    numbers = _numbers(version)
    return numbers is not None and numbers < _NEW_ENGINE


def takes_answers(version: str) -> bool:
    """Whether a person's answer can be given by code; of a version that is not known it is worth trying."""
    numbers = _numbers(version)
    return numbers is None or numbers > _LAST_WITHOUT_ANSWERS


def _numbers(version: str) -> tuple[int, int, int] | None:
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", version, re.ASCII)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None
