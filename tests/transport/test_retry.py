from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from nbkit.transport.retry import MAX_ATTEMPTS, Failure, delay_before_retry

REFUSED = [Failure("refused", status) for status in range(400, 600)]


@pytest.mark.parametrize("failure", [Failure("lost"), *(it for it in REFUSED if it.status != 429)])
def test_a_paid_request_that_may_have_arrived_is_not_sent_again(failure: Failure) -> None:
    """Whatever else went wrong, nobody pays twice."""
    assert delay_before_retry(1, failure, may_bill=True) is None


@pytest.mark.parametrize(
    "failure",
    [Failure("unreached"), Failure("refused", 429), Failure("refused", 503, not_started=True)],
)
def test_a_paid_request_that_was_not_started_is_sent_again(failure: Failure) -> None:
    """What never arrived, or was turned away at the door, costs nothing."""
    assert delay_before_retry(1, failure, may_bill=True) is not None


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
def test_a_free_request_is_sent_again_after_passing_trouble(status: int) -> None:
    """Asking costs nothing, so trouble on the way is borne."""
    assert delay_before_retry(1, Failure("refused", status), may_bill=False) is not None
    assert delay_before_retry(1, Failure("lost"), may_bill=False) is not None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 501])
def test_an_answer_is_an_answer(status: int) -> None:
    """What the service means is not asked again."""
    assert delay_before_retry(1, Failure("refused", status), may_bill=False) is None


def test_a_models_own_failure_is_not_asked_again() -> None:
    """An error status that the service itself hands on is the result."""
    assert delay_before_retry(1, Failure("refused", 504, from_service=True), may_bill=False) is None


@pytest.mark.parametrize("kind", ["unreached", "lost", "refused"])
def test_a_time_limit_of_the_callers_is_kept(kind: str) -> None:
    """Whose own time ran out is not kept waiting."""
    failure = Failure(kind, 504, user_timeout=True)  # type: ignore[arg-type]
    assert delay_before_retry(1, failure, may_bill=False) is None


def test_the_service_says_how_long() -> None:
    """`Retry-After` is kept to, up to a minute; who asks for more is not waited for."""
    assert delay_before_retry(1, Failure("refused", 429, retry_after=7.5), may_bill=True) == 7.5
    assert delay_before_retry(1, Failure("refused", 429, retry_after=0.0), may_bill=True) == 0.0
    assert delay_before_retry(1, Failure("refused", 429, retry_after=3600), may_bill=True) is None


@given(st.integers(1, 100))
def test_waiting_grows_and_ends(attempt: int) -> None:
    """No wait is long, and there are only so many."""
    delay = delay_before_retry(attempt, Failure("lost"), may_bill=False)

    assert (delay is None) is (attempt >= MAX_ATTEMPTS)
    assert delay is None or 0 < delay <= 12
