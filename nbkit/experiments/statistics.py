"""Numbers over seeds: means, differences and how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

_RESAMPLES = 9_999
_LEAST_FOR_AN_INTERVAL = 2
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, and the interval that holds the true one as often as `level` says.

    Attributes:
        mean: The mean of the values.
        low: The lower end, NaN where there are too few values to tell.
        high: The upper end, NaN where there are too few values to tell.
        count: How many values there are.
        level: How often such an interval holds the true mean, from 0 to 1.
    """

    mean: float
    low: float
    high: float
    count: int
    level: float = 0.95

    @property
    def is_apart_from_zero(self) -> bool:
        """Whether zero is outside of the interval: for a difference, whether there seems to be one."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.mean:.4g} (n = {self.count})"
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}] (n = {self.count})"


def mean(values: Sequence[float], level: float = 0.95) -> Estimate:
    """The mean of some values, with a bootstrap interval (bias-corrected and accelerated, 9,999 draws).

    The draws are the same every time, so a figure that is made again shows the same interval. Values that are not
    numbers are left out.

    Args:
        values: One value a seed.
        level: How sure the interval is to be, between 0 and 1.

    Raises:
        InputError: There is no value, or the level is none.
    """
    import numpy as np

    if not 0 < level < 1:
        raise InputError(f"level is between 0 and 1, not {level!r:.40}", field="level")
    sample = np.asarray(values, dtype=float)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        raise InputError("there is no value to take the mean of", field="values")
    low, high = _interval(sample, level)
    return Estimate(float(sample.mean()), low, high, int(sample.size), level)


def paired_difference(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Estimate:
    """By how much the second values are greater than the first ones, pair by pair: the same seed, another setting.

    Pairs in which one is not a number are left out.

    Args:
        first: One value a seed.
        second: The others, in the same order of seeds.
        level: How sure the interval is to be, between 0 and 1.

    Raises:
        InputError: They are not as many, or no pair is left.
    """
    import numpy as np

    if len(first) != len(second):
        raise InputError(f"pairs need as many values on both sides: {len(first)} and {len(second)}")
    return mean(np.asarray(second, dtype=float) - np.asarray(first, dtype=float), level)


def _interval(sample: np.ndarray, level: float) -> tuple[float, float]:
    import numpy as np
    from scipy.stats import bootstrap

    centre, spread = float(sample.mean()), float(sample.std())
    if sample.size < _LEAST_FOR_AN_INTERVAL:
        return math.nan, math.nan
    if spread <= _ROUNDING * float(np.abs(sample).max()):
        return centre, centre
    # In units of its spread: very small and very large values leave no room for the arithmetic of the acceleration.
    drawn = bootstrap(
        ((sample - centre) / spread,),
        np.mean,
        confidence_level=level,
        n_resamples=_RESAMPLES,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return centre + spread * float(drawn.low), centre + spread * float(drawn.high)
