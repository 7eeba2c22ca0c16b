"""Student's interval, lengthened on the side of the longer tail: for means of skewed scores.

A run's score has a longer tail to the left: some runs learn late. Where few values were seen, the
tail was often not among them, so that Student's interval lies too high. Johnson (1978, Modified t
tests for asymmetrical populations) gives the first-order error of t from the third moment: at a
quantile q of Student's t with n values of skewness g it is g (1 + 2 q^2) / (6 sqrt(n)) standard
errors. Here the bound on the side of the tail moves out by `CAUTION` times that, at most to twice
its distance; the other bound stays, since a skewness from few values is too uncertain to shorten
anything.

Statistics are in standard errors. ``tail`` is what `tail` gives for the side that a test looks at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from study.plan import FEWEST_JUDGED

CAUTION = 1.2
"""On normal data the interval of five values is then 1.19 times as long as Student's, that of ten
1.08 times; the bench of distributions shows what it buys."""
FEWEST = FEWEST_JUDGED
"""With fewer values neither their spread nor their skewness is known well enough."""
_FLAT = 1e-24  # a variance below is that of rounding


class Moments(NamedTuple):
    """Number of values, their mean, SD (n - 1; NaN for fewer than two) and skewness."""

    n: Any
    mean: Any
    sd: Any
    skew: Any


def moments(values: npt.ArrayLike, axis: int = -1) -> Moments:
    """Of the values along an axis, NaN left out. skew: adjusted Fisher-Pearson coefficient, 0 where
    the values are all equal or fewer than three.

    >>> float(moments([0.84, 0.85, 0.86, 0.70]).skew.round(2))  # a long tail to the left
    -1.93
    """
    x = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(x)
    n = known.sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, x, 0.0).sum(axis=axis) / n
        centred = np.where(known, x - np.expand_dims(mean, axis), 0.0)
        squares = (centred**2).sum(axis=axis)
        sd = np.sqrt(squares / (n - 1))
        biased = (centred**3).sum(axis=axis) / n / (squares / n) ** 1.5
        adjusted = np.sqrt(n * (n - 1)) / (n - 2) * biased
    flat = (n < 3) | (squares < _FLAT * n)
    return Moments(n, mean, np.where(n < 2, np.nan, sd), np.where(flat, 0.0, adjusted))


def skewness(values: npt.ArrayLike) -> float:
    """That of `moments`, of all values.

    >>> skewness([0.84, 0.85, 0.86])
    0.0
    """
    return float(moments(np.ravel(values)).skew)


def tail(skew: float | npt.ArrayLike, n: float | npt.ArrayLike) -> Any:
    """How much a bound on the side of that skewness moves, before the factor of the quantile: 0
    where ``skew`` is not above 0. Give ``-g`` for the lower bound and ``g`` for the upper one."""
    size = np.maximum(np.asarray(skew, dtype=np.float64), 0.0)
    return CAUTION * size / (6 * np.sqrt(np.maximum(np.asarray(n, dtype=np.float64), 1.0)))


def reach(
    level: float | npt.ArrayLike, df: float | npt.ArrayLike, tail: float | npt.ArrayLike
) -> Any:
    """How far a bound of a two-sided interval lies from the mean, in standard errors.

    >>> round(float(reach(0.95, 9, 0.0)), 3), round(float(reach(0.95, 9, tail(1.0, 10))), 3)
    (2.262, 2.973)
    """
    q = special.stdtrit(df, (1 + np.asarray(level)) / 2)
    return q + np.minimum(np.asarray(tail) * (1 + 2 * q**2), q)


def tail_p(statistic: npt.ArrayLike, df: npt.ArrayLike, tail: npt.ArrayLike) -> Any:
    """One-sided p-value of a statistic: at twice that level `reach` just meets it.

    >>> float(tail_p(reach(0.95, 9, 0.1), 9, 0.1).round(6))
    0.025
    """
    t, c = np.asarray(statistic, dtype=np.float64), np.asarray(tail, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        away = t - c  # q + c (1 + 2 q^2) = t, solved without a division by c
        root = 2 * away / (1 + np.sqrt(np.maximum(1 + 8 * c * away, 0.0)))
        q = np.where((c > 0) & (t > 0) & np.isfinite(t), np.maximum(root, t / 2), t)
    return special.stdtr(np.asarray(df, dtype=np.float64), -q)  # t / 2: reach at its cap
