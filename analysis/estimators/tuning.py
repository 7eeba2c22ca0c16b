"""Tuning curves: the score of the best of k random trials, with bands where they are valid.

Lourie, Cho & He, "Show Your Work with Confidence: Confidence Bands for Tuning Curves" (2024).
Values are scores to be maximised, such as accuracies in [0, 1].
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd
from opda.nonparametric import EmpiricalDistribution

from analysis.estimators.intervals import LEVEL
from analysis.reading.states import TERMINAL


def tuning_curve(values: npt.ArrayLike, most: int) -> pd.DataFrame:
    """Best of k trials drawn without replacement from all n, for k = 1..most: k, median, mean.

    P(best <= i-th smallest) = C(i, k) / C(n, k). median: the smallest value at which that is at
    least one half. A point curve: what other trials would have given is not in it. Raises
    ValueError unless 1 <= most <= n and values are finite.

    >>> tuning_curve([0.7, 0.8, 0.9], most=3).round(3)
       k  median   mean
    0  1     0.8  0.800
    1  2     0.9  0.867
    2  3     0.9  0.900
    """
    ys = np.sort(np.asarray(values, dtype=np.float64))
    if not np.isfinite(ys).all():
        raise ValueError("the values of a tuning curve must be finite")
    if not 1 <= most <= len(ys):
        raise ValueError(f"the best of k trials needs k from 1 to {len(ys)}, not {most}")
    k, i = np.arange(1, most + 1)[:, None], np.arange(1, len(ys) + 1)
    below = np.cumprod(np.maximum(i - k + 1, 0) / (len(ys) - k + 1), axis=0)
    median = ys[(below >= 0.5 - 1e-9).argmax(axis=1)]  # one half may come out a rounding less
    mean = np.diff(below, axis=1, prepend=0.0) @ ys
    return pd.DataFrame({"k": k.ravel(), "median": median, "mean": mean})


def tuning_band(values: npt.ArrayLike, level: float, worst: float, best: float) -> pd.DataFrame:
    """Simultaneous confidence band of the median tuning curve: k, low, high, for k up to n/8.

    values: scores of n >= 1 independent trials of one random search that were neither pruned nor
    baselines, a diverged one with the worst score and a stalled one with its own; for others no
    band is valid. worst, best: bounds of the score. With probability ``level`` all medians of the
    best of k fresh trials, for every k at once, lie within the band (more often where scores are
    tied). k stops at n/8, at least 1, because the band then has little left to say (high
    may already be ``best``). opda's equal-tailed band of Learned-Miller & DeStefano (2008). The
    result is a function of the arguments.

    >>> tuning_band(np.linspace(0.5, 0.9, 16), 0.95, worst=0.1, best=1.0).round(2)
       k   low  high
    0  1  0.55  0.85
    1  2  0.63  1.00
    """
    ys = np.asarray(values, dtype=np.float64)
    n = len(ys)
    with warnings.catch_warnings():
        # Ties make the band hold more often than ``level``, never less.
        warnings.filterwarnings("ignore", "Duplicates detected", RuntimeWarning)
        lower, _, upper = EmpiricalDistribution.confidence_bands(
            ys,
            level,
            worst,
            best,
            generator=_generator(n, level),
            # Almost as tight as those of highest density, and six times as fast (0.02 s a trial).
            method="ld_equal_tailed",
            n_jobs=1,
        )
    k = np.arange(1, max(1, n // 8) + 1)
    # The lower bound of the distribution function gives the upper one of its quantiles.
    low, high = upper.quantile_tuning_curve(k), lower.quantile_tuning_curve(k)
    return pd.DataFrame({"k": k, "low": low, "high": high})


@functools.cache
def _generator(n: int, level: float) -> np.random.Generator:
    """The generator of opda's critical values: opda keeps them by generator, so that one for each
    size computes them once, and they do not depend on what was computed before."""
    return np.random.default_rng(0)


def tuning_curves(
    trials: pd.DataFrame, bank: bool, worst: float, best: float = 1.0, level: float = LEVEL
) -> pd.DataFrame:
    """Median tuning curve of each family: family, k, n, median, low, high, banded.

    trials: a row a slot. k runs from 1 to n. low, high: `tuning_band`, NaN where it ends and where
    none is valid, that is unless ``bank`` says that the trials are an unpruned random search and no
    trial of the family was pruned or a baseline. A diverged trial counts with ``worst``, a stalled
    one with its own value, a pruned one with ``worst``, since a search does not return it;
    failed and running ones do not count.

    >>> trials = pd.DataFrame({"family": "cosine", "state": "complete", "value": [0.7, 0.8, 0.9]})
    >>> tuning_curves(trials, bank=False, worst=0.1)[["family", "k", "n", "median", "banded"]]
       family  k  n  median  banded
    0  cosine  1  3     0.8   False
    1  cosine  2  3     0.9   False
    2  cosine  3  3     0.9   False
    """
    ended = trials[trials["state"].isin(TERMINAL)]
    curves = [
        _family_curve(group, bank, worst, best, level).assign(family=family)
        for family, group in ended.groupby("family", sort=False)
    ]
    columns = ["family", "k", "n", "median", "low", "high", "banded"]
    return (
        pd.concat(curves, ignore_index=True)[columns] if curves else pd.DataFrame(columns=columns)
    )


def _family_curve(
    group: pd.DataFrame, bank: bool, worst: float, best: float, level: float
) -> pd.DataFrame:
    pruned = group["state"] == "pruned"
    values = group["value"].mask(pruned | (group["state"] == "diverged"), worst).to_numpy()
    curve = tuning_curve(values, len(values)).drop(columns="mean").assign(n=len(values))
    if bank and not (pruned | group["baseline"]).any():
        curve = curve.merge(tuning_band(values, level, worst, best), how="left", on="k")
    else:
        curve = curve.assign(low=np.nan, high=np.nan)
    return curve.assign(banded=curve["low"].notna())
