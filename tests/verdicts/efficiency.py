"""What the care costs where scores are normal: the width of intervals and the power of tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
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
from analysis.estimators.looks import looked_columns, unbiased_means
from tests.verdicts.distributions import LEVEL, UNIT, Arms, Distribution, Floats, arms, normal
from tests.verdicts.sequential import DESIGNS

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


def _leading(rng: Generator, n: int, studies: int, lead: float) -> Arms:
    """Five pairs of which the first differs by so many SD of its differences."""
    scores, untrained = arms(normal, normal)(rng, studies, n, 1 + PAIRS)
    scores[..., 1] -= lead * np.sqrt(2) * UNIT
    return Arms(scores, untrained)


LAST = max(DESIGNS)


def looks_power(rng: Generator, n: int, studies: int) -> Cost:
    """How often the looks find a difference of one SD, at least that of one look less a tenth."""
    of = _leading(rng, n, studies, 1.0)
    found, once = (
        looked_columns(*of, at)["verdict"][:, 0] == "better" for at in (DESIGNS[n], (n,))
    )
    error = (found * 1.0 - once).std() / np.sqrt(studies)
    limit = once.mean() - LESS_POWER
    return Cost("power in looks, 1 SD, 5 pairs", n, found.mean(), float(error), limit, False)


def looks_seeds(rng: Generator, n: int, studies: int) -> Cost:
    """Seeds of a pair that differs by 1.5 SD, as a part of those that one look would take."""
    of = _leading(rng, n, studies, 1.5)
    found = looked_columns(*of, DESIGNS[n])
    used = np.array(DESIGNS[n])[found["look"][:, 0] - 1] / n
    error = float(used.std() / np.sqrt(studies))
    return Cost("seeds in looks, 1.5 SD, 5 pairs", n, float(used.mean()), error, 0.8, True)


MEDIAN = 0.53
"""A median-unbiased estimate is above the truth in half of the studies, give or take."""


def too_high(column: str, limit: float) -> Measure:
    """How often the estimate of a pair that stops at any look is above the truth, or below it,
    whichever is more often."""

    def measure(rng: Generator, n: int, studies: int) -> Cost:
        some = min(studies, 2000)  # one at a time
        scores, untrained = arms(normal, normal)(rng, some, n, 2)
        truth = 1.2 * np.sqrt(2) * UNIT
        scores[..., 0] += truth
        found = {name: x[:, 0] for name, x in looked_columns(scores, untrained, DESIGNS[n]).items()}
        frame = pd.DataFrame(found)
        means = unbiased_means(frame, DESIGNS[n]) if column == "unbiased" else frame[column]
        share = float((means > truth).mean())
        error = 0.5 / np.sqrt(some)
        return Cost(f"above or below, {column}", n, max(share, 1 - share), error, limit, True)

    return measure


COSTS: tuple[tuple[Measure, int], ...] = (
    *((mean_width, n) for n in (5, 10, 25)),
    *((image_width, n) for n in (5, 10, 25)),
    *((difference_width, n) for n in (5, 10, 25)),
    (power(1), 10),
    (power(5), 10),
    (share_power, 25),
    (looks_power, LAST),
    (looks_seeds, LAST),
    (too_high("mean", np.nan), LAST),
    (too_high("unbiased", MEDIAN), LAST),
)


def costs(studies: int, seed: int) -> list[Cost]:
    """All of them."""
    return [
        measure(np.random.default_rng([seed, place]), n, studies)
        for place, (measure, n) in enumerate(COSTS)
    ]
