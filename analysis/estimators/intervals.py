"""Estimators: frame or array in, frame or numbers out, no state; a generator where chance enters.

Each says how it treats trials that were pruned, failed, diverged or stalled. Frames of trials are
those of `reading.frames.load`, best after `final_attempts`. Accuracies are shares in [0, 1].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from analysis.estimators.skew import FEWEST, reach, skewness, tail

LEVEL = 0.95
ANYWHERE = (-np.inf, np.inf)
SHARE = (0.0, 1.0)  # where an accuracy lies
DIFFERENCE = (-1.0, 1.0)  # where a difference of two shares lies
MANY_SEEDS = 1_000_000  # from here on Student's t is the normal distribution


class Interval(NamedTuple):
    """A mean with the bounds of its interval and what it rests on; NaN where n is too small."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def t_quantile(level: float | npt.ArrayLike, df: float | npt.ArrayLike) -> Any:
    """Student's t that bounds a two-sided interval: half its width in standard errors.

    level in (0, 1); NaN where df is not above 0. This is scipy.stats.t.ppf without its overhead.

    >>> float(t_quantile(0.95, 4).round(3))  # of five values
    2.776
    """
    return special.stdtrit(df, (1 + np.asarray(level)) / 2)


def t_interval(values: npt.ArrayLike, level: float = LEVEL) -> Interval:
    """Mean of independent values with Student's t interval: mean +- t(n - 1) sd / sqrt(n).

    values: any shape; NaN is left out. One value has a mean but no interval, none has neither.

    >>> found = t_interval([0.81, 0.83, 0.85])
    >>> f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f}), {found.n} values"
    '0.830 (0.780 to 0.880), 3 values'
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[~np.isnan(x)]
    n = len(x)
    mean = float(x.mean()) if n else np.nan
    if n < 2:
        return Interval(n, mean, np.nan, np.nan, np.nan)
    sd = float(x.std(ddof=1))
    half = float(t_quantile(level, n - 1)) * sd / np.sqrt(n)
    return Interval(n, mean, sd, mean - half, mean + half)


def mean_interval(
    values: npt.ArrayLike, level: float = LEVEL, within: tuple[float, float] = ANYWHERE
) -> Interval:
    """Mean of independent values with Student's interval, lengthened on the side of the longer tail
    (`estimators.skew`), and cut to ``within``, where a mean can lie.

    values: any shape; NaN is left out. Of scores these are the runs that trained: a run that did
    not has no score. Fewer than ``FEWEST`` values have a mean but no interval.

    >>> found = mean_interval([0.84, 0.85, 0.85, 0.86, 0.80], within=SHARE)
    >>> f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f}), {found.n} values"
    '0.840 (0.784 to 0.869), 5 values'
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[~np.isnan(x)]
    student = t_interval(x, level)
    n = len(x)
    if n < FEWEST:
        return student._replace(low=np.nan, high=np.nan)
    g, se = skewness(x), student.sd / np.sqrt(n)
    down, up = (float(reach(level, n - 1, tail(side * g, n))) * se for side in (-1, 1))
    low, high = np.clip([student.mean - down, student.mean + up], *within)
    return student._replace(low=float(low), high=float(high))


class CrossedInterval(NamedTuple):
    """`Interval` for seeds that share their test images; n, sd: number and SD of the seeds' means.

    The standard error of the mean is hypot(seed_se, image_se), with df degrees of freedom. More
    seeds shrink seed_se as 1 / sqrt(n); image_se stays.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    seed_se: float
    image_se: float
    df: float


def crossed_interval(
    correct: npt.ArrayLike, level: float = LEVEL, within: tuple[float, float] = SHARE
) -> CrossedInterval:
    """Mean over S seeds and I images, with an interval for new seeds and new images.

    correct: (S, I), 0 or 1, or -1, 0, 1 for a paired difference; I >= 2, else ValueError. Every
    row counts: give the runs that trained.
    Two-way random effects without replication (Searle, Casella & McCulloch 1992, ch. 4):
    Var(mean) = (MS_seeds + MS_images - MS_rest) / (S I) with Satterthwaite's degrees of freedom.
    seed_se^2 = MS_seeds / (S I), which is the SD of the seeds' means over sqrt(S), and image_se^2
    is the remainder. Where that is not above 0, the images add nothing and the interval is that of
    seeds alone; where both are 0, it is a point. The seeds' part is lengthened on the side of their
    longer tail (`estimators.skew`); the interval is cut to ``within``. Fewer than ``FEWEST`` seeds
    have none.

    >>> rng = np.random.default_rng(0)
    >>> easy = rng.random(1_000)  # how often each of 1,000 images is right
    >>> found = crossed_interval(rng.random((5, 1_000)) < easy)
    >>> f"{found.mean:.3f}; standard errors: seeds {found.seed_se:.3f}, images {found.image_se:.3f}"
    '0.520; standard errors: seeds 0.003, images 0.009'
    """
    x = np.asarray(correct, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"correct must be seeds x at least 2 images, not of shape {x.shape}")
    seeds, images = x.shape
    mean = float(x.mean()) if seeds else np.nan
    if seeds < 2:
        image_se = float(x.std(ddof=1)) / np.sqrt(images) if seeds else np.nan
        return CrossedInterval(seeds, mean, np.nan, np.nan, np.nan, np.nan, image_se, np.nan)
    by_seed, by_image = x.mean(axis=1) - mean, x.mean(axis=0) - mean
    rest = x - mean - by_seed[:, None] - by_image
    df = np.array([seeds - 1, images - 1, (seeds - 1) * (images - 1)])
    squares = [images * (by_seed**2).sum(), seeds * (by_image**2).sum(), (rest**2).sum()]
    parts = np.array(squares) / df / x.size
    if parts[1] <= parts[2]:
        parts[1:] = 0
    variance = parts[0] + parts[1] - parts[2]
    freedom = variance**2 / (parts**2 / df).sum() if variance > 0 else seeds - 1
    seed_se, image_se = float(np.sqrt(parts[0])), float(np.sqrt(parts[1] - parts[2]))
    se = float(np.sqrt(variance))
    down, up = (float(reach(level, freedom, each)) * se for each in _tails(by_seed, seed_se, se))
    low, high = np.clip([mean - down, mean + up], *within) if seeds >= FEWEST else (np.nan, np.nan)
    bounds = (float(by_seed.std(ddof=1)), float(low), float(high))
    return CrossedInterval(seeds, mean, *bounds, seed_se, image_se, float(freedom))


def _tails(values: npt.ArrayLike, part: float, whole: float) -> tuple[float, float]:
    """`tail` of the lower and of the upper bound of a mean whose standard error ``whole`` is caused
    by the spread of ``values`` as far as ``part``: third moments shrink by the cube."""
    x = np.asarray(values, dtype=np.float64)
    g = skewness(x) * (part / whole) ** 3 if whole > 0 else 0.0
    return float(tail(-g, len(x))), float(tail(g, len(x)))


def mean_by(
    frame: pd.DataFrame,
    by: list[str],
    column: str,
    level: float = LEVEL,
    within: tuple[float, float] = ANYWHERE,
) -> pd.DataFrame:
    """`mean_interval` of ``column`` in each group: ``by``, n, mean, sd, low, high.

    Every row counts, whatever its state: select before. Rows are taken as independent.

    >>> frame = pd.DataFrame({"family": ["cosine"] * 4, "value": [0.81, 0.83, 0.85, 0.83]})
    >>> mean_by(frame, ["family"], "value").round(2)
       family  n  mean    sd  low  high
    0  cosine  4  0.83  0.02  0.8  0.86
    """
    rows = [
        (*key, *mean_interval(group[column], level, within))
        for key, group in frame.groupby(by, sort=False, observed=True)
    ]
    return pd.DataFrame(rows, columns=[*by, *Interval._fields])


def wilson(successes: npt.ArrayLike, n: npt.ArrayLike, level: float = LEVEL) -> tuple[Any, Any]:
    """Wilson's score interval for a share of ``n``; (0, 1) where n is 0: nothing is known.

    The bounds b solve |share - b| = z sqrt(b (1 - b) / n) (Wilson 1927). successes: 0 to n, also
    half-integers, where ties count half; numbers or arrays. Raises ValueError outside.

    >>> low, high = wilson(9, 10)
    >>> f"{low:.3f} to {high:.3f}"
    '0.596 to 0.982'
    """
    hits, size = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if not ((hits >= 0) & (hits <= size)).all():
        raise ValueError(f"successes must be between 0 and {n!r}, not {successes!r}")
    some = np.maximum(size, 1)
    share, z = hits / some, float(special.ndtri((1 + level) / 2))
    centre = share + z**2 / (2 * some)
    half = z * np.sqrt(share * (1 - share) / some + (z / (2 * some)) ** 2)
    low, high = (centre - half) / (1 + z**2 / some), (centre + half) / (1 + z**2 / some)
    return np.where(hits > 0, low, 0.0)[()], np.where(hits < size, high, 1.0)[()]


def prediction_interval(
    mean: float, sd: float, n: int, k: int, level: float = LEVEL
) -> tuple[float, float]:
    """Where the mean of ``k`` new runs falls, given the mean and SD of ``n`` old ones.

    mean +- t(n - 1) sd sqrt(1/n + 1/k), for normal runs of one and the same program.
    Raises ValueError if n < 2 or k < 1.

    >>> low, high = prediction_interval(0.900, 0.005, n=4, k=3)  # 4 published runs, 3 new
    >>> f"{low:.3f} to {high:.3f}"
    '0.888 to 0.912'
    """
    if n < 2 or k < 1:
        raise ValueError(f"a prediction needs n >= 2 old and k >= 1 new runs, not {n} and {k}")
    half = float(t_quantile(level, n - 1)) * sd * np.sqrt(1 / n + 1 / k)
    return mean - half, mean + half


def paired_difference(
    trials: pd.DataFrame,
    first: str,
    second: str,
    column: str,
    level: float = LEVEL,
    within: tuple[float, float] = ANYWHERE,
) -> Interval:
    """Mean of ``column`` in family ``first`` minus family ``second`` over the seeds on which both
    trained, that is have a complete run. A seed's repeated trials are averaged.

    >>> rows = [("cosine", 1, 0.84), ("cosine", 2, 0.86), ("factor", 1, 0.82), ("factor", 2, 0.83)]
    >>> trials = pd.DataFrame(rows, columns=["family", "seed", "value"]).assign(state="complete")
    >>> round(paired_difference(trials, "cosine", "factor", "value").mean, 3)
    0.025
    """
    used = trials[trials["state"] == "complete"].dropna(subset=["seed"])
    table = used.pivot_table(index="seed", columns="family", values=column, aggfunc="mean")
    table = table.reindex(columns=[first, second])
    return mean_interval(table[first] - table[second], level, within)


def seeds_needed(difference: float, sd: float, level: float = LEVEL, power: float = 0.8) -> int:
    """Common seeds that a two-sided paired t test needs to see a mean difference of that size.

    sd: of the paired differences, in the same unit, > 0. The least n for which the noncentral t
    distribution gives that power. Raises ValueError where difference or sd is not above 0.

    >>> seeds_needed(0.003, 0.007)  # 0.3 points, where seeds differ by 0.7 points
    45
    """
    if not (difference > 0 and sd > 0):
        raise ValueError(f"difference and sd must be above 0, not {difference:g} and {sd:g}")
    z = special.ndtri((1 + level) / 2) + special.ndtri(power)
    least = max(2, int(np.ceil((z * sd / difference) ** 2)))  # were the SD known
    if least > MANY_SEEDS:
        return least
    n = np.arange(least, least + 20)
    bound = t_quantile(level, n - 1)
    reached = stats.nct.sf(bound, n - 1, np.sqrt(n) * difference / sd) >= power
    return int(n[reached][0])
