"""Mean paired differences of scores, of several pairs at once: errors, intervals, p-values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.estimators.intervals import crossed_interval
from analysis.estimators.skew import FEWEST, moments, reach, tail, tail_p

RESOLUTION = 1e-9  # shares closer than this are the same share

Floats = npt.NDArray[np.float64]


class Differences(NamedTuple):
    """What the tests of mean paired differences rest on, (..., pairs) each; NaN where not known.
    skew: of the differences; part: the share of the standard error that seeds cause."""

    n: Floats
    mean: Floats
    sd: Floats
    image_se: Floats
    se: Floats
    df: Floats
    skew: Floats
    part: Floats

    @property
    def images(self) -> Floats:
        """The variance of the mean that images cause, in units of that which seeds cause."""
        seeds = self.part**2
        endless = np.full(seeds.shape, np.inf)
        return np.asarray(np.divide(1 - seeds, seeds, out=endless, where=seeds > 0))


def differences(values: Floats, images: Sequence[Floats] | None = None) -> Differences:
    """values: (..., seeds, pairs), differences of scores, NaN where one did not train; images: of
    each pair the (seeds, images) differences of correctness, which `crossed_interval` takes. Fewer
    than FEWEST seeds have a mean alone.

    >>> found = differences(np.array([[0.01], [0.02], [0.03], [0.02]]))
    >>> [float(x[0].round(4)) for x in (found.mean, found.se, difference_p(found, sides_of(found)))]
    [0.02, 0.0041, 0.0163]
    """
    n, mean, sd, skew = moments(values, axis=-2)
    image_se, df, part = np.zeros(n.shape), n - 1.0, np.ones(n.shape)
    se = sd / np.sqrt(np.maximum(n, 1))
    if images is not None:
        crossed = [crossed_interval(each) for each in images]
        mean, sd, seed_se, image_se, df = (
            np.array([getattr(each, name) for each in crossed])
            for name in ("mean", "sd", "seed_se", "image_se", "df")
        )
        se = np.hypot(seed_se, image_se)
        part = np.divide(seed_se, se, out=np.ones(n.shape), where=se > 0)
    se = np.where(se < RESOLUTION, np.where(abs(mean) < RESOLUTION, 0.0, np.nan), se)
    return Differences(n, mean, sd, image_se, np.where(n < FEWEST, np.nan, se), df, skew, part)


class Sides(NamedTuple):
    """`tail` of the lower and of the upper bound of each pair's mean."""

    low: Floats
    high: Floats


def sides_of(scores: Differences) -> Sides:
    """By each pair's own skewness or that of all pairs, whichever moves the bound further: few
    differences show little of their tail, and arms that share a reference share its shape."""
    known = scores.n >= FEWEST
    total = np.where(known, scores.skew, 0.0).sum(axis=-1, keepdims=True)
    common = total / np.maximum(known.sum(axis=-1, keepdims=True), 1)
    cubed = scores.part**3
    low, high = (
        tail(np.maximum(side * scores.skew, side * common) * cubed, scores.n) for side in (-1, 1)
    )
    return Sides(low, high)


def _statistics(scores: Differences, against: float = 0.0) -> Floats:
    """How many standard errors each mean lies above ``against``; where there is no error, infinite,
    or 0 at equality."""
    distance = scores.mean - against
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.where(np.abs(distance) < RESOLUTION, 0.0, np.copysign(np.inf, distance))
        return np.where(scores.se == 0, exact, distance / scores.se)


def bounds(
    scores: Differences, sides: Sides, level: float | Floats, within: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Low and high of each mean's interval, at one level or one for each, cut to ``within``.

    >>> found = differences(np.array([[0.01], [0.02], [0.03], [0.02]]))
    >>> [float(x[0].round(3)) for x in bounds(found, sides_of(found), 0.95, (-1, 1))]
    [0.007, 0.033]
    """
    down, up = (reach(level, scores.df, side) * scores.se for side in sides)
    return np.clip(scores.mean - down, *within), np.clip(scores.mean + up, *within)


def difference_p(scores: Differences, sides: Sides) -> Floats:
    """Two-sided p-values that the mean difference is 0."""
    t = _statistics(scores)
    side = np.where(t > 0, sides.low, sides.high)
    return np.asarray(np.minimum(2 * tail_p(np.abs(t), scores.df, side), 1.0))


def equivalence_p(scores: Differences, sides: Sides, delta: float) -> Floats:
    """The larger of the two one-sided p-values that the difference leaves +- delta.

    >>> found = differences(np.array([[0.01], [0.02], [0.03], [0.02]]))
    >>> [float(equivalence_p(found, sides_of(found), x)[0].round(3)) for x in (0.02, 0.04)]
    [0.5, 0.008]
    """
    above = tail_p(_statistics(scores, -delta), scores.df, sides.low)
    below = tail_p(-_statistics(scores, delta), scores.df, sides.high)
    return np.asarray(np.maximum(above, below))
