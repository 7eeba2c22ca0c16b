"""How many seeds a comparison needs."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from scipy import special

from analysis.estimators.intervals import LEVEL, MANY_SEEDS, seeds_needed, t_quantile

EQUIVALENCE_LEVEL = 0.9  # of the interval that makes two one-sided tests at 5 %
POWER = 0.8


def further_seeds(
    n: int,
    sd: float,
    difference: float,
    delta: float = 0.003,
    image_se: float = 0.0,
    level: float = LEVEL,
    power: float = POWER,
) -> int | None:
    """About how many more common seeds would resolve a pair, were the observed values true.

    n, sd: number and SD (> 0) of its paired differences; difference: their mean; image_se: the
    part of its standard error that the test images cause (0 where none is known); level: of the
    interval that must exclude 0, Holm's among several pairs. The answer is `seeds_needed` for a
    difference of that size; where it is below delta, the seeds that show equivalence within delta
    if those are fewer. At least 1, because an unresolved pair needs some.
    None where no number of seeds will do, because image_se alone is too large (or a million is not
    enough): the caller then says that it takes more test images, not more seeds.

    >>> further_seeds(5, sd=0.007, difference=0.004)
    22
    """
    size = abs(difference)
    z = special.ndtri((1 + level) / 2) + special.ndtri(power)
    visible = float(np.sqrt(max(size**2 - (z * image_se) ** 2, 0)))  # what the images leave
    needed: list[int] = []
    if visible > z * sd / np.sqrt(MANY_SEEDS):
        needed.append(seeds_needed(visible, sd, level, power))
    if size < delta:
        seeds = range(2, MANY_SEEDS)
        at = bisect_left(
            seeds, power, key=lambda k: _equivalence_power(k, sd, size, delta, image_se)
        )
        needed += seeds[at : at + 1]
    return max(min(needed) - n, 1) if needed else None


def _equivalence_power(
    n: int, sd: float, difference: float, delta: float, image_se: float
) -> float:
    """Power of two one-sided 5 % tests within +- delta, by noncentral t (Julious 2004)."""
    se = np.hypot(sd / np.sqrt(n), image_se)
    bound = t_quantile(EQUIVALENCE_LEVEL, n - 1)
    below = special.nctdtr(n - 1, (difference - delta) / se, -bound)
    return float(below - special.nctdtr(n - 1, (difference + delta) / se, bound))


def likely_range(n: int, further: int, level: float = 0.8) -> tuple[int, int]:
    """How few and how many `further_seeds` may really be, for want of knowing the SD.

    The number of seeds goes with the variance of the differences, which n of them give only within
    a chi-square interval of that level. The difference itself is taken as it is, so that the truth
    is less certain still.

    >>> likely_range(5, 22)
    (9, 97)
    """
    total, df = n + further, n - 1
    few, many = (df / special.chdtri(df, tail) for tail in ((1 - level) / 2, (1 + level) / 2))
    return max(int(np.ceil(total * few)) - n, 1), max(int(np.ceil(total * many)) - n, 1)
