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

from analysis.reading.states import RESULTS

LEVEL = 0.95
N_BOOTSTRAP = 20  # values from which a bootstrap interval is trusted
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
    values: npt.ArrayLike,
    level: float = LEVEL,
    *,
    generator: np.random.Generator | None = None,
) -> Interval:
    """Mean of independent values: `t_interval` below ``N_BOOTSTRAP`` of them, else a bootstrap.

    The bootstrap is the bias-corrected and accelerated one (Efron 1987) of scipy, with 9,999
    resamples. At a nominal 95 % it covers 93 % at n = 20, but only 82 to 90 % at n = 5 to 10.
    values: any shape; NaN is left out. The caller selects complete trials, and adds diverged ones
    at the task's worst score; pruned values belong to another epoch. generator: of the resamples;
    without one the result is a function of the values and the level.

    >>> found = mean_interval(np.linspace(0.8, 0.9, 20))
    >>> f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"
    '0.850 (0.837 to 0.863)'
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[~np.isnan(x)]
    student = t_interval(x, level)
    if len(x) < N_BOOTSTRAP or x.min() == x.max():
        return student
    rng = np.random.default_rng(0) if generator is None else generator
    bootstrap = stats.bootstrap((x,), np.mean, confidence_level=level, method="BCa", rng=rng)
    low, high = bootstrap.confidence_interval
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


def crossed_interval(correct: npt.ArrayLike, level: float = LEVEL) -> CrossedInterval:
    """Mean over S seeds and I images, with an interval for new seeds and new images.

    correct: (S, I), 0 or 1, or -1, 0, 1 for a paired difference; I >= 2, else ValueError. Every
    row counts: give finished runs, and a diverged one as a row of the task's worst share.
    Two-way random effects without replication (Searle, Casella & McCulloch 1992, ch. 4):
    Var(mean) = (MS_seeds + MS_images - MS_rest) / (S I) with Satterthwaite's degrees of freedom.
    seed_se^2 = MS_seeds / (S I), which is the SD of the seeds' means over sqrt(S), and image_se^2
    is the remainder. Where that is not above 0, the images add nothing and the interval is that of
    Student over seeds; where both are 0, it is a point. With one seed only image_se is known and
    the interval is NaN. A 95 % interval covers 95 % from 5 seeds on, but where the seeds' part
    is the larger one, only 92 % with 3 seeds and 87 % with 2.

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
    half = float(t_quantile(level, freedom) * np.sqrt(variance))
    seed_se, image_se = np.sqrt(parts[0]), np.sqrt(parts[1] - parts[2])
    bounds = (float(by_seed.std(ddof=1)), mean - half, mean + half)
    return CrossedInterval(seeds, mean, *bounds, float(seed_se), float(image_se), float(freedom))


def mean_by(frame: pd.DataFrame, by: list[str], column: str, level: float = LEVEL) -> pd.DataFrame:
    """`mean_interval` of ``column`` in each group: ``by``, n, mean, sd, low, high.

    Every row counts, whatever its state: select before. Rows are taken as independent.

    >>> frame = pd.DataFrame({"family": ["cosine"] * 3, "value": [0.81, 0.83, 0.85]})
    >>> mean_by(frame, ["family"], "value").round(2)
       family  n  mean    sd   low  high
    0  cosine  3  0.83  0.02  0.78  0.88
    """
    rows = [
        (*key, *mean_interval(group[column], level))
        for key, group in frame.groupby(by, sort=False, observed=True)
    ]
    return pd.DataFrame(rows, columns=[*by, *Interval._fields])


def wilson(successes: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval for a share of ``n``; (0, 1) where n is 0: nothing is known.

    The bounds b solve |share - b| = z sqrt(b (1 - b) / n) (Wilson 1927). successes: 0 to n, also
    half-integers, where ties count half. Raises ValueError outside.

    >>> low, high = wilson(9, 10)
    >>> f"{low:.3f} to {high:.3f}"
    '0.596 to 0.982'
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be between 0 and {n}, not {successes:g}")
    if n == 0:
        return 0.0, 1.0
    share, z = successes / n, float(special.ndtri((1 + level) / 2))
    centre = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)
    return float(low) if successes > 0 else 0.0, float(high) if successes < n else 1.0


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
    trials: pd.DataFrame, first: str, second: str, column: str, level: float = LEVEL
) -> Interval:
    """Mean of ``column`` in family ``first`` minus family ``second`` over the seeds both have.

    Trials that finished or stalled or diverged count with what they measured; pruned and failed
    ones do not, nor do seeds that only one family has. A seed's repeated trials are averaged.

    >>> rows = [("cosine", 1, 0.84), ("cosine", 2, 0.86), ("factor", 1, 0.82), ("factor", 2, 0.83)]
    >>> trials = pd.DataFrame(rows, columns=["family", "seed", "value"]).assign(state="complete")
    >>> round(paired_difference(trials, "cosine", "factor", "value").mean, 3)
    0.025
    """
    used = trials[trials["state"].isin(RESULTS)].dropna(subset=["seed"])
    table = used.pivot_table(index="seed", columns="family", values=column, aggfunc="mean")
    table = table.reindex(columns=[first, second])
    return mean_interval(table[first] - table[second], level)


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
