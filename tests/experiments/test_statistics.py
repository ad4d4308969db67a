from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm, ttest_1samp

from nbkit.errors import InputError
from nbkit.experiments.statistics import mean, paired_difference


def test_the_interval_agrees_with_theory() -> None:
    """For normal values the interval is the one of the t distribution, within a tenth of its width."""
    values = norm.rvs(loc=3, scale=2, size=60, random_state=np.random.default_rng(7))
    estimate, theory = mean(values.tolist()), ttest_1samp(values, 0).confidence_interval(0.95)
    slack = 0.1 * (theory.high - theory.low)

    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(theory.low, abs=slack)
    assert estimate.high == pytest.approx(theory.high, abs=slack)


def test_pairs_find_what_means_hide() -> None:
    """A small gain in every pair is seen, though the pairs differ among themselves by far more."""
    seeds = [1.0, 5.0, 9.0, 2.0, 7.0, 4.0]
    better = [value + gain for value, gain in zip(seeds, (0.2, 0.3, 0.25, 0.2, 0.3, 0.22), strict=True)]
    difference = paired_difference(seeds, better)

    assert difference.is_apart_from_zero
    assert difference.mean == pytest.approx(0.245)
    assert not paired_difference(seeds, list(reversed(better))).is_apart_from_zero


def test_too_few_values_have_no_interval() -> None:
    """One value says nothing about how sure it is; several equal ones have an interval without width."""
    assert math.isnan(mean([4.0]).low)
    assert str(mean([4.0])) == "4 (n = 1)"
    assert (mean([2.0, 2.0]).low, mean([2.0, 2.0]).high) == (2.0, 2.0)


def test_the_same_values_give_the_same_interval() -> None:
    """A figure that is made again on another day shows the same numbers."""
    assert mean([1.0, 2.0, 4.0, 8.0]) == mean([1.0, 2.0, 4.0, 8.0])


def test_what_is_no_number_is_left_out() -> None:
    """A failed cell has no value and does not spoil the mean of the others."""
    assert mean([1.0, math.nan, 3.0]).mean == 2.0
    assert paired_difference([1.0, math.nan], [2.0, 5.0]).count == 1


def test_nothing_has_no_mean() -> None:
    """No values, uneven pairs and levels beyond certainty are one error each."""
    with pytest.raises(InputError, match="no value"):
        mean([])
    with pytest.raises(InputError, match="as many values on both sides: 1 and 2"):
        paired_difference([1.0], [1.0, 2.0])
    with pytest.raises(InputError, match="level is between 0 and 1"):
        mean([1.0], level=1.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_the_interval_holds_the_mean_of_its_values(values: list[float]) -> None:
    """Whatever the values are, the ends are numbers in their order, and inside of what was measured."""
    estimate = mean(values)
    slack = 1e-9 * max(map(abs, values))

    assert min(values) - slack <= estimate.low <= estimate.high <= max(values) + slack
