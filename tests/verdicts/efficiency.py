"""What the care costs where scores are normal: the width of intervals and the power of tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy import stats

from analysis.estimators.comparison import paired_columns
from analysis.estimators.intervals import (
    ANYWHERE,
    crossed_interval,
    mean_interval,
    t_interval,
    t_quantile,
)
from tests.verdicts.distributions import LEVEL, UNIT, Distribution, Floats, arms, normal

WIDER = 1.2  # times Student's interval, at most
LESS_POWER = 0.1  # than the paired t test's, at most
PAIRS = 5
UNEQUAL = Distribution("unequal shares", arms(normal, normal, stalls=(0.0, 0.6)), stalls=True)


class Cost(NamedTuple):
    """found: a ratio of widths, or a share of studies; it must be at most or at least ``limit``,
    and where that is NaN it is only shown. error: its standard error."""

    measure: str
    n: int
    found: float
    error: float
    limit: float
    at_most: bool

    @property
    def fails(self) -> bool:
        """Whether it is beyond the limit, and beyond doubt: once in 1,000 by chance."""
        beyond = self.found - self.limit if self.at_most else self.limit - self.found
        return bool(beyond > 3.1 * self.error)


Measure = Callable[[Generator, int, int], Cost]


def _ratio(measure: str, n: int, own: Floats, student: Floats) -> Cost:
    """How many times as wide as Student's the interval of a study is, on average."""
    times = own / student
    error = float(times.std() / np.sqrt(len(times)))
    return Cost(measure, n, float(times.mean()), error, WIDER, True)


def mean_width(rng: Generator, n: int, studies: int) -> Cost:
    """Of a mean's interval."""
    rows = rng.normal(LEVEL, UNIT, (studies, n))
    bounds = [np.array([each(row)[3:] for row in rows]) for each in (mean_interval, t_interval)]
    return _ratio("width, mean", n, *(np.ptp(each, axis=1) for each in bounds))


def image_width(rng: Generator, n: int, studies: int) -> Cost:
    """Over seeds and images; Student's with the same degrees of freedom."""
    widths = []
    for _ in range(studies):
        chance = rng.uniform(0.65, 0.85, 100) + rng.normal(0, 0.03, (n, 1))
        found = crossed_interval(rng.random(chance.shape) < chance, within=ANYWHERE)
        student = 2 * t_quantile(0.95, found.df) * np.hypot(found.seed_se, found.image_se)
        widths.append((found.high - found.low, student))
    return _ratio("width, mean over images", n, *np.array(widths).T)


def difference_width(rng: Generator, n: int, studies: int) -> Cost:
    """Of a pair's difference."""
    found = paired_columns(*arms(normal, normal)(rng, studies, n, 2))
    student = 2 * t_quantile(0.95, n - 1) * found["sd"] / np.sqrt(n)
    own = found["high"] - found["low"]
    return _ratio("width, difference", n, own[:, 0], student[:, 0])


def power(pairs: int) -> Measure:
    """How often a pair that differs by one SD of its differences is better, among so many pairs of
    which the others are equal. One alone is held to the power of the paired t test."""

    def measure(rng: Generator, n: int, studies: int) -> Cost:
        scores, untrained = arms(normal, normal)(rng, studies, n, 1 + pairs)
        scores[..., 1] -= np.sqrt(2) * UNIT
        found = paired_columns(scores, untrained)["verdict"][:, 0] == "better"
        test = stats.ttest_rel(scores[..., 0], scores[..., 1], axis=1)
        plain = (test.pvalue < 0.05) & (test.statistic > 0)
        error = (found * 1.0 - plain).std() / np.sqrt(studies)
        limit = plain.mean() - LESS_POWER if pairs == 1 else np.nan
        name = f"power, 1 SD, {pairs} pair{'s'[: pairs > 1]}"
        return Cost(name, n, float(found.mean()), float(error), float(limit), False)

    return measure


def share_power(rng: Generator, n: int, studies: int) -> Cost:
    """How often it is seen that five stall in 60 % of the runs, where the first never does."""
    verdicts = paired_columns(*UNEQUAL.draw(rng, studies, n, 1 + PAIRS))["verdict"]
    found = (verdicts == "less often untrained").any(axis=1)
    error = found.std() / np.sqrt(studies)
    return Cost("power, share of 60 % against 0", n, float(found.mean()), float(error), 0.9, False)


COSTS: tuple[tuple[Measure, int], ...] = (
    *((mean_width, n) for n in (5, 10, 25)),
    *((image_width, n) for n in (5, 10, 25)),
    *((difference_width, n) for n in (5, 10, 25)),
    (power(1), 10),
    (power(5), 10),
    (share_power, 25),
)


def costs(studies: int, seed: int) -> list[Cost]:
    """All of them."""
    return [
        measure(np.random.default_rng([seed, place]), n, studies)
        for place, (measure, n) in enumerate(COSTS)
    ]
