"""Pairs of families over common seeds: estimates, corrections and the one rule of verdicts.

Scores are shares in [0, 1], one for each seed. The caller selects them: runs that finished with
what they measured, a diverged run with the task's worst score, a stalled one with its own. Pruned
values belong to another epoch and failed runs have none: neither may be among them. A verdict
concerns the configurations that were compared, after the search that chose them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray
from scipy import special

from analysis.estimators.intervals import (
    LEVEL,
    MANY_SEEDS,
    crossed_interval,
    seeds_needed,
    t_interval,
    t_quantile,
    wilson,
)

DELTA = 0.003  # differences within +- this share do not matter
EQUIVALENCE_LEVEL = 0.9  # of the interval that makes two one-sided tests at 5 %
POWER = 0.8
RESOLUTION = 1e-9  # shares closer than this are the same share

Floats = npt.NDArray[np.float64]
Verdict = Literal["equivalent", "better", "worse", "unresolved"]


class Superiority(NamedTuple):
    """P(A > B) with Wilson's interval, from n pairs; NaN within (0, 1) where n is 0."""

    n: int
    share: float
    low: float
    high: float


def superiority(differences: npt.ArrayLike, level: float = LEVEL) -> Superiority:
    """P(A > B) from paired differences A - B, ties half (Bouthillier et al. 2021).

    A description of how often A wins, not a test of how much it wins by. NaN is left out.

    >>> superiority([0.02, 0.01, 0.0, -0.01]).share  # two wins and a tie in four
    0.625
    """
    x = np.asarray(differences, dtype=np.float64).ravel()
    x = x[~np.isnan(x)]
    wins = float((np.sign(x) + 1).sum() / 2)
    return Superiority(len(x), wins / len(x) if len(x) else np.nan, *wilson(wins, len(x), level))


class Holm(NamedTuple):
    """Adjusted p-values, and for each test the level of the interval that decides the same."""

    adjusted: Floats
    levels: Floats


def holm(p_values: npt.ArrayLike, level: float = LEVEL) -> Holm:
    """Holm's step-down correction (1979): the k-th smallest of m p-values times m - k + 1.

    Adjusted values are cumulative maxima, at most 1; one below 1 - level is significant. Then, and
    only then, the test's own interval at its level of ``levels`` excludes 0: 1 - (1 - level) /
    (m - k + 1) for significant tests, and that of the step that stopped for all later ones. These
    intervals carry decisions; they do not cover jointly. NaN is no test, counts for none in m, and
    stays NaN.

    >>> holm([0.01, 0.04, 0.03]).adjusted
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")[: np.count_nonzero(~np.isnan(p))]  # NaN sorts last
    factors = np.arange(len(order), 0, -1)
    adjusted, levels = np.full(p.shape, np.nan), np.full(p.shape, np.nan)
    steps = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    adjusted[order] = steps
    rejected = np.count_nonzero(steps < 1 - level)
    stopped = len(order) - rejected  # factor of the step that stopped, 0 if none did
    levels[order] = 1 - (1 - level) / np.clip(factors, stopped, None)
    return Holm(adjusted, levels)


def decide(
    low90: float, high90: float, adjusted_low: float, adjusted_high: float, delta: float = DELTA
) -> Verdict:
    """The one rule for a difference first minus second; NaN bounds decide nothing.

    "equivalent" if its 90 % interval lies within +- delta (two one-sided tests at 5 %, Schuirmann
    1987); else "better" or "worse" if its Holm-adjusted interval excludes 0; else "unresolved".

    >>> decide(-0.001, 0.002, -0.002, 0.003), decide(0.01, 0.02, 0.005, 0.03)
    ('equivalent', 'better')
    """
    if -delta <= low90 and high90 <= delta:
        return "equivalent"
    if adjusted_low > 0:
        return "better"
    if adjusted_high < 0:
        return "worse"
    return "unresolved"


def further_seeds(
    n: int,
    sd: float,
    difference: float,
    delta: float = DELTA,
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


class _Tests(NamedTuple):
    """What t tests of mean paired differences rest on, (tests,) each; NaN where not known."""

    n: Floats
    mean: Floats
    sd: Floats
    image_se: Floats
    se: Floats
    df: Floats


def _test(differences: Floats, images: Floats | None = None) -> tuple[float, ...]:
    """An entry of `_Tests`. differences: (seeds,), of scores; images: (seeds, images), of
    correctness."""
    if images is None:
        n, mean, sd, *_ = t_interval(differences)
        image_se, se, df = 0.0, sd / np.sqrt(max(n, 1)), n - 1.0
    else:
        n, mean, sd, _, _, seed_se, image_se, df = crossed_interval(images)
        se = float(np.hypot(seed_se, image_se))
    if se < RESOLUTION:
        se = 0.0 if abs(mean) < RESOLUTION else np.nan
    return n, mean, sd, image_se, se, df


def _tests(entries: Sequence[tuple[float, ...]]) -> _Tests:
    return _Tests(*np.array(entries, dtype=np.float64).reshape(-1, len(_Tests._fields)).T)


def _statistics(tests: _Tests) -> Floats:
    """t of each test; 0 where the two agree on every seed."""
    known = tests.se != 0
    return np.divide(tests.mean, tests.se, out=np.zeros_like(tests.se), where=known)


def _bounds(tests: _Tests, level: float | Floats) -> tuple[Floats, Floats]:
    """Low and high of each test's t interval, at one level or one for each."""
    half = t_quantile(level, tests.df) * tests.se
    return tests.mean - half, tests.mean + half


def compare_pairs(
    scores: pd.DataFrame,
    first: str,
    others: Sequence[str],
    *,
    correct: Mapping[str, npt.ArrayLike] | None = None,
    delta: float = DELTA,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Family ``first`` against each other family over the seeds that both have, a row each.

    scores: a row for each seed, a column for each family, NaN where a seed is missing. correct:
    of each family the (seeds, images) correctness behind these scores, row for row; the intervals
    then also carry the sampling of test images (`crossed_interval`), else they are Student's.

    first, second; n common seeds; mean of first minus second and its sd over seeds; low, high
    (``level``); low90, high90 (equivalence); p (two-sided), adjusted_p, adjusted_low and
    adjusted_high (Holm over these pairs); superiority, superiority_low, superiority_high; verdict
    (`decide`); further_seeds (0 if resolved, <NA> if n < 2, if sd is 0 or if seeds alone cannot);
    image_se (0 without ``correct``). Equal nonzero differences on every seed mean scores too coarse
    to know their SD: no interval, unresolved. Raises ValueError where correct has other rows.

    >>> scores = pd.DataFrame(
    ...     {
    ...         "cosine": [0.84, 0.86, 0.85, 0.86],
    ...         "constant": [0.80, 0.81, 0.81, 0.82],
    ...         "factor": [0.84, 0.85, 0.86, 0.85],
    ...     }
    ... )
    >>> pairs = compare_pairs(scores, "cosine", ["constant", "factor"])
    >>> pairs[["second", "n", "adjusted_low", "adjusted_high", "verdict", "further_seeds"]].round(3)
         second  n  adjusted_low  adjusted_high     verdict  further_seeds
    0  constant  4         0.032          0.053      better              0
    1    factor  4        -0.013          0.018  unresolved            114
    """
    entries, wins = [], []
    for second in others:
        differences, images = _differences(scores, first, second, correct)
        entries.append(_test(differences, images))
        wins.append(superiority(differences, level)[1:])
    tests = _tests(entries)
    p = 2 * special.stdtr(tests.df, -np.abs(_statistics(tests)))
    adjusted_p, levels = holm(p, level)
    columns: dict[str, Any] = {"first": first, "second": list(others), "n": tests.n.astype(int)}
    columns |= {"mean": tests.mean, "sd": tests.sd}
    columns["low"], columns["high"] = _bounds(tests, level)
    columns["low90"], columns["high90"] = low90, high90 = _bounds(tests, EQUIVALENCE_LEVEL)
    columns |= {"p": p, "adjusted_p": adjusted_p}
    columns["adjusted_low"], columns["adjusted_high"] = low, high = _bounds(tests, levels)
    names = ("superiority", "superiority_low", "superiority_high")
    columns |= zip(names, np.array(wins, dtype=np.float64).reshape(-1, 3).T, strict=True)
    bounds = zip(low90, high90, low, high, strict=True)
    verdicts = [decide(*row, delta) for row in bounds]
    columns |= {"verdict": verdicts, "further_seeds": _further(tests, verdicts, levels, delta)}
    return pd.DataFrame(columns | {"image_se": tests.image_se})


def _differences(
    scores: pd.DataFrame, first: str, second: str, correct: Mapping[str, npt.ArrayLike] | None
) -> tuple[Floats, Floats | None]:
    """First minus second on the seeds that both have: of scores, and of images if given."""
    differences = (scores[first] - scores[second]).to_numpy(dtype=np.float64)
    common = ~np.isnan(differences)
    if correct is None:
        return differences[common], None
    a, b = (np.asarray(correct[name], dtype=np.float64) for name in (first, second))
    if not len(a) == len(b) == len(scores) or a.shape != b.shape:
        raise ValueError(
            f"correct of {first} and {second} must be {len(scores)} seeds x the same images, "
            f"not {a.shape} and {b.shape}"
        )
    return differences[common], a[common] - b[common]


def _further(
    tests: _Tests, verdicts: Sequence[Verdict], levels: Floats, delta: float
) -> ExtensionArray:
    """`further_seeds` of each pair: 0 where it is resolved, <NA> where its SD is not known."""
    more: list[int | None] = []
    for n, mean, sd, image_se, *_, verdict, level in zip(*tests, verdicts, levels, strict=True):
        if verdict == "unresolved" and sd > RESOLUTION:
            more.append(further_seeds(int(n), sd, mean, delta, image_se, level))
        else:
            more.append(None if verdict == "unresolved" else 0)
    return pd.array(more, dtype="Int64")


def best_set(scores: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """The configurations that cannot be told from the best: name, n, mean, behind, p, in_set.

    scores: a row for each seed, a column for each configuration; only seeds that all have count. A
    run that diverged takes part with the task's worst score, which the caller fills in; leave out
    configurations with pruned or failed runs. Best first; behind: the best mean minus this one.
    p: one-sided paired t test that the best mean is the greater, times the m - 1 comparisons
    (Bonferroni), at most 1. in_set: not p < 1 - level, so that the set holds the true best with
    probability >= level, whichever mean came out best. Where no test is possible (one seed, or the
    same nonzero difference on every seed), p is NaN and the configuration stays in the set.

    >>> scores = pd.DataFrame({"0.1": [0.80, 0.81, 0.81], "0.2": [0.84, 0.86, 0.85]})
    >>> best_set(scores)[["name", "mean", "in_set"]].round(3)
      name   mean  in_set
    0  0.2  0.850    True
    1  0.1  0.807   False
    """
    complete = scores.dropna()
    means = complete.mean().sort_values(ascending=False, kind="stable")
    best = complete[means.index[0]]
    tests = _tests([_test((best - complete[name]).to_numpy(np.float64)) for name in means.index])
    p = np.minimum(special.stdtr(tests.df, -_statistics(tests)) * (len(means) - 1), 1)
    p[0] = 1  # nothing speaks against the best itself
    return pd.DataFrame(
        {
            "name": means.index,
            "n": len(complete),
            "mean": means.to_numpy(),
            "behind": tests.mean,
            "p": p,
            "in_set": ~(p < 1 - level),
        }
    )
