"""Intervals for means of bounded values that are often 0: shares of lost trials, regret."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.estimators.intervals import LEVEL, Interval, mean_interval
from analysis.estimators.skew import FEWEST


def bounded_interval(values: npt.ArrayLike, most: float = 1.0, level: float = LEVEL) -> Interval:
    """Mean of independent values in [0, ``most``], with an interval that holds where most are 0.

    values: any shape; NaN is left out. `mean_interval` within the bounds, except where half of the
    values or more lie on a bound or all are equal: their spread then says nothing of the rare large
    one. There it is the exact interval of a share (Clopper & Pearson 1934), with each value counted
    as value / most successes in one try, since no values of a mean spread more than such tries. Of
    n values that are all 0 it reaches to 1 - 0.025^(1 / n) of ``most``.
    Fewer than FEWEST values have a mean but no interval; a point is left only where most is 0.
    Raises ValueError for a value outside [0, ``most``].

    >>> found = bounded_interval([0.0, 0.0, 0.0, 0.0, 0.0, 0.0], most=0.05)
    >>> f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"
    '0.000 (0.000 to 0.023)'
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[~np.isnan(x)]
    if len(x) and not (x.min() >= 0 and x.max() <= most * (1 + 1e-9)):  # means are rounded
        raise ValueError(f"values must be in [0, {most:g}], not {x.min():g} to {x.max():g}")
    x = np.minimum(x, most)
    found = mean_interval(x, level, (0.0, most))
    if len(x) < FEWEST or most == 0:
        return found
    on_bounds = np.count_nonzero((x == 0) | (x == most))
    if 2 * on_bounds < len(x) and x.min() < x.max():
        return found
    low, high = _exact(float(x.sum()) / most, len(x), level)
    return found._replace(low=most * low, high=most * high)


def _exact(successes: float, n: int, level: float) -> tuple[float, float]:
    """The exact interval of a share, by the beta distribution also for fractions of a success."""
    rest, tail = max(n - successes, 0.0), (1 - level) / 2
    low = float(special.betaincinv(successes, rest + 1, tail)) if successes > 0 else 0.0
    high = float(special.betaincinv(successes + 1, rest, 1 - tail)) if rest > 0 else 1.0
    return low, high
