"""Whether a failed request is sent again, and after how long. A pure table; whoever sends does the waiting.

A request that may start paid work is sent again only when it certainly did not arrive, or when the service said
that it did not start it. Everything else about it is unknown, and an unknown request is for a person to decide.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

MAX_ATTEMPTS = 5
_FIRST_DELAY = 0.25
_LONGEST_DELAY = 8.0
_LONGEST_RETRY_AFTER = 60.0
_PASSING = frozenset({408, 425, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one attempt failed.

    Attributes:
        kind: `unreached` if the request certainly never arrived, `lost` if its fate is unknown,
            `refused` if the service answered with an error status.
        status: HTTP status code of a refusal.
        retry_after: Seconds that the service asked to wait, None where it did not.
        from_service: Whether the service itself answered, not a proxy before it.
        not_started: Whether the answer says that nothing was started.
        user_timeout: Whether a time limit of the caller's ran out.
        of_file: Whether it is about the bytes of a file; who keeps files fails now and then, and means nothing by it.
    """

    kind: Literal["unreached", "lost", "refused"]
    status: int = 0
    retry_after: float | None = None
    from_service: bool = False
    not_started: bool = False
    user_timeout: bool = False
    of_file: bool = False


def delay_before_retry(attempt: int, failure: Failure, *, may_bill: bool) -> float | None:
    """Seconds to wait before sending again, or None for never.

    Args:
        attempt: How many times it was sent so far, from 1.
        failure: What came of the last time.
        may_bill: Whether the request may start paid work.
    """
    if attempt >= MAX_ATTEMPTS or failure.user_timeout or not _is_worth_it(failure, may_bill=may_bill):
        return None
    if failure.retry_after is not None:
        return failure.retry_after if failure.retry_after <= _LONGEST_RETRY_AFTER else None
    grown: float = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (attempt - 1))
    return grown * random.uniform(0.5, 1.5)  # noqa: S311 - spreads clients out, hides nothing


def _is_worth_it(failure: Failure, *, may_bill: bool) -> bool:
    if failure.kind == "unreached":
        return True
    if failure.kind == "lost":
        return not may_bill
    if failure.status == 429:  # noqa: PLR2004 - too many requests: refused before anything was started
        return True
    if may_bill:
        return failure.not_started
    if failure.of_file:
        return failure.status in _PASSING or failure.status == 500  # noqa: PLR2004
    return failure.status in _PASSING and not failure.from_service
